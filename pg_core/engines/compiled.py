"""Plays CartPole as tensor operations, so that XLA can compile playing and learning into one program.

See Barto, Sutton, Anderson, "Neuronlike adaptive elements that can solve difficult learning control problems", 1983,
and Gymnasium's `classic_control/cartpole.py`, which this follows step by step.
"""

import itertools
import math
from typing import NamedTuple, Self

import numpy as np
import tensorflow as tf
from gymnasium.utils import seeding

from pg_core.engines import Trajectories
from pg_core.environments import Array
from pg_core.policies.in_numpy import passed_by
from pg_core.policies.in_tensorflow import Params, forward, log_odds_networks
from pg_core.randomness import Stream, generator

GRAVITY = 9.8
POLE_MASS, TOTAL_MASS = 0.1, 1.1
HALF_LENGTH = 0.5
FORCE = 10.0
SECONDS = 0.02  # of one step
MAX_POSITION, MAX_ANGLE = 2.4, 12 * 2 * math.pi / 360
UNROLL = 2  # steps for each iteration of the loop: its overhead is amortised over them
START = 0.05  # every component of the first state is uniform in ±START


class Draws(NamedTuple):
    """The random numbers of K updates: those that the Gymnasium engine draws for the same agents and updates."""

    noise: Array  # [K, P, T, B] float32, uniform in [0, 1)
    starts: Array  # [K, 4, P, B] float64, the first states

    @classmethod
    def of(cls, seed: int, agents: range, updates: range, num_rows: int, num_episodes: int, num_steps: int) -> Self:
        """Draw for some agents and updates of a run; K is `num_rows`, and rows beyond the updates are not set."""
        noise = np.empty((num_rows, len(agents), num_steps, num_episodes), np.float32)
        starts = np.empty((num_rows, 4, len(agents), num_episodes))
        for (row, update), (column, agent) in itertools.product(enumerate(updates), enumerate(agents)):
            generator(seed, Stream.ACTIONS, agent, update).random(out=noise[row, column], dtype=np.float32)
            random, _ = seeding.np_random(int(generator(seed, Stream.EPISODES, agent, update).integers(2**31)))
            starts[row, :, column] = random.uniform(-START, START, (4, num_episodes))
        return cls(noise, starts)


def step(states: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
    """Move every cart by one explicit Euler step.

    θ̈ = (g sin θ - u cos θ) / (l (4/3 - m cos² θ / M)), ẍ = u - m l θ̈ cos θ / M, u = (F + m l θ̇² sin θ) / M

    Args:
        states: x, ẋ, θ, θ̇, `[4, ...]`, |θ| ≤ π; float64 as in Gymnasium: float32 would end some episodes elsewhere.
        actions: whether the cart is pushed right, not left, bool `[...]`.

    Returns:
        The states one step later.
    """
    x, x_dot, theta, theta_dot = tf.unstack(states)
    force = tf.where(actions, tf.constant(FORCE, x.dtype), tf.constant(-FORCE, x.dtype))
    sine, cosine = _sine_and_cosine(theta)
    push = (force + POLE_MASS * HALF_LENGTH * theta_dot**2 * sine) / TOTAL_MASS
    inertia = HALF_LENGTH * (4 / 3 - POLE_MASS * cosine**2 / TOTAL_MASS)
    theta_acceleration = (GRAVITY * sine - cosine * push) / inertia
    x_acceleration = push - POLE_MASS * HALF_LENGTH * theta_acceleration * cosine / TOTAL_MASS
    return states + SECONDS * tf.stack([x_dot, x_acceleration, theta_dot, theta_acceleration])


def has_failed(states: tf.Tensor) -> tf.Tensor:
    """Return which carts have left the track or have a pole over 12°, bool `[...]`, for states `[4, ...]`."""
    return (tf.abs(states[0]) > MAX_POSITION) | (tf.abs(states[2]) > MAX_ANGLE)


def _sine_and_cosine(angle: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Calculate θ Σₖ (-1)ᵏ θ²ᵏ/(2k+1)! and Σₖ (-1)ᵏ θ²ᵏ/(2k)!, to float64 rounding for |θ| ≤ π.

    XLA would call the C library for each number. By Horner's rule there is no division, which is what costs.
    """
    square, sine, cosine = angle**2, tf.zeros_like(angle), tf.zeros_like(angle)
    for k in range(13, -1, -1):
        sine = sine * square + (-1) ** k / math.factorial(2 * k + 1)
        cosine = cosine * square + (-1) ** k / math.factorial(2 * k)
    return sine * angle, cosine


def collect(
    policy: Params, activation: tf.Tensor, noise: tf.Tensor, starts: tf.Tensor, sutton_barto_reward: bool
) -> Trajectories:
    """Play one episode in every lane, until the last has ended.

    Args:
        policy: parameters of P softmax policies of two actions.
        activation: index among the choices of `Config`.
        noise: uniform in [0, 1), `[P, T, B]`; T is the time limit.
        starts: first states, `[4, P, B]` float64.
        sutton_barto_reward: 0 a step and -1 for a failure, instead of 1 a step.

    Returns:
        Trajectories of length T.
    """
    num_agents, num_steps, num_episodes = noise.shape
    networks = log_odds_networks(policy)

    def step_all(t: tf.Tensor, states: tf.Tensor, alive: tf.Tensor, rows: tf.TensorArray) -> tuple[tf.Tensor, ...]:
        playing = alive & (t < num_steps)
        observations = tf.where(playing, tf.cast(states, tf.float32), 0)
        log_odds = forward(networks, tf.stack(tf.unstack(observations), axis=-1), activation)[-1].preactivations
        passed = passed_by(noise[:, tf.minimum(t, num_steps - 1)], tf.sigmoid(-log_odds))  # π(0) is what is passed
        actions = playing & passed[..., 0]
        row = tf.concat([observations, tf.cast(tf.stack([actions, playing]), tf.float32)], axis=0)
        states = step(states, actions)
        return t + 1, states, alive & ~(playing & has_failed(states)), rows.write(t, row)

    def unrolled(*carried: tf.Tensor) -> tuple[tf.Tensor, ...]:
        for _ in range(UNROLL):
            carried = step_all(*carried)
        return carried

    num_rows = UNROLL * math.ceil(num_steps / UNROLL)
    rows = tf.TensorArray(tf.float32, num_rows, element_shape=[6, num_agents, num_episodes])
    start = tf.constant(0), starts, tf.ones([num_agents, num_episodes], bool), rows
    _, _, alive, rows = tf.while_loop(lambda t, _, alive, __: (t < num_steps) & tf.reduce_any(alive), unrolled, start)
    *observations, actions, mask = tf.unstack(rows.stack()[:num_steps], axis=1)  # each [T, P, B]
    last = mask - tf.concat([mask[1:], tf.zeros_like(mask[:1])], axis=0)
    rewards = -last * tf.cast(~alive, tf.float32) if sutton_barto_reward else mask
    actions = tf.cast(actions, tf.int32)
    return Trajectories(tf.stack(observations, axis=-1), actions, rewards, mask, ~alive, mask[-1] > 0)
