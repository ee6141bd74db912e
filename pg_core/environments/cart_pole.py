"""CartPole in NumPy, of any physics, in Gymnasium's order of operations: with its own constants they agree bit for bit.

See Barto, Sutton, Anderson, "Neuronlike adaptive elements that can solve difficult learning control problems", 1983,
and Gymnasium's `classic_control/cartpole.py`.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from pg_core.environments.spaces import Array

SECONDS = 0.02  # of one step
MAX_POSITION, MAX_ANGLE = 2.4, 12 * 2 * math.pi / 360
START = 0.05  # every component of the first state is uniform in ±START
PHYSICS = {"gravity": 9.8, "half_length": 0.5, "pole_mass": 0.1, "cart_mass": 1.0, "force": 10.0}  # m/s², m, kg, kg, N


def step(
    states: Array, right: Array | bool, physics: Mapping[str, Array | float] = PHYSICS,
    sine: Callable[[Array], Array] = np.sin, cosine: Callable[[Array], Array] = np.cos,
) -> Array:  # fmt: skip
    """Move every cart by one explicit Euler step.

    θ̈ = (g sin θ - u cos θ) / (l (4/3 - m cos² θ / M)), ẍ = u - m l θ̈ cos θ / M, u = (F + m l θ̇² sin θ) / M

    Args:
        states: x, ẋ, θ, θ̇, `[4, ...]`, float64.
        right: whether the cart is pushed right, not left, `[...]`.
        physics: of each of `PHYSICS` a number, or one for each cart, `[...]`.
        sine: of angles.
        cosine: likewise.

    Returns:
        The states one step later, `[4, ...]`.
    """
    _, x_dot, theta, theta_dot = states
    length, pole = physics["half_length"], physics["pole_mass"]
    mass, moment = pole + physics["cart_mass"], pole * length
    sin, cos = sine(theta), cosine(theta)
    force = np.where(right, physics["force"], -physics["force"])
    push = (force + moment * np.square(theta_dot) * sin) / mass
    inertia = length * (4.0 / 3.0 - pole * np.square(cos) / mass)
    theta_acceleration = (physics["gravity"] * sin - cos * push) / inertia
    x_acceleration = push - moment * theta_acceleration * cos / mass
    moved: Array = states + SECONDS * np.stack([x_dot, x_acceleration, theta_dot, theta_acceleration])
    return moved


def has_failed(states: Array) -> Array:
    """Return which carts have left the track or have a pole over 12°, bool `[...]`, for states `[4, ...]`."""
    failed: Array = (np.abs(states[0]) > MAX_POSITION) | (np.abs(states[2]) > MAX_ANGLE)
    return failed
