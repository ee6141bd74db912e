"""Why agents do not learn: the causes that a run's numbers show, each with its evidence, derivation and remedy.

A rule looks at the agents that are stuck: they neither have solved their environment nor are rising, and are half of
those that have not arrived. It speaks if it holds for half of them at least. What the numbers mean is derived in the
statement that a cause names; where a limit must be set, it is a constant beside the rule.
"""

from collections.abc import Callable

import numpy as np

from pg_core.runs.diagnosis.cause import Cause, count, digits
from pg_core.runs.diagnosis.measured import Measured
from pg_core.runs.diagnosis.signals import no_advantage, no_signal, noise, time_limit, unreachable
from pg_core.runs.diagnosis.steps import (
    at_bounds,
    collapse,
    exploding,
    limited,
    long_step,
    no_entropy,
    short_step,
)  # fmt: skip
from pg_core.runs.store.records import Array

__all__ = ["MIN_UPDATES", "Cause", "causes", "verdict"]

MIN_UPDATES = 10  # before these nothing is said
RULES: tuple[Callable[[Measured], Cause | None], ...] = (  # the most certain first
    no_signal, no_advantage, collapse, long_step, no_entropy, at_bounds, exploding, limited, short_step, noise,
    time_limit,
)  # fmt: skip


def causes(seen: Measured) -> list[Cause]:
    """Return what keeps agents from learning, by what the numbers show; the most certain first."""
    unsolved, stuck = ~seen.solved, _stuck(seen)
    found = [unreachable(seen.agents(unsolved))] if unsolved.any() else []
    if stuck.any():
        found += [rule(seen.agents(stuck)) for rule in RULES]
    return [cause for cause in found if cause]


def _stuck(seen: Measured) -> Array:
    """Return which agents get no further; none if most of those that are not there yet do."""
    under_way = ~seen.solved & ~_satisfied(seen)
    stuck = under_way & (seen.collapsed | ~seen.rising)
    return np.asarray(stuck & (2 * stuck.sum() >= under_way.sum()))


def verdict(seen: Measured, found: bool) -> str:
    """Return in a sentence how a run fares, of which causes were `found` or not."""
    stuck = int(_stuck(seen).sum())
    returns = f"the mean return was {digits(seen.begun.mean())} at first and is {digits(seen.now.mean())} now"
    said = f"{returns}; of {count(seen.num_agents, 'agent')} {seen.solved.sum()} solved, {stuck} stuck"
    if found:
        return f"The numbers show what may be the matter: {said}."
    if stuck:
        return f"It is not learning, and no cause that is known here shows: {said}. Compare it with another run."
    return f"It learns, or has learned: {said}."


def _satisfied(seen: Measured) -> Array:
    """Return which agents have come as far as can be known, where no threshold is: they earn more than at first."""
    known = seen.config.environment.reward_threshold is not None
    return (seen.perfect | (seen.risen & ~seen.collapsed)) & (not known)
