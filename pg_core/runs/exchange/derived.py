"""What the trainer derives from a run's episodes, derived again from what a stranger says of these, without TensorFlow.

The trainer has float32: the same numbers but for rounding.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from pg_core.runs.store.records import Array
from pg_core.runs.store.rows import array_of

WINDOW = 100  # `episode_statistics.SOLVED_WINDOW`
RATE_UPDATES = 50  # `session.RATE_UPDATES`
RESAMPLES, TAIL = 1000, 0.025  # of `statistics.bootstrap_interval`
ROUNDING = 1e-5  # of a mean of 100 numbers, as a share of the mean of their absolute values


def following(recent: Array, updates: Array) -> Array:
    """Return each agent's last 100 returns, and behind them those of its episodes in updates, `[P, 100 + n B]`."""
    returns = updates["episodic_returns"]
    return np.concatenate([recent, returns.swapaxes(0, 1).reshape(returns.shape[1], -1)], axis=1)


def mean_return_agrees(recent: Array, updates: Array) -> Array:
    """Return which mean returns are those of the agent's last (at most) 100 episodes after each update, `[n, P]`.

    Args:
        recent: the last 100 returns before, `[P, 100]`, 0 for what was not played.
        updates: `[n]` of `archive.update_type`.
    """
    batch = updates["episodic_returns"].shape[2]
    played = np.minimum((updates["update"] + 1) * batch, WINDOW)[:, None]

    def means(returns: Array) -> Array:
        windows = np.lib.stride_tricks.sliding_window_view(returns, WINDOW, axis=1)[:, batch::batch]
        return np.asarray(windows.sum(axis=2, dtype=np.float64).T / played)

    returns = following(recent, updates)
    return np.asarray(np.abs(updates["mean_return"] - means(returns)) <= ROUNDING * means(np.abs(returns)))


def iqm_agrees(updates: Array) -> Array:
    """Return which interquartile means over agents, and ends of their bootstrap intervals, are so, `[n, 3]`."""
    scores = np.sort(updates["mean_return"].astype(np.float64), axis=1)
    count = scores.shape[1]
    cut, low, high = count // 4, round(TAIL * (RESAMPLES - 1)), round((1 - TAIL) * (RESAMPLES - 1))
    resampled = np.partition(scores @ _shares(count), (low, high), axis=1)[:, [low, high]]
    expected = np.column_stack([scores[:, cut : count - cut].mean(axis=1), resampled])
    return np.asarray(np.abs(updates["iqm"] - expected) <= ROUNDING * np.abs(scores).max(axis=1, keepdims=True))


@functools.lru_cache(maxsize=16)
def _shares(count: int) -> Array:
    """Return the share of each of the sorted scores in the interquartile mean of each resample, `[P, resamples]`."""
    draws = np.sort(np.random.default_rng([0, count]).integers(count, size=(RESAMPLES, count)), axis=1)
    middle = draws[:, count // 4 : count - count // 4]
    return np.stack([np.bincount(ranks, minlength=count) / middle.shape[1] for ranks in middle], axis=1)


def steps_per_second(last: Sequence[sa.Row[Any]]) -> float:
    """Calculate the environment steps of all agents per second of training.

    Args:
        last: rows of the last `RATE_UPDATES` + 1 updates, or of all.
    """
    steps = [0, *array_of(last, "env_steps", -1).sum(axis=1).tolist()]
    seconds = [0.0, *(row.seconds for row in last)]
    first = min(1, len(last) - 1)  # before the first update nothing was timed, but for a single one that must do
    return float(steps[-1] - steps[first]) / taken if (taken := seconds[-1] - seconds[first]) > 0 else 0.0
