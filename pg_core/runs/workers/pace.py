"""How fast a run goes: so many updates a second; or ten, and slower where there is something new to be seen."""

import math

from pg_core.environments import EnvironmentSpec

AUTO, AUTO_RATE = -1, 10  # updates a second between milestones
SHARES = 8  # of the way to the reward threshold, each a milestone


def interval(pace: int) -> float:
    """Return the seconds from one update to the next, at least."""
    if pace == AUTO:
        return 1 / AUTO_RATE
    return 1 / pace if pace else 0.0


class Milestones:
    """Which updates of a run show something new: it follows from their records alone.

    The first does, and each in which the mean return has climbed another eighth of the way from there to the reward
    threshold; without a threshold those whose number is a power of two.
    """

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec
        self._first = math.nan
        self._share = 0

    def seconds(self, index: int, mean_return: float, longest: int) -> float:
        """Return for how long an update is to be watched: as long as its longest episode takes, or 0.

        Args:
            index: of the update; each is asked for once, in order.
            mean_return: over agents.
            longest: steps of the longest episode.
        """
        return longest / self._spec.steps_per_second if self._is_new(index, mean_return) else 0.0

    def _is_new(self, index: int, mean_return: float) -> bool:
        threshold = self._spec.reward_threshold
        if index == 0:
            self._first = mean_return
            return True
        if threshold is None:
            return (index + 1).bit_count() == 1
        if threshold <= self._first:
            return False
        share = min(SHARES, math.floor(SHARES * (mean_return - self._first) / (threshold - self._first)))
        before, self._share = self._share, max(self._share, share)
        return share > before
