"""What one step counts in the mean over a batch, 1/n: losses and their gradients are sums times this share."""

import tensorflow as tf


def episode_share(mask: tf.Tensor) -> tf.Tensor:
    """Calculate a step's share in a sum that is divided by the number of episodes: 1/B, unbiased for ∇J.

    Args:
        mask: 1 on played steps, `[T, P, B]`.

    Returns:
        1 / B, `[P, 1]`.
    """
    return tf.ones_like(mask[0, :, :1]) / tf.cast(tf.shape(mask)[2], mask.dtype)


def step_share(mask: tf.Tensor) -> tf.Tensor:
    """Calculate a step's share in the mean over the played steps, which divides by the mean episode length as well.

    Args:
        mask: 1 on played steps, `[T, P, B]`.

    Returns:
        1 / Σₜᵦ mₜᵦ, `[P, 1]`, 0 for an agent that played no step.
    """
    return tf.math.divide_no_nan(tf.ones((), mask.dtype), tf.reduce_sum(mask, axis=(0, 2))[:, None])
