"""Three ways to turn a gradient into a step; each keeps at most two running means of a parameter's shape.

All take the gradient of a loss and return what is added to the parameters to lower it.
"""

from typing import NamedTuple, Protocol

import tensorflow as tf

EPSILON = 1e-8


class Slots(NamedTuple):
    """Running means of the gradient and of its square, in the parameter's shape."""

    first: tf.Tensor
    second: tf.Tensor


class Optimizer(Protocol):
    """One parameter's step: from gradient, slots, number of this step, learning rate and momentum."""

    def __call__(
        self, gradient: tf.Tensor, slots: Slots, step: tf.Tensor, learning_rate: tf.Tensor, momentum: tf.Tensor
    ) -> tuple[tf.Tensor, Slots]:
        """Return the step and the new slots."""
        ...


def sgd(
    gradient: tf.Tensor, slots: Slots, step: tf.Tensor, learning_rate: tf.Tensor, momentum: tf.Tensor
) -> tuple[tf.Tensor, Slots]:
    """Step along the velocity: v ← μ v + g, Δθ = -α v.

    Args:
        gradient: g, any shape.
        slots: v in `first`; `second` is not used.
        step: not used.
        learning_rate: α > 0, broadcastable to g.
        momentum: μ in [0, 1), broadcastable to g.

    Returns:
        Δθ and the new slots.

    See Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
    """
    velocity = momentum * slots.first + gradient
    return -learning_rate * velocity, Slots(velocity, slots.second)


def rmsprop(
    gradient: tf.Tensor, slots: Slots, step: tf.Tensor, learning_rate: tf.Tensor, momentum: tf.Tensor
) -> tuple[tf.Tensor, Slots]:
    """Step by the gradient over its running root mean square: v ← 0.99 v + 0.01 g², Δθ = -α g / (√v + 1e-8).

    Args:
        gradient: g, any shape.
        slots: v in `second`; `first` is not used.
        step: not used.
        learning_rate: α > 0, broadcastable to g.
        momentum: not used.

    Returns:
        Δθ and the new slots.

    See Tieleman & Hinton, "Lecture 6.5: rmsprop", 2012.
    """
    second = 0.99 * slots.second + 0.01 * gradient**2
    return -learning_rate * gradient / (tf.sqrt(second) + EPSILON), Slots(slots.first, second)


def adam(
    gradient: tf.Tensor, slots: Slots, step: tf.Tensor, learning_rate: tf.Tensor, momentum: tf.Tensor
) -> tuple[tf.Tensor, Slots]:
    """Step by the running mean over the running root mean square, both corrected for their start at 0.

    m ← 0.9 m + 0.1 g, v ← 0.999 v + 0.001 g², Δθ = -α (m / (1 - 0.9ᵏ)) / (√(v / (1 - 0.999ᵏ)) + 1e-8)

    Args:
        gradient: g, any shape.
        slots: m and v.
        step: k ≥ 1, the number of this step, scalar of g's type.
        learning_rate: α > 0, broadcastable to g.
        momentum: not used.

    Returns:
        Δθ and the new slots.

    See Kingma & Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1.
    """
    first = 0.9 * slots.first + 0.1 * gradient
    second = 0.999 * slots.second + 0.001 * gradient**2
    root = tf.sqrt(second / (1 - 0.999**step)) + EPSILON
    return -learning_rate * first / (1 - 0.9**step) / root, Slots(first, second)


OPTIMIZERS: dict[str, Optimizer] = {"sgd": sgd, "adam": adam, "rmsprop": rmsprop}
