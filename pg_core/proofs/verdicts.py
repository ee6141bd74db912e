"""What a check says: two values, how far apart they are, how far apart they may be, and the verdict."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

EXACT = 1e-10  # by which two sides that are equal may differ, in float64, relative to the larger one if that exceeds 1
MAX_NUMBERS = 20  # of each side that plain data hold
FAINT = 1e-5  # a mistake whose factor is at least this must be found
STEEPEST = 1e3  # times a smaller factor: the most by which two sides may then differ, relative as `EXACT` is
STANDARD_ERRORS = 4.0  # by which a sampled mean may differ from what it estimates


@dataclass(frozen=True)
class Comparison:
    """Two sides of an equation, computed.

    Attributes:
        claim: the equation in Unicode.
        left: numbers of the left side.
        right: numbers of the right side.
        bound: how far apart two numbers may be that are equal but for rounding, or but for sampling.
        wrong: whether the equation is false, and the check has to find that out.
        variance: of the estimator on the left, None where there is none.
    """

    claim: str
    left: tuple[float, ...]
    right: tuple[float, ...]
    bound: float
    wrong: bool = False
    variance: float | None = None

    @property
    def difference(self) -> float:
        """The largest distance between two numbers; NaN if one is."""
        return _distance(self.left, self.right)

    @property
    def agrees(self) -> bool:
        """Whether the sides are equal, as far as can be told; numbers that are not finite never are."""
        return bool(math.isfinite(self.difference) and self.difference <= self.bound)

    @property
    def passed(self) -> bool:
        """The verdict: whether what is true was found true, and what is false false."""
        return self.agrees != self.wrong


@dataclass(frozen=True)
class Series:
    """One line or group of bars of a picture."""

    name: str
    x: tuple[float | str, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Picture:
    """Numbers that are better seen."""

    title: str
    x_title: str
    y_title: str
    series: tuple[Series, ...]
    kind: Literal["lines", "bars"] = "lines"
    log: bool = False  # both axes of lines, the vertical one of bars


@dataclass(frozen=True)
class Check:
    """All that was computed for one statement.

    Attributes:
        comparisons: at least one.
        pictures: perhaps none.
        formulas: lines of LaTeX that the check derived.
    """

    comparisons: tuple[Comparison, ...]
    pictures: tuple[Picture, ...] = ()
    formulas: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every verdict is right."""
        return all(comparison.passed for comparison in self.comparisons)

    def to_json(self) -> dict[str, Any]:
        """Return plain data, the verdicts with it: of each side the first numbers; null for what is not finite."""
        data = dataclasses.asdict(self) | {"passed": self.passed}
        for row, comparison in zip(data["comparisons"], self.comparisons, strict=True):
            row |= {name: getattr(comparison, name) for name in ("difference", "agrees", "passed")}
            row |= {"size": len(row["left"]), **{side: row[side][:MAX_NUMBERS] for side in ("left", "right")}}
        plain: dict[str, Any] = _finite(data)
        return plain


def exact(
    claim: str, left: npt.ArrayLike, right: npt.ArrayLike, *, wrong: float = False, variance: Any = None,
    bound: float | None = None,
) -> Comparison:  # fmt: skip
    """Compare two sides that are equal but for rounding.

    Some mistakes vanish somewhere, as one that is proportional to γ does for γ → 0. Where the factor is so small that
    rounding might hide the mistake, the equation counts as wrong only if the sides are found to differ.

    Args:
        claim: the equation in Unicode.
        left: any shape.
        right: the same shape, or one number.
        wrong: whether the equation is false, or a factor of what it is wrong by, 0 where it holds.
        variance: of the estimator on the left, one number.
        bound: how far apart they may be, if that is not what rounding in float64 explains.
    """
    ours = np.asarray(left, np.float64)
    theirs = np.broadcast_to(np.asarray(right, np.float64), ours.shape)
    scale = max(1.0, float(np.abs(ours).max(initial=0)), float(np.abs(theirs).max(initial=0)))
    spread = None if variance is None else float(variance)
    limit, told = EXACT * scale if bound is None else bound, bool(wrong)
    if 0 < wrong < FAINT:
        told = limit < _distance(ours, theirs) < limit + STEEPEST * wrong * scale
    return Comparison(claim, _numbers(ours), _numbers(theirs), limit, told, spread)


def sampled(claim: str, samples: npt.ArrayLike, right: float, *, wrong: bool = False) -> Comparison:
    """Compare the mean of independent samples with what it should estimate.

    |x̄ - μ| ≤ 4 s / √N, with s the sample standard deviation (ddof 1).

    Args:
        claim: the equation in Unicode.
        samples: x, `[N]`, N ≥ 2.
        right: μ.
        wrong: whether the equation is false.
    """
    x = np.asarray(samples, np.float64)
    variance = float(x.var(ddof=1))
    bound = STANDARD_ERRORS * math.sqrt(variance / x.size)
    return Comparison(claim, (float(x.mean()),), (float(right),), bound, wrong, variance)


def _distance(left: npt.ArrayLike, right: npt.ArrayLike) -> float:
    return float(np.abs(np.subtract(left, right)).max(initial=0.0))


def _numbers(array: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(array.ravel().tolist())


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
