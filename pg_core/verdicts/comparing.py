"""Verdicts on groups of seeds: of two, of several against one, and of switches against the base."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pg_core.verdicts import improvement, interquartile, sentences, survival
from pg_core.verdicts.improvement import Improvement
from pg_core.verdicts.outcomes import Measure, Outcomes, VerdictError
from pg_core.verdicts.summary import Summary, summarise

ALPHA = 0.05  # intervals are of 95 %, and of all comparisons without a difference at most 5 in 100 are called one


@dataclass(frozen=True)
class Verdict:
    """What is known of A against B. `settled`, `p_value` and `interval` are of one test, and agree."""

    a: str
    b: str
    measure: Measure
    seeds: tuple[int, int]  # agents of A and of B
    pairs: int  # seeds that both have
    probability: float  # that A is better, in [0, 1]; where neither is counts half
    interval: tuple[float, float]  # 95 %, wider by the correction
    p_value: float  # of the hypothesis that `probability` is ½, corrected
    settled: bool  # the interval leaves out ½
    further_seeds: int | None  # to add to each group; 0 if settled, None if it is known to be over `improvement.MOST`
    iqm_difference: float  # of the scores, A minus B; 0 where both have diverged
    iqm_interval: tuple[float, float]  # 95 %, wider by the correction
    log_rank_p: float | None  # of the hypothesis that steps to solve are the same, not corrected; None if nobody solves
    comparisons: int  # for how many it is corrected
    sentence: str


@dataclass(frozen=True)
class Row:
    """One row of an ablation: a group by itself, and against the base, of which there is none for the base."""

    summary: Summary
    verdict: Verdict | None


def compare(a: Outcomes, b: Outcomes, measure: Measure) -> Verdict:
    """Compare two groups by a measure; agents with the same seed are a pair.

    See `improvement` for the probability, `interquartile` for the difference and `survival` for steps to solve.
    """
    return _verdict(a, b, measure, _improvement(a, b, measure), 1.0, 1)


def compare_all(base: Outcomes, others: Sequence[Outcomes], measure: Measure) -> tuple[Verdict, ...]:
    """Compare each of k groups, as A, with the base, as B, and correct for their number.

    p values are Holm's: that of rank i is multiplied by k - i + 1, and none is below the one before. So whatever is
    true, with a probability of 95 % none of the k is called a difference where there is none. An interval has the level
    at which its own test then decides, 1 - 0.05 p / (corrected p): it leaves out ½ if and only if that is below 0.05.
    So each holds with at least 95 %; that all of them do at once is not promised.

    See Holm, "A simple sequentially rejective multiple test procedure", 1979.

    Raises:
        VerdictError: there is no other group, or two have the same name.
    """
    if not others:
        raise VerdictError("`others` must have at least one group to compare with the base, got none.")
    names = [base.name, *(other.name for other in others)]
    if len(set(names)) < len(names):
        raise VerdictError(f"`others` and the base must differ in their names, got {', '.join(names)}.")
    return compare_pairs([(other, base) for other in others], measure)


def compare_pairs(pairs: Sequence[tuple[Outcomes, Outcomes]], measure: Measure) -> tuple[Verdict, ...]:
    """Compare the first group of each pair with the second, and correct for their number as `compare_all`."""
    found = [_improvement(a, b, measure) for a, b in pairs]
    factors = _holm([improvement.p_value(each) for each in found])
    return tuple(
        _verdict(a, b, measure, each, factor, len(pairs))
        for (a, b), each, factor in zip(pairs, found, factors, strict=True)
    )


def ablation(base: Outcomes, switched: Sequence[Outcomes], measure: Measure) -> tuple[Row, ...]:
    """Return a table of the base and of each group that has one setting switched, compared with it and corrected.

    Raises:
        VerdictError: as of `compare_all`.
    """
    verdicts = compare_all(base, switched, measure)
    return (Row(summarise(base), None), *map(Row, map(summarise, switched), verdicts))


def _improvement(a: Outcomes, b: Outcomes, measure: Measure) -> Improvement:
    return improvement.estimate(a.times(measure), b.times(measure), a.seeds, b.seeds)


def _holm(p_values: Sequence[float]) -> list[float]:
    """Return by what each p value is multiplied, at least 1."""
    order = np.argsort(p_values, kind="stable")
    ordered = np.maximum(np.asarray(p_values)[order], np.finfo(float).tiny)
    corrected = np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1))
    factors = np.empty(len(ordered))
    factors[order] = corrected / ordered
    return [float(factor) for factor in factors]


def _verdict(
    a: Outcomes, b: Outcomes, measure: Measure, found: Improvement, factor: float, comparisons: int
) -> Verdict:
    alpha = ALPHA / factor
    p_value = min(improvement.p_value(found) * factor, 1.0)
    ends = improvement.interval(found, alpha)
    further = improvement.further_seeds(found, alpha)
    iqm, iqm_ends = interquartile.difference(a.ranked_scores, b.ranked_scores, a.seeds, b.seeds, alpha)
    steps = [each.times("env_steps_to_solve") for each in (a, b)]
    return Verdict(
        a=a.name,
        b=b.name,
        measure=measure,
        seeds=(len(a.seeds), len(b.seeds)),
        pairs=len(set(a.seeds) & set(b.seeds)),
        probability=found.probability,
        interval=ends,
        p_value=p_value,
        settled=further == 0,
        further_seeds=further,
        iqm_difference=iqm,
        iqm_interval=iqm_ends,
        log_rank_p=survival.log_rank_p(*steps),
        comparisons=comparisons,
        sentence=sentences.sentence(
            sentences.Said(a, b, measure, found.probability, ends, further),
            improvement.missing_seeds(len(a.seeds), len(b.seeds), alpha),
            comparisons,
        ),
    )
