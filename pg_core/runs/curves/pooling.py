"""Curves of agents that share their settings, whichever runs they are of, as one curve with its interval."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pg_core.runs.curves.outlines import Along, Outline
from pg_core.runs.store.records import Array

POINTS = 100  # of a pooled curve
RESAMPLES, CONFIDENCE = 300, 0.95


@dataclass(frozen=True)
class Member:
    """An agent of a group: the course of one measure, and whether it stays at its end because it has solved."""

    x: Array  # [n] ascending
    values: Array  # [n]
    settled: bool


def members(outline: Outline, along: Along, agents: Sequence[int], solved: Sequence[bool]) -> list[Member]:
    """Return some agents of a run along an axis; those that have solved when it ended learn no more."""
    x = outline.along(along)
    return [Member(x, outline.values[:, agent], settled) for agent, settled in zip(agents, solved, strict=True)]


def pooled(group: Sequence[Member]) -> tuple[Array, Array]:
    """Return the typical course of a group: the interquartile mean over its agents, with its 95 % interval.

    The curve goes as far as the first agent that ended unsolved: beyond it there would be fewer agents, and not any.
    Agents that have solved stay where they ended.

    Args:
        group: S agents.

    Returns:
        Places on the axis `[n]`, and `[n, 3]` IQM, low and high end; NaN where no agent has a value.
    """
    open_ends = [member.x[-1] for member in group if not member.settled]
    end = min(open_ends) if open_ends else max(member.x[-1] for member in group)
    first = max(member.x[0] for member in group)
    places = np.unique(np.concatenate([member.x for member in group]))
    places = places[(places >= min(first, end)) & (places <= end)]
    if len(places) > POINTS:
        places = np.linspace(places[0], places[-1], POINTS)
    values = np.column_stack([np.interp(places, member.x, member.values) for member in group])
    return places, np.column_stack([interquartile_mean(values), *interval(values)])


def interquartile_mean(values: Array) -> Array:
    """Return the mean of the middle half of values `[n, S]`, NaN left out: as `maths.interquartile_mean`, in NumPy."""
    return _over_agents(values, lambda ranked, count: np.mean(ranked[:, count // 4 : count - count // 4], axis=1))


def interval(values: Array) -> tuple[Array, Array]:
    """Return both ends of the percentile-bootstrap interval of the interquartile mean of values `[n, S]`.

    See Efron & Tibshirani, "An introduction to the bootstrap", 1993, section 13.3.
    """
    tail = 100 * (1 - CONFIDENCE) / 2

    def ends(ranked: Array, count: int) -> Array:
        found: Array = np.percentile(ranked @ _shares(count).T, [tail, 100 - tail], axis=1).T
        return found

    found = _over_agents(values, ends, 2)
    return found[:, 0], found[:, 1]


def _over_agents(values: Array, statistic: Callable[[Array, int], Array], width: int = 0) -> Array:
    """Apply a statistic to rows with equally many finite values, which are ranked."""
    count = np.isfinite(values).sum(axis=1)
    ranked = np.sort(np.where(np.isfinite(values), values, np.inf), axis=1)
    found = np.full((len(values), width) if width else len(values), np.nan)
    for there in np.unique(count[count > 0]):
        rows = count == there
        found[rows] = statistic(ranked[rows, :there], int(there))
    return found


@functools.lru_cache(maxsize=64)
def _shares(count: int) -> Array:
    """Return what each of `count` ranked scores adds to the interquartile mean of each resample, `[R, count]`.

    A resample is how often each score was drawn; sorted by score, its middle half begins after count // 4 draws.
    """
    rng = np.random.default_rng([0, count])
    drawn = np.sort(rng.integers(count, size=(RESAMPLES, count)), axis=1)[:, count // 4 : count - count // 4]
    places = drawn + count * np.arange(RESAMPLES)[:, None]
    counts = np.bincount(places.ravel(), minlength=RESAMPLES * count).reshape(RESAMPLES, count)
    return np.asarray(counts / drawn.shape[1], np.float32)
