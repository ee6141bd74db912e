"""Pairs of groups whose truth is known: what becomes of a seed is a function of a normal number, of A's or of B's.

Common random numbers make these two correlated. bench/verdicts.py uses them, too.
"""

import functools
from dataclasses import dataclass

import numpy as np

from pg_core.verdicts import Array, Measure, Outcomes, interquartile_mean

HORIZON = 60_000.0  # environment steps for which agents are watched, or the longest of them
ENOUGH = 200_000  # agents, for what is true
SCORES = {  # of z, and by how much the group is better
    "normal": lambda z, better: z + better,
    "one spread threefold": lambda z, better: 3 * z + 2 * better if better else z,
    "log-normal": lambda z, better: np.exp(z + better),
    "half at the ceiling": lambda z, better: np.minimum(500 + 100 * (z + better), 500),
    "four fifths at the ceiling": lambda z, better: np.minimum(580 + 100 * (z + better), 500),
    "rounded": lambda z, better: np.round(z + better),
    "two modes": lambda z, better: np.where(z + better > 0, 500, 100) + 10 * (1_000 * z % 1),
    "all or nothing": lambda z, better: np.where(z + better > 0, 1.0, 0.0),
}
WATCHED = {  # for how many steps, of the indices of agents
    "a third unsolved": lambda index: np.full(len(index), 30_000.0),
    "most unsolved": lambda index: np.full(len(index), 13_500.0),
    "two budgets": lambda index: np.where(index % 2, 22_000.0, HORIZON),
    "stopped at any time": lambda index: 16_000 + 44_000 * (index * 0.618 % 1),
}
KINDS = (*SCORES, *WATCHED)


@dataclass(frozen=True)
class World:
    """How the outcomes of two groups come about, and what is true of them."""

    kind: str
    better: float  # A, by so many standard deviations of z
    correlation: float = 0.0  # of the z of a seed
    paired: bool = False  # whether that both have the same seeds is known

    @property
    def measure(self) -> Measure:
        return "final_return" if self.kind in SCORES else "env_steps_to_solve"

    def draw(self, random: np.random.Generator, seeds: int, first: int = 0) -> tuple[Outcomes, Outcomes]:
        common, *own = random.standard_normal((3, seeds))
        a, b = (np.sqrt(self.correlation) * common + np.sqrt(1 - self.correlation) * each for each in own)
        keys = np.arange(first, first + seeds)
        return self._outcomes("A", keys, a, self.better), self._outcomes("B", keys if self.paired else -1 - keys, b, 0)

    def _outcomes(self, name: str, keys: Array, z: Array, better: float) -> Outcomes:
        if self.kind in SCORES:
            never = np.full(len(z), np.inf)
            return Outcomes(name, keys.tolist(), SCORES[self.kind](z, better), never, np.full(len(z), HORIZON))
        steps, watched = _steps(z, better), WATCHED[self.kind](abs(keys))
        return Outcomes(name, keys.tolist(), z + better, np.where(steps <= watched, steps, np.inf), watched)

    @property
    def probability(self) -> float:
        """That A is better than B; of steps to solve, up to the longest for which any is watched."""
        return _probability(self.kind, self.better)

    @property
    def iqm_difference(self) -> float:
        a, b = (interquartile_mean(SCORES[self.kind](z, better)) for z, better in _many(self.better))
        return float(a - b)


@functools.cache
def _probability(kind: str, better: float) -> float:
    if kind in SCORES:
        a, b = (SCORES[kind](z, shift) for z, shift in _many(better))
    else:
        longest = WATCHED[kind](np.arange(1_000)).max()
        a, b = (-np.minimum(_steps(z, shift), longest) for z, shift in _many(better))
    ordered = np.sort(b)
    below, up_to = (np.searchsorted(ordered, a, side).mean() for side in ("left", "right"))
    return float(below + up_to) / 2 / ENOUGH


def _many(better: float) -> tuple[tuple[Array, float], tuple[Array, float]]:
    a, b = np.random.default_rng(99).standard_normal((2, ENOUGH))
    return (a, better), (b, 0.0)


def _steps(z: Array, better: float) -> Array:
    return np.exp(10 - 0.6 * (z + better))


def worlds(kinds: tuple[str, ...] = KINDS, effects: tuple[float, ...] = (0.0, 0.6, 1.3, 2.5)) -> list[World]:
    """Return all kinds and effects without pairs, and with pairs that are uncorrelated, and correlated."""
    pairings = ((0.0, False), (0.0, True), (0.8, True))
    return [World(kind, better, *pairing) for kind in kinds for better in effects for pairing in pairings]
