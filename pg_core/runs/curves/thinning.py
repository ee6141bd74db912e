"""Thins a curve to what a chart can show, such that no collapse is thinned away and what was shown stays."""

from dataclasses import dataclass

import numpy as np

from pg_core.runs.store.records import Array


@dataclass(frozen=True)
class Chosen:
    """Which points of a growing curve are shown, so that whoever has seen an earlier version needs only the rest."""

    points: Array  # [n] numbers, ascending
    since: Array  # [n] the version since which a point and all before it are what they are, ascending

    def grown(self, points: Array, version: int) -> "Chosen":
        """Return what is shown when these are the points, in a later version."""
        common = min(len(points), len(self.points))
        same = int(np.argmin(np.append(points[:common] == self.points[:common], False)))
        return Chosen(points, np.append(self.since[:same], np.full(len(points) - same, version, np.int64)))

    def known(self, version: int) -> int:
        """Return the length of the prefix that has not changed since `version`."""
        return int(np.searchsorted(self.since, version, "right"))


NOTHING = Chosen(*2 * (np.empty(0, np.int64),))


def min_max(x: Array, y: Array, limit: int) -> Array:
    """Choose at most `limit` points that keep the outline of a curve: of each stretch of x the lowest and highest y.

    Stretches are 2ᵏ wide and begin at multiples of that, so points stay chosen while a curve grows.

    Args:
        x: `[n]` integers, ascending.
        y: `[n]`; NaN counts as the highest.
        limit: at least 6.

    Returns:
        Indices, ascending; the first and the last point are always there.
    """
    return np.arange(len(x)) if len(x) <= limit else extremes(x, y, width(x[0], x[-1], limit))


def width(first: int, last: int, limit: int) -> int:
    """Return how wide stretches from `first` to `last` must be for at most `limit` points, two of each and the ends."""
    width = 1
    while last // width - first // width + 1 > (limit - 2) // 2:
        width *= 2
    return width


def extremes(x: Array, y: Array, width: int) -> Array:
    """Return the indices of the lowest and the highest y of each stretch of x, and of both ends."""
    y = np.where(np.isnan(y), np.inf, y)
    starts = np.flatnonzero(np.diff(x // width, prepend=-1))
    stretch = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(x)))
    lowest = np.flatnonzero(y == np.minimum.reduceat(y, starts)[stretch])
    highest = np.flatnonzero(y == np.maximum.reduceat(y, starts)[stretch])
    # Of those that tie, the first lowest and the last highest one.
    lowest = lowest[np.diff(stretch[lowest], prepend=-1) > 0]
    highest = highest[np.diff(stretch[highest], append=len(starts)) > 0]
    return np.unique([0, *lowest, *highest, len(x) - 1])
