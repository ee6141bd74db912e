"""What an observation tells, for who draws it: numbers with their units and ranges, or states and where they lie."""

import contextlib
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

MAX_DIMENSIONS = 512  # of which two can be chosen for a map
SENSIBLE = 1000.0  # a bound beyond it is no range to draw
# Names and units of numbers, by Gymnasium's names of environments: their Box has no names.
NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "CartPole": (("x", "m"), ("ẋ", "m/s"), ("θ", "rad"), ("θ̇", "rad/s")),
    "MountainCar": (("x", ""), ("ẋ", "")),
    "MountainCarContinuous": (("x", ""), ("ẋ", "")),
    "Acrobot": (("cos θ₁", ""), ("sin θ₁", ""), ("cos θ₂", ""), ("sin θ₂", ""), ("θ̇₁", "rad/s"), ("θ̇₂", "rad/s")),
    "Pendulum": (("cos θ", ""), ("sin θ", ""), ("θ̇", "rad/s")),
    "LunarLander": (
        ("x", ""), ("y", ""), ("ẋ", ""), ("ẏ", ""), ("θ", "rad"), ("θ̇", ""), ("left leg", ""), ("right leg", ""),
    ),
}  # fmt: skip
NAMES["LunarLanderContinuous"] = NAMES["LunarLander"]
# Maps of grids that have no `desc`, rows of fields: start, free field, cliff, goal.
MAPS = {"CliffWalking": ("F" * 12, "F" * 12, "F" * 12, "S" + "C" * 10 + "G")}


class Dimension(NamedTuple):
    """One number of an observation; `low` and `high` are None where no sensible bounds are told."""

    name: str
    unit: str
    low: float | None
    high: float | None


class Observed(NamedTuple):
    """What an observation tells: numbers, or which of some states it is."""

    dimensions: tuple[Dimension, ...]  # none of states, nor of more than 512 numbers
    states: int  # 0: numbers are observed
    grid: tuple[str, ...]  # rows of letters, one a state; none of states that lie on no grid


def observed(name: str, env: Any, drawn_anew: bool = False) -> Observed:
    """Return what observations of an environment tell.

    Args:
        name: Gymnasium's of the environment, without its version.
        env: the environment, whose `desc` is its map, if it has as many letters as there are states.
        drawn_anew: whether its map is another one each time that it is made.
    """
    space = env.observation_space
    if isinstance(space, spaces.Discrete):
        states = int(space.n)
        return Observed((), states, () if drawn_anew else _grid(name, getattr(env.unwrapped, "desc", None), states))
    if spaces.flatdim(space) > MAX_DIMENSIONS:
        return Observed((), 0, ())
    box: Any = spaces.flatten_space(space)
    bounds = zip(box.low.ravel().tolist(), box.high.ravel().tolist(), strict=True)
    names = NAMES.get(name, ())
    if len(names) != box.low.size:
        names = tuple((f"o{i}", "") for i in range(box.low.size))
    return Observed(tuple(Dimension(*named, *_range(*each)) for named, each in zip(names, bounds, strict=True)), 0, ())


def _range(low: float, high: float) -> tuple[float, float] | tuple[None, None]:
    return (low, high) if -SENSIBLE <= low < high <= SENSIBLE else (None, None)


def _grid(name: str, desc: Any, states: int) -> tuple[str, ...]:
    """Return the rows of a map with a letter for each state; none if there is no such map."""
    with contextlib.suppress(ValueError):  # an environment may mean anything by its `desc`: ragged rows, other bytes
        letters = np.array([list(row) for row in MAPS.get(name, ())]) if desc is None else np.asarray(desc)
        if letters.ndim == 2 and letters.size == states and letters.dtype.kind in "SU":
            return tuple("".join(row) for row in letters.astype("U1"))
    return ()
