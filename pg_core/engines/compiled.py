"""Plays an environment as tensor operations, so that XLA can compile playing and learning into one program."""

import itertools
import math
from typing import NamedTuple, Self

import numpy as np
import tensorflow as tf
from gymnasium.utils import seeding

from pg_core.engines import CompiledEnvironment, Trajectories, cart_pole
from pg_core.environments import Array, EnvironmentSpec
from pg_core.policies.in_numpy import passed_by
from pg_core.policies.in_tensorflow import Params, forward, log_odds_networks, normalized
from pg_core.randomness import Stream, generator

UNROLL = 2  # steps for each iteration of the loop: its overhead is amortised over them
ENVIRONMENTS = {"cart_pole": cart_pole.environment}  # by their names in `environments.COMPILED`


class Draws(NamedTuple):
    """The random numbers of K updates: those that the Gymnasium engine draws for the same agents and updates."""

    noise: Array  # [K, P, T, B] float32, uniform in [0, 1)
    starts: Array  # [K, S, P, B] float64, the first states

    @classmethod
    def of(
        cls, environment: CompiledEnvironment, seed: int, agents: range, updates: range,
        num_rows: int, num_episodes: int, num_steps: int,
    ) -> Self:  # fmt: skip
        """Draw for some agents and updates of a run; K is `num_rows`, and rows beyond the updates are not set."""
        noise = np.empty((num_rows, len(agents), num_steps, num_episodes), np.float32)
        starts = np.empty((num_rows, environment.state_size, len(agents), num_episodes))
        for (row, update), (column, agent) in itertools.product(enumerate(updates), enumerate(agents)):
            generator(seed, Stream.ACTIONS, agent, update).random(out=noise[row, column], dtype=np.float32)
            random, _ = seeding.np_random(int(generator(seed, Stream.EPISODES, agent, update).integers(2**31)))
            starts[row, :, column] = environment.starts(random, num_episodes)
        return cls(noise, starts)


def compiled_environment(spec: EnvironmentSpec) -> CompiledEnvironment:
    """Return the compiled environment that is the same as Gymnasium's."""
    return ENVIRONMENTS[spec.compiled](**spec.env_kwargs)


def collect(
    environment: CompiledEnvironment, policy: Params, activation: tf.Tensor, noise: tf.Tensor, starts: tf.Tensor
) -> Trajectories:
    """Play one episode in every lane, until the last has ended.

    Args:
        environment: of two actions, in which observations are the states.
        policy: parameters of P softmax policies of two actions.
        activation: index among the choices of `Config`.
        noise: uniform in [0, 1), `[P, T, B]`; T is the time limit.
        starts: first states, `[S, P, B]` float64.

    Returns:
        Trajectories of length T.
    """
    num_agents, num_steps, num_episodes = noise.shape
    networks = log_odds_networks(policy)

    def step_all(t: tf.Tensor, states: tf.Tensor, alive: tf.Tensor, rows: tf.TensorArray) -> tuple[tf.Tensor, ...]:
        playing = alive & (t < num_steps)
        observations = tf.where(playing, tf.cast(states, tf.float32), 0)
        seen = normalized(policy, tf.stack(tf.unstack(observations), axis=-1))
        log_odds = forward(networks, seen, activation)[-1].preactivations
        passed = passed_by(noise[:, tf.minimum(t, num_steps - 1)], tf.sigmoid(-log_odds))  # π(0) is what is passed
        actions = playing & passed[..., 0]
        row = tf.concat([observations, tf.cast(tf.stack([actions, playing]), tf.float32)], axis=0)
        states = environment.step(states, actions)
        return t + 1, states, alive & ~(playing & environment.terminated(states)), rows.write(t, row)

    def unrolled(*carried: tf.Tensor) -> tuple[tf.Tensor, ...]:
        for _ in range(UNROLL):
            carried = step_all(*carried)
        return carried

    num_rows = UNROLL * math.ceil(num_steps / UNROLL)
    rows = tf.TensorArray(tf.float32, num_rows, element_shape=[environment.state_size + 2, num_agents, num_episodes])
    start = tf.constant(0), starts, tf.ones([num_agents, num_episodes], bool), rows
    _, _, alive, rows = tf.while_loop(lambda t, _, alive, __: (t < num_steps) & tf.reduce_any(alive), unrolled, start)
    *observations, actions, mask = tf.unstack(rows.stack()[:num_steps], axis=1)  # each [T, P, B]
    last = mask - tf.concat([mask[1:], tf.zeros_like(mask[:1])], axis=0)
    rewards = environment.rewards(mask, last * tf.cast(~alive, tf.float32))
    actions = tf.cast(actions, tf.int32)
    return Trajectories(tf.stack(observations, axis=-1), actions, rewards, mask, ~alive, mask[-1] > 0)
