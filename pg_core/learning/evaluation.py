"""How well a policy acts: fresh episodes, without learning."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from pg_core.config import Config
from pg_core.engines.gymnasium import make_engine
from pg_core.environments import Array
from pg_core.policies import in_numpy
from pg_core.policies.in_numpy import Params
from pg_core.randomness import Stream, generator

VALIDATION_SEED = 1


class Evaluation(NamedTuple):
    """Fresh episodes of a policy."""

    returns: Array  # [N] undiscounted
    lengths: Array  # [N]
    consecutive_successes: int  # episodes, from the first on, that ran to the time limit before one did not


def evaluate(
    config: Config, policy: Params, agent: int, episodes: int, seed: int = 0, greedy: bool = True
) -> Evaluation:
    """Play fresh episodes with one agent's policy.

    Args:
        config: in force when the policy was taken.
        policy: parameters of the population, the population axis first.
        agent: whose policy, in [0, P-1].
        episodes: N, at least 1.
        seed: of the episodes; they are never those of training.
        greedy: the most probable actions, or sampled ones as in training.

    Returns:
        Returns and lengths, and how many consecutive episodes the policy held out to the time limit: success where
        an episode ends in failure, as in CartPole.

    Raises:
        ValueError: there is no such agent, or `episodes` is not positive.
    """
    if episodes < 1:
        raise ValueError(f"`episodes` must be at least 1, got {episodes}.")
    params, spec = one_agent(policy, agent), config.environment
    # Both can be sent to the process where an environment of one's own is played.
    act = _greedy if greedy else functools.partial(_sampled, generator(seed, Stream.EVALUATION, agent, update=1))
    with contextlib.closing(make_engine(spec, 1, episodes, seed, Stream.EVALUATION, agent)) as engine:
        played = engine.collect(functools.partial(act, params, config.activation, spec.choices), 0)
    ended_early = np.flatnonzero(~played.truncated[0])
    return Evaluation(
        returns=played.rewards.sum(axis=0)[0],
        lengths=played.mask.sum(axis=0)[0].astype(np.int32),
        consecutive_successes=int(ended_early[0]) if ended_early.size else episodes,
    )


def _greedy(params: Params, activation: str, choices: tuple[int, ...], observations: Array, noise: Array) -> Array:
    return in_numpy.greedy(params, observations, activation, choices)


def _sampled(
    draws: np.random.Generator, params: Params, activation: str, choices: tuple[int, ...], observations: Array,
    noise: Array,
) -> Array:  # fmt: skip
    """Sample with numbers of its own: the engine's are those of training."""
    draw = draws.random if choices else draws.standard_normal
    return in_numpy.sample(params, observations, draw(noise.shape, np.float32), activation, choices)


def best_agent(config: Config, policy: Params, candidates: Sequence[int], episodes: int, greedy: bool = True) -> int:
    """Return the candidate whose policy has the highest mean return, the first of those that tie.

    Returns in training are no sure sign of a greedy policy: actions are sampled there, and it may owe them to that.
    Its episodes are not those that `evaluate` plays with the default seed.

    Args:
        config: in force when the policy was taken.
        policy: parameters of the population, the population axis first.
        candidates: agents, at least one.
        episodes: that each plays.
        greedy: as for `evaluate`.
    """
    played = [evaluate(config, policy, agent, episodes, VALIDATION_SEED, greedy) for agent in candidates]
    return candidates[int(np.argmax([each.returns.mean() for each in played]))]


def actor(
    config: Config, policy: Params, agent: int, greedy: bool, update: int = 0, seed: int | None = None
) -> Callable[[Array], tuple[Array, Array]]:
    """Return a function that acts as one agent does, one observation at a time.

    Args:
        config: in force when the policy was taken.
        policy: parameters of the population, the population axis first.
        agent: whose policy, in [0, P-1].
        greedy: the most probable action, or a sampled one as in training.
        update: number of updates that the policy has done, the counter of the samples.
        seed: of the samples, see `action_draws`.

    Returns:
        A function from an observation `[D]` to the policy's action, of `action_shape`, and the probabilities of each
        choice's options, one choice after the other, or the mean action, `[A]`.
    """
    params, spec = one_agent(policy, agent), config.environment
    draws = action_draws(config, agent, update, seed)
    draw = draws.random if spec.discrete else draws.standard_normal

    def act(observation: Array) -> tuple[Array, Array]:
        row = observation[None, None]
        noise = draw((1, 1, *spec.action_shape), np.float32)
        action = (
            in_numpy.greedy(params, row, config.activation, spec.choices)
            if greedy
            else in_numpy.sample(params, row, noise, config.activation, spec.choices)
        )
        outputs = in_numpy.apply(params, row, config.activation)[0, 0]
        if not spec.discrete:
            return action[0, 0], outputs
        return action[0, 0], np.concatenate([*map(in_numpy.softmax, in_numpy.split(outputs, spec.choices))])

    return act


def action_draws(config: Config, agent: int, update: int, seed: int | None) -> np.random.Generator:
    """Return the generator of the numbers by which actions are sampled in an episode to watch.

    Without a `seed` they are the agent's own after so many updates. With one they depend on nothing else: whichever
    policies play with it, of whatever agent, update or run, act by the same numbers.
    """
    if seed is None:
        return generator(config.seed, Stream.EVALUATION, agent, update)
    return generator(seed, Stream.FRESH, 0)


def one_agent(policy: Params, agent: int) -> dict[str, Array]:
    """Return one agent's parameters, with a population axis of 1.

    Raises:
        ValueError: there is no such agent.
    """
    agents = len(policy["kernel_0"])
    if not 0 <= agent < agents:
        raise ValueError(f"`agent` must be in [0, {agents - 1}], got {agent}.")
    return {name: array[agent : agent + 1] for name, array in policy.items()}
