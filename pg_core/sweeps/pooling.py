"""What the agents of one setting have come to together: interquartile means and medians with bootstrap intervals."""

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
RESAMPLES, TAIL = 1_000, 0.025


class Measured(NamedTuple):
    """A number over seeds, and both ends of its 95 % interval; NaN where there is none, ∞ where it is not reached."""

    value: float
    low: float
    high: float


def iqm(scores: Array) -> Array:
    """Calculate the interquartile mean over seeds and its percentile-bootstrap interval, as `maths.statistics` does.

    Args:
        scores: `[..., S]`, one for each seed.

    Returns:
        Mean, low and high end, `[..., 3]`.

    See Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", 2021.
    """
    count = scores.shape[-1]
    in_order, middle = np.sort(scores, axis=-1), slice(count // 4, count - count // 4)
    mean = in_order[..., middle].mean(axis=-1)
    return _with_ends(mean, in_order[..., _ranks(count)[:, middle]].mean(axis=-1))


def median(scores: Array) -> Array:
    """Calculate the median over seeds and its percentile-bootstrap interval; a seed may have ∞.

    Args:
        scores: `[..., S]`, one for each seed.

    Returns:
        Median, low and high end, `[..., 3]`; ∞ where half of the seeds or more have it.
    """
    count = scores.shape[-1]
    in_order, middle = np.sort(scores, axis=-1), slice((count - 1) // 2, count // 2 + 1)
    return _with_ends(in_order[..., middle].mean(axis=-1), in_order[..., _ranks(count)[:, middle]].mean(axis=-1))


def _with_ends(value: Array, resampled: Array) -> Array:
    ordered = np.sort(resampled, axis=-1)
    low, high = round(TAIL * (RESAMPLES - 1)), round((1 - TAIL) * (RESAMPLES - 1))
    return np.stack([value, ordered[..., low], ordered[..., high]], axis=-1)


@functools.lru_cache(maxsize=16)
def _ranks(count: int) -> Array:
    """Return the ranks of each resample in order: with these, sorted scores need no sorting for any resample."""
    draws = np.random.default_rng([0, count]).integers(count, size=(RESAMPLES, count))
    return np.sort(draws, axis=1)
