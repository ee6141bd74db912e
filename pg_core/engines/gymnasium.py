"""Plays whole episodes in any registered Gymnasium environment."""

from collections.abc import Callable

import numpy as np

from pg_core.engines import Trajectories
from pg_core.environments import Array, EnvironmentSpec, make_vector
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
    """

    def __init__(
        self, spec: EnvironmentSpec, num_agents: int, num_episodes: int, seed: int, stream: Stream = Stream.EPISODES
    ) -> None:
        self._spec, self._seed, self._stream = spec, seed, stream
        self._shape = (num_agents, num_episodes)
        self._envs = [make_vector(spec.env_id, num_episodes, **spec.options) for _ in range(num_agents)]

    def collect(self, act: Act, update: int) -> Trajectories:
        """Play one episode in every environment.

        Args:
            act: gives actions `[P, B]` or `[P, B, A]` for observations `[P, B, D]` and noise of the actions' shape.
            update: index of the update, the counter of all randomness.
        """
        noise = _Noise(self._spec, self._shape, self._seed, update)
        observations = np.stack([self._reset(agent, update) for agent in range(self._shape[0])])
        alive = np.ones(self._shape, bool)
        terminated, truncated = np.zeros(self._shape, bool), np.zeros(self._shape, bool)
        rows = []
        for step in range(self._spec.max_episode_steps):
            observations = np.where(alive[..., None], observations, 0)
            actions = act(observations, noise[step])
            ahead, rewards, ended, cut = self._step(actions, alive)
            rows.append((observations, _where(alive, actions), np.where(alive, rewards, 0), alive))
            terminated |= alive & ended
            truncated |= alive & cut
            alive = alive & ~(ended | cut)
            observations = ahead
            if not alive.any():
                break
        columns = [np.stack(column) for column in zip(*rows, strict=True)]
        return Trajectories(
            observations=columns[0],
            actions=columns[1],
            rewards=columns[2].astype(np.float32),
            mask=columns[3].astype(np.float32),
            terminated=terminated,
            truncated=truncated | alive,  # a vector environment without a time limit is cut at ours
        )

    def close(self) -> None:
        """Close the environments."""
        for env in self._envs:
            env.close()

    def _reset(self, agent: int, update: int) -> Array:
        seed = int(generator(self._seed, self._stream, agent, update).integers(2**31))
        return self._spec.encode(self._envs[agent].reset(seed=seed)[0])

    def _step(self, actions: Array, alive: Array) -> tuple[Array, Array, Array, Array]:
        """Step the environments of every agent that still has an episode to play."""
        ahead = np.zeros((*self._shape, self._spec.observation_size), np.float32)
        rewards = np.zeros(self._shape)
        terminated, truncated = np.zeros(self._shape, bool), np.zeros(self._shape, bool)
        decoded = self._spec.decode(actions)
        for agent in np.flatnonzero(alive.any(axis=1)):
            observations, rewards[agent], terminated[agent], truncated[agent], _ = self._envs[agent].step(
                decoded[agent]
            )
            ahead[agent] = self._spec.encode(observations)
        return ahead, rewards, terminated, truncated


class _Noise:
    """The noise of all actions of one update, drawn a block of steps at a time: most episodes are short."""

    def __init__(self, spec: EnvironmentSpec, shape: tuple[int, int], seed: int, update: int) -> None:
        self._generators = [generator(seed, Stream.ACTIONS, agent, update) for agent in range(shape[0])]
        self._discrete = spec.discrete
        self._row_shape = (shape[1],) if spec.discrete else (shape[1], spec.action_size)

    def __getitem__(self, step: int) -> Array:
        if step % NOISE_ROWS == 0:
            shape = (NOISE_ROWS, *self._row_shape)
            draw = [g.random if self._discrete else g.standard_normal for g in self._generators]
            self._block: Array = np.stack([d(shape, np.float32) for d in draw], axis=1)
        row: Array = self._block[step % NOISE_ROWS]
        return row


def _where(alive: Array, actions: Array) -> Array:
    return np.where(alive.reshape(alive.shape + (1,) * (actions.ndim - alive.ndim)), actions, 0)
