"""One group by itself: the numbers of a table's row or a cell of a heat map."""

from dataclasses import dataclass

from pg_core.verdicts import interquartile, survival
from pg_core.verdicts.outcomes import Outcomes


@dataclass(frozen=True)
class Summary:
    """A group's numbers with their intervals; infinite where there is no end, -inf for diverged agents' scores."""

    name: str
    seeds: int  # S
    iqm: float  # of the scores
    iqm_interval: tuple[float, float]
    solved: int  # agents
    median_steps: float  # to solve, by Kaplan and Meier; inf where fewer than half solve
    median_interval: tuple[float, float]


def summarise(outcomes: Outcomes, alpha: float = 0.05) -> Summary:
    """Return a group's interquartile mean and median steps to solve, with intervals of level 1 - α."""
    scores = outcomes.ranked_scores
    value, *ends = survival.median(outcomes.times("env_steps_to_solve"), alpha)
    return Summary(
        name=outcomes.name,
        seeds=len(outcomes.seeds),
        iqm=float(interquartile.interquartile_mean(scores)),
        iqm_interval=interquartile.interval(scores, alpha),
        solved=int(outcomes.solved.sum()),
        median_steps=value,
        median_interval=(ends[0], ends[1]),
    )
