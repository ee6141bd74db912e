"""What came out of the seeds of one group, and by what measure groups are compared."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Measure = Literal["env_steps_to_solve", "final_return", "area_under_curve"]

# What a better group does. `scores` holds what the last two compare.
MEASURES: dict[Measure, str] = {
    "env_steps_to_solve": "solves in fewer steps",
    "final_return": "has a higher final return",
    "area_under_curve": "has a larger area under its curve",
}


class VerdictError(ValueError):
    """What is to be compared cannot be; the message says why."""


class Times(NamedTuple):
    """The less, the better: when what is waited for came, or how long it was waited for."""

    value: Array  # [S]
    observed: Array  # [S] bool; False where it had not come by then: censored


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The outcomes of S agents that share their settings and differ in their seeds.

    A diverged agent is a result, the worst: its score is NaN or infinite, and unless it had solved before, it is taken
    to be unsolved for as long as any of its group was watched.

    How long an unsolved agent was watched must not depend on how well it does. In as many updates a bad agent of
    CartPole takes fewer steps a good one: give all agents of a run the most environment steps that any of them took.

    Raises:
        VerdictError: there is no agent, the arrays differ in length, a seed is there twice, or a number cannot be.
    """

    name: str  # as sentences call the group
    seeds: tuple[Hashable, ...]  # [S] what was random; agents of two groups with the same one are a pair
    scores: Array  # [S] final returns or areas under the curve: the more, the better
    env_steps_to_solve: Array  # [S] inf or NaN where not solved
    censored_at: Array  # [S] environment steps for which an agent was watched; of no account where it has solved

    def __post_init__(self) -> None:
        object.__setattr__(self, "seeds", tuple(self.seeds))
        for field in ("scores", "env_steps_to_solve", "censored_at"):
            object.__setattr__(self, field, np.asarray(getattr(self, field), np.float64))
        self._check()

    def _check(self) -> None:
        count = len(self.seeds)
        if count < 1:
            raise VerdictError(f"`seeds` of {self.name} must have at least one agent, got none.")
        for field in ("scores", "env_steps_to_solve", "censored_at"):
            if (shape := getattr(self, field).shape) != (count,):
                raise VerdictError(
                    f"`{field}` of {self.name} must have one number for each of {count} seeds, got {shape}."
                )
        seed, times = Counter(self.seeds).most_common(1)[0]
        if times > 1:
            raise VerdictError(f"`seeds` of {self.name} must differ, got {seed} {times} times.")
        if np.any(self.env_steps_to_solve <= 0):
            raise VerdictError(f"`env_steps_to_solve` of {self.name} must be above 0, infinite or NaN.")
        if np.any(~self.solved & ~(self.censored_at >= 0)):
            raise VerdictError(f"`censored_at` of {self.name} must be at least 0 where an agent has not solved.")

    @property
    def solved(self) -> Array:
        """Which agents have solved their environment, `[S]`."""
        return np.isfinite(self.env_steps_to_solve)

    @property
    def ranked_scores(self) -> Array:
        """Scores, -inf those of diverged agents, `[S]`."""
        return np.where(np.isfinite(self.scores), self.scores, -np.inf)

    def times(self, measure: Measure) -> Times:
        """Return what is compared: steps to solve, or scores turned round, which are all observed."""
        if measure != "env_steps_to_solve":
            return Times(-self.ranked_scores, np.full(len(self.seeds), True))
        watched = np.where(self.solved, self.env_steps_to_solve, self.censored_at)
        diverged = ~self.solved & ~np.isfinite(self.scores)
        longest = np.max(watched, where=~diverged, initial=0.0) if not diverged.all() else np.inf
        return Times(np.where(diverged, np.maximum(watched, longest), watched), self.solved)
