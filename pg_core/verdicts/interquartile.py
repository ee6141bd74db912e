"""The interquartile mean of scores, and the difference of two with its bootstrap interval."""

import functools
from collections.abc import Hashable, Sequence

import numpy as np

from pg_core.verdicts.outcomes import Array

RESAMPLES = 2_000


def interquartile_mean(scores: Array) -> Array:
    """Calculate the mean of the middle half: the lowest and the highest ⌊S/4⌋ scores are left out.

    See Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", 2021.

    Args:
        scores: `[..., S]`; -inf for diverged agents.

    Returns:
        `[...]`.
    """
    cut = scores.shape[-1] // 4
    result: Array = np.sort(scores, axis=-1)[..., cut : scores.shape[-1] - cut].mean(axis=-1)
    return result


def interval(scores: Array, alpha: float) -> tuple[float, float]:
    """Return the bootstrap interval, of level 1 - α, of a group's interquartile mean.

    Args:
        scores: `[S]`.
        alpha: in (0, 1).
    """
    if len(scores) < 2:
        return -np.inf, np.inf
    return _expanded(np.sort(interquartile_mean(scores[_drawn(len(scores), 0)])), len(scores), len(scores) - 1, alpha)


def difference(
    a: Array, b: Array, a_seeds: Sequence[Hashable], b_seeds: Sequence[Hashable], alpha: float
) -> tuple[float, tuple[float, float]]:
    """Return the interquartile mean of A minus that of B, and its stratified bootstrap interval of level 1 - α.

    Seeds that both have are drawn together, the others each in its own group. Percentiles of few seeds hold too little:
    they are taken further out, as a t interval with the unbiased variance is wider than a normal one without.

    See Agarwal et al., 2021; Hesterberg, "What teachers should know about the bootstrap", 2015, section 3.2.

    Args:
        a: scores of A, `[S_A]`.
        b: scores of B, `[S_B]`.
        a_seeds: what pairs the agents of A, `[S_A]`.
        b_seeds: likewise, `[S_B]`.
        alpha: in (0, 1).
    """
    a, b, pairs = _pairs_first(a, b, a_seeds, b_seeds)
    found = _minus(interquartile_mean(a), interquartile_mean(b))
    fewest = min(len(a), len(b))
    if fewest < 2:
        return float(found), (-np.inf, np.inf)
    together = _drawn(pairs, 0)
    drawn_a, drawn_b = (
        np.concatenate([each[:pairs][together], each[pairs:][_drawn(len(each) - pairs, stream)]], axis=1)
        for stream, each in enumerate((a, b), start=1)
    )
    differences = np.sort(_minus(interquartile_mean(drawn_a), interquartile_mean(drawn_b)))
    return float(found), _expanded(differences, fewest, len(a) + len(b) - 2, alpha)


def _pairs_first(
    a: Array, b: Array, a_seeds: Sequence[Hashable], b_seeds: Sequence[Hashable]
) -> tuple[Array, Array, int]:
    """Return scores with those of common seeds first, in the same order, and how many seeds are common."""
    common = sorted(set(a_seeds) & set(b_seeds), key=list(a_seeds).index)
    ordered = []
    for scores, seeds in ((a, a_seeds), (b, b_seeds)):
        index = {seed: i for i, seed in enumerate(seeds)}
        first = [index.pop(seed) for seed in common]
        ordered.append(scores[[*first, *index.values()]])
    return ordered[0], ordered[1], len(common)


def _minus(a: Array, b: Array) -> Array:
    """Return a - b; 0 where both are -inf: one is as bad as the other."""
    with np.errstate(invalid="ignore"):
        return np.where(a == b, 0.0, a - b)


@functools.lru_cache(maxsize=32)
def _drawn(count: int, stream: int) -> Array:
    """Return agents drawn with replacement, `[RESAMPLES, count]`, the same each time: a verdict does not move."""
    random = np.random.default_rng([count, stream])
    return random.integers(count, size=(RESAMPLES, count)) if count else np.zeros((RESAMPLES, 0), np.int64)


def _expanded(ordered: Array, count: int, freedom: float, alpha: float) -> tuple[float, float]:
    """Return percentiles of resampled values in order; no two are averaged, since some may be infinite."""
    from scipy import special

    tail = special.ndtr(-np.sqrt(count / (count - 1)) * special.stdtrit(freedom, 1 - alpha / 2))
    low = int(tail * (len(ordered) - 1))
    return float(ordered[low]), float(ordered[len(ordered) - 1 - low])
