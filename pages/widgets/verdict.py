"""Which group of runs is better, in one sentence; the numbers behind it, and a press that queues more seeds."""

from collections.abc import Sequence

from pg_core import lab


def verdict(groups: Sequence[lab.Group]) -> None:
    """Draw the verdict on some groups."""
