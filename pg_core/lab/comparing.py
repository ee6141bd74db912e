"""Compare runs: the numbers of their curves, and the settings in which they differ."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from pg_core.config import HYPERPARAMETERS
from pg_core.runs.curves.curves import Curves
from pg_core.runs.store.records import Array, Run

Axis = Literal["episodes", "env_steps", "seconds"]  # along which curves are compared

MAX_ROWS = 10  # of a run


def curve_rows(curves: Curves, axis: Axis) -> list[Array]:
    """Return n ≤ 10 rows of a run's curve, evenly spread over it.

    Returns:
        Four columns `[n]`: place on the axis; IQM of the mean return over agents, and both ends of its 95 % interval.
    """
    updates = len(curves.update)
    rows = np.unique(np.linspace(0, updates - 1, min(updates, MAX_ROWS)).round().astype(int))
    return [column[rows] for column in (getattr(curves, axis), *curves.iqm.T)]


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return the hyperparameters in which runs differ now, with the value of each run."""
    values = {name: [getattr(run.current, name) for run in runs] for name in HYPERPARAMETERS}
    return {name: each for name, each in values.items() if any(value != each[0] for value in each)}
