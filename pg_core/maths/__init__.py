"""Pure functions on tensors: returns, advantages, losses, distributions, statistics, optimisers."""

from pg_core.maths.advantages import batch_mean, leave_one_out, normalize, step_mean
from pg_core.maths.distributions import (
    bernoulli_entropy,
    bernoulli_log_prob,
    categorical_entropy,
    categorical_log_prob,
    categorical_score,
    gaussian_entropy,
    gaussian_log_prob,
    gaussian_score,
    sample_categorical,
    sample_gaussian,
)
from pg_core.maths.losses import PolicyGradientLoss, policy_gradient_loss, reduction_scale, value_loss
from pg_core.maths.optimizers import OPTIMIZERS, Slots
from pg_core.maths.returns import discounted_returns, discounts, episode_returns
from pg_core.maths.statistics import (
    approx_kl,
    bootstrap_interval,
    explained_variance,
    gradient_norm,
    gradient_snr,
    interquartile_mean,
    masked_mean,
)

__all__ = [
    "OPTIMIZERS",
    "PolicyGradientLoss",
    "Slots",
    "approx_kl",
    "batch_mean",
    "bernoulli_entropy",
    "bernoulli_log_prob",
    "bootstrap_interval",
    "categorical_entropy",
    "categorical_log_prob",
    "categorical_score",
    "discounted_returns",
    "discounts",
    "episode_returns",
    "explained_variance",
    "gaussian_entropy",
    "gaussian_log_prob",
    "gaussian_score",
    "gradient_norm",
    "gradient_snr",
    "interquartile_mean",
    "leave_one_out",
    "masked_mean",
    "normalize",
    "policy_gradient_loss",
    "reduction_scale",
    "sample_categorical",
    "sample_gaussian",
    "step_mean",
    "value_loss",
]
