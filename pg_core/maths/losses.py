"""The surrogate loss whose gradient is the policy gradient, with each of its terms."""

from typing import NamedTuple

import tensorflow as tf


class PolicyGradientLoss(NamedTuple):
    """The loss of each agent and its terms, each `[P]`.

    The value of `policy_loss` is no measure of performance: only its gradient has a meaning.
    """

    total: tf.Tensor  # policy_loss + ent_coef · entropy_loss
    policy_loss: tf.Tensor
    entropy_loss: tf.Tensor  # minus the entropy: minimising it raises the entropy


def policy_gradient_loss(
    log_probs: tf.Tensor,
    weights: tf.Tensor,
    entropies: tf.Tensor,
    mask: tf.Tensor,
    ent_coef: tf.Tensor,
    scale: tf.Tensor,
) -> PolicyGradientLoss:
    """Calculate the loss whose gradient is minus the policy gradient.

    L = -1/n Σₜᵦ mₜᵦ (log π(aₜᵦ|sₜᵦ) wₜᵦ + c_H H(π(·|sₜᵦ))), ∇L = -1/n Σₜᵦ mₜᵦ (wₜᵦ ∇log π(aₜᵦ|sₜᵦ) + c_H ∇H)

    The weights are constants: no gradient flows through them. The loss of a batch is the sum of those of its parts.

    Args:
        log_probs: log π(aₜ|sₜ), `[T, P, B]`.
        weights: what multiplies each score, `[T, P, B]`: a return, or a return minus a baseline.
        entropies: H(π(·|sₜ)) in nats, `[T, P, B]`.
        mask: 1 on played steps, `[T, P, B]`.
        ent_coef: weight of the entropy, ≥ 0, `[P]` or scalar.
        scale: n of the whole batch, `[P]`, see `reduction_scale`.

    Returns:
        `PolicyGradientLoss`, each term `[P]`.

    See Williams, "Simple statistical gradient-following algorithms", 1992; Sutton & Barto, 2nd ed., section 13.3.
    """

    def reduce(terms: tf.Tensor) -> tf.Tensor:
        return tf.math.divide_no_nan(tf.reduce_sum(terms * mask, axis=(0, 2)), scale)

    policy_loss = -reduce(log_probs * tf.stop_gradient(weights))
    entropy_loss = -reduce(entropies)
    return PolicyGradientLoss(policy_loss + ent_coef * entropy_loss, policy_loss, entropy_loss)


def reduction_scale(mask: tf.Tensor, per_step: tf.Tensor) -> tf.Tensor:
    """Calculate n, by which the sum over a batch is divided.

    The number of episodes ("per episode": unbiased for ∇J) or of played steps ("per step": the same divided by the mean
    episode length).

    Args:
        mask: 1 on played steps, `[T, P, B]`.
        per_step: boolean scalar, the reduction.

    Returns:
        `[P]`.
    """
    num_episodes = tf.cast(tf.shape(mask)[2], mask.dtype)
    return tf.where(per_step, tf.reduce_sum(mask, axis=(0, 2)), num_episodes)


def value_loss(values: tf.Tensor, returns: tf.Tensor, mask: tf.Tensor, num_steps: tf.Tensor) -> tf.Tensor:
    """Calculate half the mean squared error of a value network over the played steps.

    L = ½ Σₜᵦ mₜᵦ (V(sₜᵦ) - Gₜᵦ)² / n. The loss of a batch is the sum of those of its parts.

    Args:
        values: V(sₜ), `[T, P, B]`.
        returns: targets Gₜ, `[T, P, B]`; no gradient flows through them.
        mask: 1 on played steps, `[T, P, B]`.
        num_steps: n, the played steps of the whole batch, `[P]`.

    Returns:
        `[P]`.
    """
    errors = (values - tf.stop_gradient(returns)) ** 2 * mask
    return 0.5 * tf.math.divide_no_nan(tf.reduce_sum(errors, axis=(0, 2)), num_steps)
