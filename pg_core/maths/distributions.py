"""The two policies' distributions: softmax over choices, Gaussian over vectors.

The Gaussian has independent components: its log-probability and entropy are sums over the last axis.
Samples are functions of noise that the caller draws, so that randomness stays counted and replayable.
"""

import math

import tensorflow as tf

LOG_2_PI = math.log(2 * math.pi)


def categorical_log_prob(logits: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
    """Calculate log π(a) = z_a - log Σₖ exp zₖ.

    Args:
        logits: `[..., A]`.
        actions: integers in [0, A-1], `[...]`.

    Returns:
        `[...]`, in nats, ≤ 0.
    """
    return -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=actions, logits=logits)


def categorical_score(logits: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
    """Calculate the score with respect to the logits, ∂ log π(a) / ∂z = one_hot(a) - π.

    Args:
        logits: `[..., A]`.
        actions: integers in [0, A-1], `[...]`.

    Returns:
        `[..., A]`, summing to 0 over A.
    """
    return tf.one_hot(actions, tf.shape(logits)[-1], dtype=logits.dtype) - tf.nn.softmax(logits)


def categorical_entropy(logits: tf.Tensor) -> tf.Tensor:
    """Calculate H(π) = -Σₖ πₖ log πₖ.

    Args:
        logits: `[..., A]`.

    Returns:
        `[...]`, in nats, in [0, ln A].
    """
    return -tf.reduce_sum(tf.nn.softmax(logits) * tf.nn.log_softmax(logits), axis=-1)


def sample_categorical(logits: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Sample by inverting the distribution function: the first action whose cumulative probability exceeds u.

    Args:
        logits: `[..., A]`.
        uniform: u in [0, 1), `[...]`.

    Returns:
        Actions `[...]`, int32 in [0, A-1].
    """
    cumulative = tf.cumsum(tf.nn.softmax(logits), axis=-1)[..., :-1]  # the last is 1: rounding must not pass it
    return tf.reduce_sum(tf.cast(uniform[..., None] >= cumulative, tf.int32), axis=-1)


def bernoulli_log_prob(log_odds: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
    """Calculate log π(a) of two actions: a z - log(1 + exp z), z = z₁ - z₀. It is `categorical_log_prob` for A = 2.

    Args:
        log_odds: z, `[...]`.
        actions: 0 or 1, `[...]`.

    Returns:
        `[...]`, in nats, ≤ 0.
    """
    return tf.cast(actions, log_odds.dtype) * log_odds - tf.nn.softplus(log_odds)


def bernoulli_entropy(log_odds: tf.Tensor) -> tf.Tensor:
    """Calculate H(π) = log(1 + exp z) - z σ(z), σ(z) = π(1). It is `categorical_entropy` for A = 2.

    Args:
        log_odds: z, `[...]`.

    Returns:
        `[...]`, in nats, in [0, ln 2].
    """
    return tf.nn.softplus(log_odds) - log_odds * tf.sigmoid(log_odds)


def gaussian_log_prob(mean: tf.Tensor, log_std: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
    """Calculate log π(a) = -Σᵢ (½ ((aᵢ - μᵢ)/σᵢ)² + log σᵢ + ½ log 2π).

    Args:
        mean: μ, `[..., A]`.
        log_std: log σ, broadcastable to `mean`.
        actions: `[..., A]`.

    Returns:
        `[...]`, in nats.
    """
    standardized = (actions - mean) * tf.exp(-log_std)
    return -tf.reduce_sum(0.5 * standardized**2 + log_std + 0.5 * LOG_2_PI, axis=-1)


def gaussian_score(mean: tf.Tensor, log_std: tf.Tensor, actions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Calculate the scores ∂ log π(a)/∂μ = (a - μ)/σ² and ∂ log π(a)/∂ log σ = ((a - μ)/σ)² - 1.

    Args:
        mean: μ, `[..., A]`.
        log_std: log σ, broadcastable to `mean`.
        actions: `[..., A]`.

    Returns:
        Two arrays `[..., A]`.
    """
    standardized = (actions - mean) * tf.exp(-log_std)
    return standardized * tf.exp(-log_std), standardized**2 - 1


def gaussian_entropy(mean: tf.Tensor, log_std: tf.Tensor) -> tf.Tensor:
    """Calculate H(π) = Σᵢ (log σᵢ + ½ log 2πe), the same for every mean.

    Args:
        mean: μ, `[..., A]`, for its shape.
        log_std: log σ, broadcastable to `mean`.

    Returns:
        `[...]`, in nats; it may be negative.
    """
    return tf.reduce_sum(tf.zeros_like(mean) + log_std + 0.5 * (LOG_2_PI + 1), axis=-1)


def sample_gaussian(mean: tf.Tensor, log_std: tf.Tensor, normal: tf.Tensor) -> tf.Tensor:
    """Sample a = μ + σ ε.

    Args:
        mean: μ, `[..., A]`.
        log_std: log σ, broadcastable to `mean`.
        normal: standard normal noise ε, `[..., A]`.

    Returns:
        Actions `[..., A]`.
    """
    return mean + tf.exp(log_std) * normal
