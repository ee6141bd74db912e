"""A run in progress: what a page shows of it while it learns."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from pg_core.config import HYPERPARAMETERS
from pg_core.runs.curves.curves import Curves
from pg_core.runs.store.records import Request, Run
from pg_core.runs.workers.pace import interval

RECENT_UPDATES = 50  # from which the time left is estimated


@dataclass(frozen=True)
class Change:
    """What changed in how a run learns: the first update in which it was in force, (old, new) by name."""

    update: int
    values: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Progress:
    """All that a page shows of a run while it learns.

    Attributes:
        run: its state and summary.
        curves: what it measured, thinned.
        changes: of live hyperparameters, in order; not yet those that wait for the next update.
        seconds_left: until the last update; None if it does not run or nothing is known yet.
        queue_position: 1 is next; None if it is not queued.
    """

    run: Run
    curves: Curves
    changes: list[Change]
    seconds_left: float | None
    queue_position: int | None


def changes_of(run: Run, requests: Sequence[Request]) -> list[Change]:
    """Return what changed in how a run learns, from all that was requested of it."""
    changes, before = [], dict(run.config)
    in_force = [request for request in requests if request.update is not None]
    for update, together in groupby(in_force, key=lambda request: request.update):
        # They were valid when they were asked for: to make a config of each would take most of the time of a look.
        new = {name: value for request in together for name, value in request.values.items()}
        different = {name: (before[name], value) for name, value in new.items() if value != before[name]}
        values = {name: both for name, both in different.items() if HYPERPARAMETERS[name].group != "Run"}
        if values:
            changes.append(Change(int(update or 0), values))
        before |= new
    return changes


def seconds_left(run: Run, curves: Curves) -> float | None:
    """Estimate the seconds until the last update from the last 50; None if the run does not run or has just begun."""
    if run.state != "running" or len(curves.update) < 2:
        return None
    since = min(np.searchsorted(curves.update, curves.update[-1] - RECENT_UPDATES), len(curves.update) - 2)
    done, seconds = (values[-1] - values[since] for values in (curves.update, curves.seconds))
    return float(max(seconds / done, interval(run.current.pace)) * max(0, run.current.num_updates - run.updates))
