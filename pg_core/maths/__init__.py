"""Pure functions on tensors: returns, advantages, distributions, shares of a mean, statistics, optimisers."""

from pg_core.maths.advantages import batch_mean, leave_one_out, normalize, step_mean
from pg_core.maths.distributions import Bernoulli, Categorical, Distribution, Gaussian, Product
from pg_core.maths.optimizers import OPTIMIZERS, Slots
from pg_core.maths.returns import discounted_returns, discounts, episode_returns
from pg_core.maths.shares import episode_share, step_share
from pg_core.maths.statistics import (
    approx_kl,
    bootstrap_interval,
    explained_variance,
    gradient_norm,
    gradient_snr,
    interquartile_mean,
    masked_mean,
    running_moments,
)

__all__ = [
    "OPTIMIZERS",
    "Bernoulli",
    "Categorical",
    "Distribution",
    "Gaussian",
    "Product",
    "Slots",
    "approx_kl",
    "batch_mean",
    "bootstrap_interval",
    "discounted_returns",
    "discounts",
    "episode_returns",
    "episode_share",
    "explained_variance",
    "gradient_norm",
    "gradient_snr",
    "interquartile_mean",
    "leave_one_out",
    "masked_mean",
    "normalize",
    "running_moments",
    "step_mean",
    "step_share",
]
