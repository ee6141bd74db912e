"""Times until something comes, of which some are only known to be later: Kaplan and Meier, and who is earlier."""

import warnings
from typing import Any

import numpy as np

from pg_core.verdicts.outcomes import Array, Times


def survival(times: Times, moments: Array) -> Array:
    """Estimate the probability of a later time than each moment, from all agents, and leaving out each once.

    S(t) = Π over moments ≤ t of (1 - events / at risk)

    See Kaplan & Meier, "Nonparametric estimation from incomplete observations", 1958.

    Args:
        times: of S agents.
        moments: M, in order, among which is each observed time up to the last one.

    Returns:
        `[1 + S, M]`.
    """
    at_risk = times.value[:, None] >= moments
    events = (times.value[:, None] == moments) & times.observed[:, None]
    counts = [each.sum(axis=0) - np.concatenate([np.zeros((1, len(moments))), each]) for each in (at_risk, events)]
    hazard = np.divide(counts[1], counts[0], out=np.zeros_like(counts[1]), where=counts[0] > 0)
    result: Array = np.cumprod(1 - hazard, axis=1)
    return result


def horizon(times: Times) -> float:
    """Return up to when the probability is known: for ever, if the last one of all was observed."""
    last = times.value.max()
    return np.inf if times.observed[times.value == last].all() else float(last)


def earlier(a: Times, b: Times) -> tuple[float, float, Array, Array]:
    """Estimate the probability that A is earlier than B up to the horizon of both, and what each agent does to it.

    θ = Σ over t of f_A(t) (S_B(t) + ½ f_B(t)) + ½ S_A(h) S_B(h), with f the probability of t and S that of a later
    time: ties count half, and so do two of which neither came up to h.

    See Efron, "The two sample problem with censored data", 1967; up to a horizon, as here, θ is about that one.

    Returns:
        θ̂, the share of ties, and (S - 1)(θ̂ - θ̂ without it) for each agent of A and of B.
    """
    end = min(horizon(a), horizon(b))
    moments = np.unique(np.concatenate([each.value[each.observed] for each in (a, b)]))
    moments = moments[moments <= end]
    curves = [survival(each, moments) for each in (a, b)]
    all_a, all_b = (curve[:1] for curve in curves)
    probability = float(_first_wins(all_a, all_b)[0])
    without_a, without_b = _first_wins(curves[0][1:], all_b), _first_wins(all_a, curves[1][1:])
    influences = [(len(each) - 1) * (probability - each) for each in (without_a, without_b)]
    return probability, _ties(all_a[0], all_b[0]), influences[0], influences[1]


def _first_wins(first: Array, second: Array) -> Array:
    """Return θ for survival `[R, M]` of both, or `[1, M]` of one of them."""
    before = [np.concatenate([np.ones((len(each), 1)), each], axis=1) for each in (first, second)]
    halfway = (before[1][:, :-1] + second) / 2  # S_B(t) + ½ f_B(t)
    result: Array = ((before[0][:, :-1] - first) * halfway).sum(axis=1) + before[0][:, -1] * before[1][:, -1] / 2
    return result


def _ties(first: Array, second: Array) -> float:
    """Return the probability that neither is earlier, from survival `[M]` of both."""
    at_once = [-np.diff(each, prepend=1.0) for each in (first, second)]
    at_horizon = [each[-1] if each.size else 1.0 for each in (first, second)]
    return float((at_once[0] * at_once[1]).sum() + at_horizon[0] * at_horizon[1])


def log_rank_p(a: Times, b: Times) -> float | None:
    """Return the p value of the log-rank test, of the hypothesis that both have the same times; None if nothing tells.

    See Mantel, "Evaluation of survival data and two new rank order statistics arising in its consideration", 1966.
    """
    from scipy import stats

    if not (a.observed.any() or b.observed.any()):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a variance of 0, as where all solve at once: NaN
        found = float(stats.logrank(_censored(a), _censored(b)).pvalue)
    return found if np.isfinite(found) else None


def median(times: Times, alpha: float = 0.05) -> tuple[float, float, float]:
    """Return the median time and the ends of its interval, infinite for what was not reached.

    The ends are where the interval of the Kaplan-Meier curve (by log -log) passes ½.

    See Brookmeyer & Crowley, "A confidence interval for the median survival time", 1982.
    """
    from scipy import stats

    if not times.observed.any():
        return np.inf, 0.0, np.inf
    later = stats.ecdf(_censored(times)).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where S is 0 or 1, the interval is NaN
        ends = later.confidence_interval(confidence_level=1 - alpha, method="log-log")
    value, low, high = (
        _first_below_half(later.quantiles, curve)
        for curve in (later.probabilities, ends.low.probabilities, ends.high.probabilities)
    )
    return value, low, high


def _first_below_half(moments: Array, curve: Array) -> float:
    below = np.flatnonzero(curve <= 0.5)
    return float(moments[below[0]]) if below.size else np.inf


def _censored(times: Times) -> Any:
    from scipy import stats

    finite = np.minimum(times.value, np.finfo(np.float64).max)
    return stats.CensoredData(finite[times.observed], right=finite[~times.observed])
