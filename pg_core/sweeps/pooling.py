"""Curves of the agents of one setting together: interquartile means with bootstrap intervals, in NumPy."""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
RESAMPLES, TAIL = 1_000, 0.025


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
    resampled = np.sort(in_order[..., _ranks(count)[:, middle]].mean(axis=-1), axis=-1)
    low, high = round(TAIL * (RESAMPLES - 1)), round((1 - TAIL) * (RESAMPLES - 1))
    return np.stack([in_order[..., middle].mean(axis=-1), resampled[..., low], resampled[..., high]], axis=-1)


@functools.lru_cache(maxsize=16)
def _ranks(count: int) -> Array:
    """Return the ranks of each resample in order: with these, sorted scores need no sorting for any resample."""
    draws = np.random.default_rng([0, count]).integers(count, size=(RESAMPLES, count))
    return np.sort(draws, axis=1)
