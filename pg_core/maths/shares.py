"""How much each step counts in the mean over a batch: losses and their gradients are sums weighted by these shares."""

import tensorflow as tf


def episode_shares(mask: tf.Tensor) -> tf.Tensor:
    """Calculate the shares of a sum that is divided by the number of episodes: 1/B, unbiased for ∇J.

    Args:
        mask: 1 on played steps, `[T, P, B]`.

    Returns:
        mₜᵦ / B, `[T, P, B]`.
    """
    return mask / tf.cast(tf.shape(mask)[2], mask.dtype)


def step_shares(mask: tf.Tensor) -> tf.Tensor:
    """Calculate the shares of a mean over the played steps, which divides by the mean episode length as well.

    Args:
        mask: 1 on played steps, `[T, P, B]`.

    Returns:
        mₜᵦ / Σₖ꜀ mₖ꜀, `[T, P, B]`, 0 where no step was played.
    """
    return tf.math.divide_no_nan(mask, tf.reduce_sum(mask, axis=(0, 2), keepdims=True))
