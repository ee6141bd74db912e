"""Episodes to watch, as JSON: CartPole as numbers, from which a page draws it; everything else as pictures.

All agents of a population begin in the same state and sample actions as in training, from their own random numbers; or,
by a seed that is given, all policies of all runs begin in the same state and act by the same numbers.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from pg_core.config import Config
from pg_core.environments import Array, isolation, make, rendering
from pg_core.learning import evaluation
from pg_core.policies import in_numpy
from pg_core.policies.in_numpy import Params
from pg_core.randomness import Stream, generator

MAX_SHOWN = 16  # agents of a larger population, chosen by rank


class Episode(NamedTuple):
    """One episode of CartPole."""

    states: Array  # [T+1, 4] x, ẋ, θ, θ̇
    probs: Array  # [T] π(right)
    episodic_return: float  # undiscounted


def start_seed(config: Config, update: int, seed: int | None = None) -> int:
    """Return the seed of the environment in which all agents play after `update` updates: `seed`, if there is one."""
    return seed if seed is not None else int(generator(config.seed, Stream.STAGE, 0, update).integers(2**31))


def play_cart_pole(
    config: Config, policy: Params, agents: Sequence[int], update: int, seed: int | None = None, greedy: bool = False
) -> list[Episode]:
    """Play one episode of CartPole with each of the given agents, in Gymnasium's own environment.

    Args:
        config: in force when the policy was taken.
        policy: parameters of the population, the population axis first.
        agents: N of them, each in [0, P-1].
        update: number of updates that the policy has done, the counter of all randomness.
        seed: of the episode instead: of the first state, and of the actions as by `evaluation.action_draws`.
        greedy: the most probable actions, or sampled ones as in training.
    """
    spec, agents = config.environment, list(agents)
    draws = [evaluation.action_draws(config, agent, update, seed) for agent in agents]
    noise = np.stack([draw.random(spec.max_episode_steps, np.float32) for draw in draws])
    # Without their wrappers, which take as long as the physics; the time limit is the loop's.
    envs: list[Any] = [make(spec.env_id, **spec.options).unwrapped for _ in agents]
    observations = np.stack([env.reset(seed=start_seed(config, update, seed))[0] for env in envs])
    states: list[list[Array]] = [[env.state] for env in envs]
    thoughts: list[list[tuple[float, float]]] = [[] for _ in envs]  # π(right), reward
    alive, params = np.arange(len(envs)), {name: array[agents] for name, array in policy.items()}
    for step in range(spec.max_episode_steps):
        logits = in_numpy.apply(params, observations[:, None], config.activation)[:, 0]
        left, right = in_numpy.softmax(logits).T
        actions = (logits.argmax(axis=-1) if greedy else noise[alive, step] >= left).astype(np.int64)
        ended = np.zeros(len(alive), bool)
        for row, i in enumerate(alive):
            observations[row], reward, ended[row], *_ = envs[i].step(actions[row])
            states[i].append(envs[i].state)
            thoughts[i].append((right[row], reward))
        if ended.any():
            alive, observations = alive[~ended], observations[~ended]
            params = {name: array[~ended] for name, array in params.items()}
        if not len(alive):
            break
    return [_episode(*lists) for lists in zip(states, thoughts, strict=True)]


def _episode(states: list[Array], thoughts: list[tuple[float, float]]) -> Episode:
    probs, rewards = np.array(thoughts).T
    return Episode(np.array(states), probs, float(rewards.sum()))


def roles(ranked: Sequence[int]) -> dict[str, int]:
    """Return the (lower) median, the best and the worst of agents ranked best first."""
    return {"median": ranked[len(ranked) // 2], "best": ranked[0], "worst": ranked[-1]}


def shown(ranked: Sequence[int], agent: int | None = None) -> list[int]:
    """Return which agents are shown, ascending: all, or of many an even spread from best to worst, and `agent`."""
    ranks = np.arange(len(ranked))
    if len(ranked) > MAX_SHOWN:
        ranks = np.rint(np.linspace(0, len(ranked) - 1, MAX_SHOWN)).astype(int)
        ranks[MAX_SHOWN // 2] = len(ranked) // 2  # the median
    return sorted({ranked[rank] for rank in ranks.tolist()} | (set() if agent is None else {agent}))


def to_json(
    config: Config, policy: Params, update: int, ranked: Sequence[int], agent: int | None = None, frames: bool = False,
    seed: int | None = None, greedy: bool = False,
) -> bytes:  # fmt: skip
    """Play episodes with the policies after `update` updates, and return them as a JSON object.

    Args:
        config: in force when the policy was taken.
        policy: parameters of the population, the population axis first.
        update: number of updates that it has done.
        ranked: all agents, best first.
        agent: shown too; in pictures the only one shown, None: the median.
        frames: show even CartPole in pictures.
        seed: of the episodes, None: the run's own at this update; see `play_cart_pole`.
        greedy: the most probable actions, or sampled ones as in training.

    Raises:
        UnsupportedEnvironmentError: the environment cannot be drawn here.
        EnvironmentFault: it fails.
    """
    drawn = frames or config.environment.compiled != "cart_pole"
    about: dict[str, Any] = {
        "update": update,
        "env_id": config.env_id,
        "num_agents": config.num_agents,
        "roles": roles(ranked),
    }
    if drawn:
        chosen = roles(ranked)["median"] if agent is None else agent
        pictures = _painter.call(config.env_id, config, policy, chosen, update, seed, greedy)
        return orjson.dumps(about | {"kind": "frames", "episodes": [pictures]})
    agents = shown(ranked, agent)
    played = zip(agents, play_cart_pole(config, policy, agents, update, seed, greedy), strict=True)
    step_ms = round(1000 / config.environment.steps_per_second)
    episodes = [{"agent": agent, **_numbers(episode)} for agent, episode in played]
    return orjson.dumps(about | {"kind": "cart_pole", "step_ms": step_ms, "episodes": episodes})


def weights_to_json(policy: Params, agent: int, activation: str) -> bytes:
    """Return the policy of one agent as a JSON object: `activation`, and each array without the population axis.

    Args:
        policy: parameters of the population, the population axis first.
        agent: in [0, P-1].
        activation: as in `Config`.
    """
    arrays = {name: np.ascontiguousarray(array[agent]) for name, array in policy.items()}
    return orjson.dumps({"activation": activation, **arrays}, option=orjson.OPT_SERIALIZE_NUMPY)


def _numbers(episode: Episode) -> dict[str, Any]:
    largest = np.abs(episode.states).max(axis=0)
    scale = np.where(largest > 0, largest / 32767, 1)
    return {
        "return": episode.episodic_return, "length": len(episode.probs), "scale": scale.tolist(),
        "states": _text(np.rint(episode.states / scale).astype("<i2").tobytes()),
        "probs": _text(np.rint(episode.probs * 65535.0).astype("<u2").tobytes()),
    }  # fmt: skip


def save(config: Config, policy: Params, agent: int, path: Path) -> None:
    """Write an episode of one agent's greedy policy as a picture that moves: .webp, .gif or .mp4.

    Raises:
        ValueError: another suffix.
        UnsupportedEnvironmentError: the environment cannot be drawn here.
        EnvironmentFault: it fails.
    """
    isolation.apart(config.env_id, _save, config, policy, agent, path)


def _save(config: Config, policy: Params, agent: int, path: Path) -> None:
    act = evaluation.actor(config, policy, agent, greedy=True)
    rendering.save(path, *rendering.record(config.environment, act, config.seed, f"agent {agent}"))


def _pictures(
    config: Config, policy: Params, agent: int, update: int, seed: int | None, greedy: bool
) -> dict[str, Any]:
    act = evaluation.actor(config, policy, agent, greedy, update, seed)
    place = f"agent {agent}, after {update} updates"
    clip = rendering.play(config.environment, act, start_seed(config, update, seed), place)
    return {
        "agent": agent, "return": clip.episodic_return, "length": clip.length, "frame_ms": clip.frame_ms,
        "choices": config.environment.choices, "steps": clip.steps, "thoughts": clip.action_probs,
        "frames": [_text(frame) for frame in clip.frames],
    }  # fmt: skip


_painter = isolation.Keeper(_pictures)  # who watches a run asks for the next policy in a moment


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
