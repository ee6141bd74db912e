"""What is measured beside the loss: of one batch, of its gradient, and over a population of seeds."""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf


def masked_mean(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Calculate each agent's mean over its played steps; 0 where there is none.

    Args:
        values: `[T, P, B]`.
        mask: 1 on played steps, `[T, P, B]`.

    Returns:
        `[P]`.
    """
    largest, rest = split_largest(values, mask, (0, 2))
    return largest[0, :, 0] + tf.math.divide_no_nan(tf.reduce_sum(rest, axis=(0, 2)), tf.reduce_sum(mask, axis=(0, 2)))


def running_moments(
    mean: tf.Tensor, variance: tf.Tensor, count: tf.Tensor, values: tf.Tensor, mask: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Add the values of played steps to running means and variances.

    w = n / (N + n), δ = x̄ - μ, μ ← μ + w δ, σ² ← σ² + w (s² - σ²) + w (1 - w) δ²

    See Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983.

    Args:
        mean: μ of the N values so far, `[P, 1, D]`; whatever it is where N = 0.
        variance: σ² of these, divided by N, `[P, 1, D]`.
        count: N, `[P]`.
        values: x, `[T, P, B, D]`.
        mask: 1 on the n played steps of an agent, `[T, P, B]`; at least on its first ones.

    Returns:
        μ and σ² of all N + n values, `[P, 1, D]`.
    """
    first = values[0, :, :1]  # shifted by one of them, equal values have a variance of 0 exactly
    steps = tf.reduce_sum(mask, axis=(0, 2))[:, None, None]
    shares = (mask / tf.reduce_sum(mask, axis=(0, 2), keepdims=True))[..., None]
    batch_mean = first + tf.reduce_sum(shares * (values - first), axis=(0, 2))[:, None]
    batch_variance = tf.reduce_sum(shares * (values - batch_mean) ** 2, axis=(0, 2))[:, None]
    count = tf.cast(count, mask.dtype)[:, None, None]
    weight = steps / (count + steps)
    mean, variance = tf.where(count > 0, mean, batch_mean), tf.where(count > 0, variance, batch_variance)
    change = batch_mean - mean
    spread = variance + weight * (batch_variance - variance) + weight * (1 - weight) * change**2
    return mean + weight * change, spread


def split_largest(values: tf.Tensor, mask: tf.Tensor, axis: Sequence[int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Split values into the largest played one and what is left of each.

    A mean taken of the rest is exact where all values are the same: it leaves no rounding errors that a normalisation
    would blow up to noise of unit size.

    Args:
        values: `[T, P, B]`.
        mask: 1 on played steps, `[T, P, B]`.
        axis: over which the largest is sought.

    Returns:
        The largest, its `axis` of length 1, 0 where no step was played; `values` minus it, `[T, P, B]`, 0 where not
        played.
    """
    played = mask > 0
    largest = tf.reduce_max(tf.where(played, values, values.dtype.min), axis, keepdims=True)
    largest = tf.where(tf.reduce_any(played, axis, keepdims=True), largest, 0)
    return largest, tf.where(played, values - largest, 0)


def explained_variance(baseline: tf.Tensor, returns: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Calculate the share of the returns' variance that a baseline explains.

    1 - Var(G - b) / Var(G): 1 is a perfect baseline, 0 one that is no better than a constant, below 0 a harmful one.

    Args:
        baseline: b, `[T, P, B]`.
        returns: G, `[T, P, B]`.
        mask: 1 on played steps, `[T, P, B]`.

    Returns:
        `[P]`, at most 1; NaN where Var(G) = 0.
    """

    def variance(values: tf.Tensor) -> tf.Tensor:
        return masked_mean((values - masked_mean(values, mask)[:, None]) ** 2, mask)

    total = variance(returns)
    return tf.where(total > 0, 1 - variance(returns - baseline) / total, float("nan"))


def approx_kl(log_probs: tf.Tensor, new_log_probs: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Estimate KL(old ‖ new) from the old policy's actions: mean of (r - 1) - log r with r = π_new/π_old.

    Args:
        log_probs: log π_old(aₜ|sₜ), `[T, P, B]`.
        new_log_probs: log π_new(aₜ|sₜ), `[T, P, B]`.
        mask: 1 on played steps, `[T, P, B]`.

    Returns:
        `[P]`, in nats, ≥ 0.

    See Schulman, "Approximating KL divergence", 2020, estimator k3.
    """
    log_ratio = (new_log_probs - log_probs) * mask
    total = tf.reduce_sum(tf.math.expm1(log_ratio) - log_ratio, axis=(0, 2))
    return tf.math.divide_no_nan(total, tf.reduce_sum(mask, axis=(0, 2)))


def gradient_norm(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """Calculate ‖g‖ over all parameters of each agent.

    Args:
        gradients: arrays `[P, ...]`.

    Returns:
        `[P]`.
    """
    return tf.sqrt(tf.add_n([tf.reduce_sum(g**2, axis=list(range(1, g.shape.rank))) for g in gradients]))


def gradient_snr(episode_gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """Calculate the signal-to-noise ratio of the mean of B per-episode gradients.

    ‖ḡ‖ / √(tr Σ̂ / B), with ḡ = 1/B Σᵦ gᵦ and Σ̂ the sample covariance (ddof 1) of the gᵦ. Pure noise gives about 1.

    Args:
        episode_gradients: arrays `[P, B, ...]`, gᵦ of each episode.

    Returns:
        `[P]`; NaN where B = 1 or all gᵦ are the same: there is no noise to compare with.

    See Rainforth et al., "Tighter variational bounds are not necessarily better", 2018, section 3.
    """
    num_episodes = tf.cast(tf.shape(episode_gradients[0])[1], episode_gradients[0].dtype)
    means = [tf.reduce_mean(g, axis=1, keepdims=True) for g in episode_gradients]
    noise = gradient_norm([g - mean for g, mean in zip(episode_gradients, means, strict=True)])
    ratio = gradient_norm(means) / (noise / tf.sqrt(num_episodes * (num_episodes - 1)))
    return tf.where(noise > 0, ratio, float("nan"))


def interquartile_mean(scores: tf.Tensor) -> tf.Tensor:
    """Calculate the mean of the middle half: the lowest and the highest ⌊N/4⌋ scores are left out.

    Args:
        scores: `[..., N]`.

    Returns:
        `[...]`.

    See Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", 2021.
    """
    cut = scores.shape[-1] // 4
    return tf.reduce_mean(tf.sort(scores, axis=-1)[..., cut : scores.shape[-1] - cut], axis=-1)


def bootstrap_interval(
    scores: tf.Tensor, confidence: float = 0.95, num_resamples: int = 1000, seed: int = 0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Calculate the percentile-bootstrap interval of the interquartile mean.

    Args:
        scores: `[..., N]`, one for each seed.
        confidence: in (0, 1).
        num_resamples: how often N scores are drawn with replacement.
        seed: of the draws; the same seed draws the same.

    Returns:
        Low and high end, `[...]`.

    See Efron & Tibshirani, "An introduction to the bootstrap", 1993, section 13.3.
    """
    ranks = _middle_ranks(scores.shape[-1], num_resamples, seed)
    means = tf.reduce_mean(tf.gather(tf.sort(scores, axis=-1), ranks, axis=-1), axis=-1)  # [..., resamples]
    means = tf.sort(means, axis=-1)
    tail = (1 - confidence) / 2
    low, high = round(tail * (num_resamples - 1)), round((1 - tail) * (num_resamples - 1))
    return means[..., low], means[..., high]


@functools.lru_cache(maxsize=16)
def _middle_ranks(count: int, num_resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the ranks, among all scores, of the middle half of each resample: with these no resample is sorted."""
    draws = np.random.default_rng([seed, count]).integers(count, size=(num_resamples, count))
    return np.sort(draws, axis=1)[:, count // 4 : count - count // 4]
