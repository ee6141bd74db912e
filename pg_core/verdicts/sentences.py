"""A verdict in one English sentence."""

from typing import NamedTuple

from pg_core.verdicts import improvement
from pg_core.verdicts.outcomes import MEASURES, Measure, Outcomes


class Said(NamedTuple):
    """What a sentence tells of two groups."""

    a: Outcomes
    b: Outcomes
    measure: Measure
    probability: float  # that A is better
    interval: tuple[float, float]
    further: int | None  # seeds to add to each; 0 if it is settled, None if there is no such number

    def turned(self) -> "Said":
        """Return the same, said of B against A."""
        low, high = self.interval
        return self._replace(a=self.b, b=self.a, probability=1 - self.probability, interval=(1 - high, 1 - low))

    @property
    def number(self) -> str:
        """The probability with its interval."""
        return f"with probability {self.probability:.2f} ({self.interval[0]:.2f} to {self.interval[1]:.2f})"


def sentence(said: Said, missing: int, comparisons: int) -> str:
    """Say which group is better, with which probability, and how many further seeds would settle it.

    Args:
        said: of two groups.
        missing: seeds a side without which nothing can be settled.
        comparisons: for how many it is corrected.
    """
    between = f"between {said.a.name} and {said.b.name}"
    said = said.turned() if said.probability < 0.5 else said
    corrected = f" (corrected for {comparisons} comparisons)" if comparisons > 1 else ""
    if said.further == 0:
        return f"{said.a.name} {MEASURES[said.measure]} than {said.b.name} {said.number}{corrected}."
    return f"No difference is seen {between}: {_seen(said, missing)}{corrected}."


def _seen(said: Said, missing: int) -> str:
    """Say what there is in place of a difference, and what would settle it."""
    fewer, larger = sorted(len(each.seeds) for each in (said.a, said.b))
    if missing:
        seeds = f"{_count(fewer, 'seed')} a side" if fewer == larger else f"{fewer:,} and {larger:,} seeds"
        return f"with {seeds} nothing can be settled; add at least {said.further:,}"
    if said.measure == "env_steps_to_solve" and not (said.a.solved.any() or said.b.solved.any()):
        return f"none of {len(said.a.seeds):,} and {len(said.b.seeds):,} agents solves"
    better = said.a.name if said.probability > 0.5 else "either"
    more = f"not even {improvement.MOST:,} more seeds" if said.further is None else _count(said.further, "more seed")
    return f"{better} {MEASURES[said.measure]} {said.number}; {more} a side would settle it"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
