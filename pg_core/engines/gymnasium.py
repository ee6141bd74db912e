"""Plays whole episodes in any registered Gymnasium environment."""

import functools
from collections.abc import Callable
from typing import Any, NoReturn

import gymnasium as gym
import numpy as np

from pg_core.engines import Trajectories
from pg_core.environments import Array, EnvironmentFault, EnvironmentSpec, faults, make_vector, sandbox
from pg_core.environments.isolation import Isolated, is_known
from pg_core.randomness import Stream, generator

NOISE_ROWS = 64  # steps of action noise drawn at once

Act = Callable[[Array, Array], Array]


class GymnasiumEngine:
    """B environments for each of P agents; every environment plays one episode a call.

    Each agent has a vector environment of its own, seeded by (run seed, agent, update), so that its episodes do not
    depend on the population. Vector environments reset themselves after an episode, in the next step or the same one:
    whatever they return after an environment's first end is junk, and is dropped here.

    Args:
        spec: the environment.
        num_agents: P.
        num_episodes: B.
        seed: the run's seed.
        stream: what the episodes are for: training and evaluation draw different ones.
        first_agent: the number of the first of the P agents.
    """

    def __init__(
        self, spec: EnvironmentSpec, num_agents: int, num_episodes: int, seed: int, stream: Stream = Stream.EPISODES,
        first_agent: int = 0,
    ) -> None:  # fmt: skip
        self._spec, self._seed, self._stream, self._first_agent = spec, seed, stream, first_agent
        self._shape = (num_agents, num_episodes)

    @functools.cached_property
    def _envs(self) -> list[gym.vector.VectorEnv[Any, Any, Any]]:
        # Made when they are needed, which may be in another process than the engine.
        return [make_vector(self._spec.env_id, self._shape[1], **self._spec.options) for _ in range(self._shape[0])]

    def collect(self, act: Act, update: int) -> Trajectories:
        """Play one episode in every environment.

        Args:
            act: gives actions `[P, B, *action_shape]` for observations `[P, B, D]` and noise of the actions' shape.
            update: index of the update, the counter of all randomness.

        Raises:
            EnvironmentFault: the environment raised something, or returned what cannot be learned from.
            UnsupportedEnvironmentError: it cannot be made.
        """
        self._update = update
        noise = _Noise(self._spec, self._shape, self._seed, update)
        observations = np.stack([self._reset(agent) for agent in range(self._shape[0])])
        alive = np.ones(self._shape, bool)
        terminated, truncated = np.zeros(self._shape, bool), np.zeros(self._shape, bool)
        rows = []
        for step in range(self._spec.max_episode_steps):
            observations = np.where(alive[..., None], observations, 0)
            actions = act(observations, noise[step])
            ahead, rewards, ended, cut = self._step(actions, alive, step + 1)
            rows.append((observations, _where(alive, actions), np.where(alive, rewards, 0), alive))
            terminated |= alive & ended
            truncated |= alive & cut
            alive = alive & ~(ended | cut)
            observations = ahead
            if not alive.any():
                break
        columns = [np.stack(column) for column in zip(*rows, strict=True)]
        played = Trajectories(
            observations=columns[0],
            actions=columns[1],
            rewards=columns[2].astype(np.float32),
            mask=columns[3].astype(np.float32),
            terminated=terminated,
            truncated=truncated | alive,  # a vector environment without a time limit is cut at ours
        )
        self._check_finite(played)
        return played

    def close(self) -> None:
        """Close the environments."""
        for env in vars(self).get("_envs", ()):
            with sandbox.suppressed():
                env.close()

    def _reset(self, agent: int) -> Array:
        for episode, env in enumerate(getattr(self._envs[agent], "envs", ())):
            env.set_wrapper_attr("place", self._place(agent, episode))
        seed = int(generator(self._seed, self._stream, agent, self._update).integers(2**31))
        return np.asarray(self._call(agent, "reset", 0, seed=seed)[0], np.float32)

    def _step(self, actions: Array, alive: Array, step: int) -> tuple[Array, Array, Array, Array]:
        """Step the environments of every agent that still has an episode to play."""
        ahead = np.zeros((*self._shape, self._spec.observation_size), np.float32)
        rewards = np.zeros(self._shape)
        terminated, truncated = np.zeros(self._shape, bool), np.zeros(self._shape, bool)
        decoded = self._spec.decode(actions)
        for agent in np.flatnonzero(alive.any(axis=1)).tolist():
            ahead[agent], rewards[agent], terminated[agent], truncated[agent], _ = self._call(
                agent, "step", step, decoded[agent]
            )
        return ahead, rewards, terminated, truncated

    def _call(self, agent: int, method: str, step: int, *args: Any, **options: Any) -> Any:
        """Call a vector environment: of one's own nobody else says where it was when it failed."""
        if sandbox.is_inside():
            sandbox.note(f"{self._place(agent)}, step {step}")
        try:
            return getattr(self._envs[agent], method)(*args, **options)
        except EnvironmentFault:
            raise
        except BaseException as error:
            if sandbox.is_interrupt(error):
                raise
            where = self._spec.env_id, self._envs[agent].unwrapped, method, f"{self._place(agent)}, step {step}"
            raise faults.raised(error, *where) from error

    def _place(self, agent: int, episode: int | None = None) -> str:
        purpose = "evaluation" if self._stream == Stream.EVALUATION else f"update {self._update + 1}"
        which = "" if episode is None else f", episode {episode + 1} of {self._shape[1]}"
        return f"agent {self._first_agent + agent}, {purpose}{which}"

    def _check_finite(self, played: Trajectories) -> None:
        """Refuse numbers that are not finite, but for those with which it answers the actions of a diverged policy."""
        if np.isfinite(played.observations).all() and np.isfinite(played.rewards).all():
            return
        arrays = played.observations, played.rewards, played.actions
        observations, rewards, actions = (
            np.logical_not(np.isfinite(array).reshape(*played.mask.shape, -1).all(axis=-1)) for array in arrays
        )
        diverged = np.logical_or.accumulate(actions)  # in this step or before it
        observations[1:] &= ~diverged[:-1]
        found = np.argwhere(observations | (rewards & ~diverged))
        if len(found):
            step, agent, episode = found[0]
            seen = observations[step, agent, episode]
            self._tell_not_finite("an observation" if seen else "a reward", step + (not seen), agent, episode)

    def _tell_not_finite(self, what: str, step: int, agent: int, episode: int) -> NoReturn:
        envs: Any = self._envs[agent].unwrapped
        env = envs.envs[episode].unwrapped if isinstance(envs, gym.vector.SyncVectorEnv) else envs
        method, place = ("step", f"step {step}") if step else ("reset", "reset")
        where = self._spec.env_id, env, method, f"{self._place(agent, episode)}, {place}"
        raise faults.returned(f"{what} that is not finite", *where)


class IsolatedEngine:
    """A `GymnasiumEngine` whose environments are played in a process of their own; arguments and methods as there."""

    def __init__(self, spec: EnvironmentSpec, *args: Any) -> None:
        self._engine = Isolated(spec.env_id, GymnasiumEngine(spec, *args))

    def collect(self, act: Act, update: int) -> Trajectories:
        """Play one episode in every environment."""
        played: Trajectories = self._engine.call("collect", act, update)
        return played

    def close(self) -> None:
        """Close the environments, and end their process."""
        self._engine.close()


def make_engine(spec: EnvironmentSpec, *args: Any) -> GymnasiumEngine | IsolatedEngine:
    """Return an engine for an environment, in this process if it is known; arguments as of `GymnasiumEngine`."""
    return (GymnasiumEngine if is_known(spec.env_id) else IsolatedEngine)(spec, *args)


class _Noise:
    """The noise of all actions of one update, drawn a block of steps at a time: most episodes are short."""

    def __init__(self, spec: EnvironmentSpec, shape: tuple[int, int], seed: int, update: int) -> None:
        self._generators = [generator(seed, Stream.ACTIONS, agent, update) for agent in range(shape[0])]
        self._discrete = spec.discrete
        self._row_shape = shape[1], *spec.action_shape

    def __getitem__(self, step: int) -> Array:
        if step % NOISE_ROWS == 0:
            shape = (NOISE_ROWS, *self._row_shape)
            draw = [g.random if self._discrete else g.standard_normal for g in self._generators]
            self._block: Array = np.stack([d(shape, np.float32) for d in draw], axis=1)
        row: Array = self._block[step % NOISE_ROWS]
        return row


def _where(alive: Array, actions: Array) -> Array:
    return np.where(alive.reshape(alive.shape + (1,) * (actions.ndim - alive.ndim)), actions, 0)
