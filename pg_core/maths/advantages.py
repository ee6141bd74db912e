"""Baselines, which lower the variance of the estimate, and the normalisation of what they leave.

A baseline leaves the mean gradient unchanged if it does not depend on the action that it judges: `leave_one_out` and a
function of the observation alone, a value network, do not. `batch_mean` and `step_mean` contain the episode's own
return. For B episodes of one length, that shrinks the mean gradient by 1 - 1/B, except for the `batch_mean` of
rewards-to-go: it subtracts 1/B of the gradient of the mean reward-to-go, which has another direction.

All arrays are `[T, P, B]`; `mask` is 1 on the steps that were played and 0 after an episode's end.
"""

import tensorflow as tf

from pg_core.maths.statistics import masked_mean, split_largest

EPSILON = 1e-8


def batch_mean(returns: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Calculate each agent's mean return over all played steps of its batch.

    b = Σₜᵦ mₜᵦ Gₜᵦ / Σₜᵦ mₜᵦ

    Args:
        returns: `[T, P, B]`.
        mask: `[T, P, B]`.

    Returns:
        Baseline `[T, P, B]`, the same on every step of an agent.
    """
    return tf.broadcast_to(masked_mean(returns, mask)[:, None], tf.shape(returns))


def step_mean(returns: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Calculate, for each step t, the mean return over the agent's episodes that reach it.

    bₜ = Σᵦ mₜᵦ Gₜᵦ / Σᵦ mₜᵦ

    Args:
        returns: `[T, P, B]`.
        mask: `[T, P, B]`.

    Returns:
        Baseline `[T, P, B]`, 0 where no episode is left.
    """
    largest, rest = split_largest(returns, mask, [-1])
    total = tf.reduce_sum(rest, axis=-1, keepdims=True)  # [T, P, 1]
    count = tf.reduce_sum(mask, axis=-1, keepdims=True)  # [T, P, 1]
    return tf.broadcast_to(largest + tf.math.divide_no_nan(total, count), tf.shape(returns))


def leave_one_out(returns: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Calculate, for each step t of each episode, the mean return over the agent's other episodes that reach t.

    bₜᵦ = Σ_{c≠b} mₜ꜀ Gₜ꜀ / Σ_{c≠b} mₜ꜀

    Args:
        returns: `[T, P, B]`.
        mask: `[T, P, B]`.

    Returns:
        Baseline `[T, P, B]`, 0 where no other episode is left.

    See Kool, van Hoof, Welling, "Buy 4 REINFORCE samples, get a baseline for free!", 2019.
    """
    largest, rest = split_largest(returns, mask, [-1])
    others = tf.reduce_sum(rest, axis=-1, keepdims=True) - rest
    count = tf.reduce_sum(mask, axis=-1, keepdims=True) - mask
    return tf.where(count > 0, largest + tf.math.divide_no_nan(others, count), 0)


def normalize(advantages: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Shift and scale each agent's advantages over its played steps.

    Ã = (Â - mean Â) / (std Â + 1e-8), with the population's standard deviation (ddof 0).

    One single step, or advantages that are all the same, give zeros.

    Args:
        advantages: `[T, P, B]`.
        mask: `[T, P, B]`.

    Returns:
        `[T, P, B]`, 0 where the mask is 0.
    """
    centered = (advantages - masked_mean(advantages, mask)[:, None]) * mask
    std = tf.sqrt(masked_mean(centered**2, mask))[:, None]
    return centered / (std + EPSILON)
