"""CartPole as tensor operations, for the compiled engine.

See Barto, Sutton, Anderson, "Neuronlike adaptive elements that can solve difficult learning control problems", 1983,
and Gymnasium's `classic_control/cartpole.py`, which this follows step by step.
"""

import math

import numpy as np
import tensorflow as tf

from pg_core.engines import CompiledEnvironment
from pg_core.environments import Array
from pg_core.environments.cart_pole import MAX_ANGLE, MAX_POSITION, PHYSICS, SECONDS, START

GRAVITY, HALF_LENGTH, POLE_MASS, CART_MASS, FORCE = PHYSICS.values()
TOTAL_MASS = POLE_MASS + CART_MASS


def environment(sutton_barto_reward: bool = False) -> CompiledEnvironment:
    """Return CartPole, with 1 a step, or with 0 a step and -1 for a failure."""
    rewards = minus_one_for_a_failure if sutton_barto_reward else one_a_step
    return CompiledEnvironment(4, starts, step, has_failed, rewards)


def starts(random: np.random.Generator, num_episodes: int) -> Array:
    """Draw the first states that Gymnasium would, `[4, B]`."""
    return random.uniform(-START, START, (4, num_episodes))


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


def one_a_step(mask: tf.Tensor, _failures: tf.Tensor) -> tf.Tensor:
    """Return a reward of 1 for every step, the last one included, `[T, P, B]`."""
    return mask


def minus_one_for_a_failure(_mask: tf.Tensor, failures: tf.Tensor) -> tf.Tensor:
    """Return Sutton and Barto's reward: -1 for the step that fails, 0 before, `[T, P, B]`."""
    return -failures
