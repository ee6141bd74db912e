"""Returns: what an action could still cause, discounted, summed backwards through an episode.

Arrays are time-major, `[T, ...]`. `rewards[t]` follows `actions[t]`: it is R_{t+1} in Sutton & Barto's indexing.
Rows after an episode's end hold reward 0, so that they add nothing.
"""

import tensorflow as tf


def discounted_returns(rewards: tf.Tensor, gamma: tf.Tensor) -> tf.Tensor:
    """Calculate the return from each step on, the reward-to-go.

    Gₜ = rₜ + γ Gₜ₊₁ = Σₖ γᵏ rₜ₊ₖ

    Computed by doubling: a sum over the next 2ⁱ rewards is that over the first half plus γ^(2ⁱ⁻¹) times that over the
    second, so that T steps take ⌈log₂ T⌉ operations on whole arrays.

    Args:
        rewards: `[T, ...]`, at times [0, T-1], 0 after the end of an episode.
        gamma: discount factors in [0, 1], broadcastable to `rewards[0]`.

    Returns:
        Returns `[T, ...]` at times [0, T-1].

    See Sutton & Barto, "Reinforcement Learning", 2nd ed., eq. 3.8 and 3.9.
    """
    num_steps = tf.shape(rewards)[0]
    steps = _steps_like(rewards)

    def double(shift: tf.Tensor, returns: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        ahead = tf.where(steps + shift < num_steps, tf.roll(returns, -shift, axis=0), 0)
        return 2 * shift, returns + gamma ** tf.cast(shift, rewards.dtype) * ahead

    return tf.while_loop(lambda shift, _: shift < num_steps, double, (tf.constant(1), rewards))[1]


def episode_returns(rewards: tf.Tensor, gamma: tf.Tensor) -> tf.Tensor:
    """Calculate the whole episode's return and give it to every step.

    G₀ = Σₖ γᵏ rₖ

    Args:
        rewards: `[T, ...]`, at times [0, T-1], 0 after the end of an episode.
        gamma: discount factors in [0, 1], broadcastable to `rewards[0]`.

    Returns:
        G₀ repeated to `[T, ...]`.

    See Williams, "Simple statistical gradient-following algorithms", 1992.
    """
    return tf.broadcast_to(discounted_returns(rewards, gamma)[:1], tf.shape(rewards))


def discounts(rewards: tf.Tensor, gamma: tf.Tensor) -> tf.Tensor:
    """Return γᵗ for every step, with 0⁰ = 1.

    Args:
        rewards: `[T, ...]`, for its shape.
        gamma: discount factors in [0, 1], broadcastable to `rewards[0]`.

    Returns:
        `[T, ...]`.
    """
    return tf.broadcast_to(gamma ** tf.cast(_steps_like(rewards), rewards.dtype), tf.shape(rewards))


def _steps_like(array: tf.Tensor) -> tf.Tensor:
    """Return 0 … T-1 in a shape that broadcasts against `[T, ...]`."""
    return tf.reshape(tf.range(tf.shape(array)[0]), [-1] + [1] * (array.shape.rank - 1))
