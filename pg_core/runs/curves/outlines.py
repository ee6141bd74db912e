"""Some updates of each of many runs, evenly spread: enough for a line of a list, or of a chart of many."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa

from pg_core.runs.store.records import Array, Run
from pg_core.runs.store.rows import array_of
from pg_core.runs.store.store import Store

Along = Literal["updates", "episodes", "env_steps", "seconds"]  # along which curves are compared

SPARK_POINTS = 32  # at most, of a line in a list
CACHED_SPARKS = 4_096


@dataclass(frozen=True)
class Outline:
    """Some updates of a run of P agents: every second, fourth, … one, and the last."""

    update: Array  # [n] index
    episodes: Array  # [n] of each agent, cumulative
    env_steps: Array  # [n, P] cumulative
    seconds: Array  # [n] of training, cumulative
    values: Array  # [n, P] of what was asked for

    def along(self, axis: Along) -> Array:
        """Return where each update ended on an axis, `[n]`; of the agents' environment steps the mean."""
        if axis == "updates":
            return self.update + 1
        return self.env_steps.mean(axis=1) if axis == "env_steps" else np.asarray(getattr(self, axis))


def outlines(store: Store, runs: Sequence[Run], column: str, points: int) -> dict[str, Outline]:
    """Return some updates of each run that has any, by its id.

    Args:
        store: of the runs.
        runs: as the store has them now.
        column: what is wanted of each agent.
        points: at most so many updates of each.
    """
    found = {}
    for run, rows in _rows(store, runs, [column, "env_steps"], points):
        update = np.array([row.update for row in rows], np.int64)
        found[run.id] = Outline(
            update=update,
            episodes=(update + 1) * run.config.episodes_per_update,
            env_steps=array_of(rows, "env_steps", run.config.num_agents),
            seconds=np.array([row.seconds for row in rows], np.float64),
            values=array_of(rows, column, run.config.num_agents),
        )
    return found


def stride(updates: int, points: int) -> int:
    """Return the power of two at which at most `points` of a run's updates are, but for its last."""
    width = 1
    while -(-updates // width) > points - 1:
        width *= 2
    return width


class Sparks:
    """The course of each run's typical return, for a line in a list; each is read once, until its run has grown."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[tuple[int, int], Array]] = OrderedDict()

    def of(self, runs: Sequence[Run]) -> dict[str, Array]:
        """Return update and IQM of the mean return, `[n, 2]` with n ≤ 33, of each run that has an update."""
        with self._lock:
            new = [run for run in runs if run.updates and self._version(run.id) != (run.updates, run.rewinds)]
            for run, rows in _rows(self._store, new, ["iqm"], SPARK_POINTS):
                iqm = array_of(rows, "iqm", 3)[:, 0]
                spark = np.column_stack([[row.update for row in rows], iqm])
                self._known[run.id] = (run.updates, run.rewinds), spark
            while len(self._known) > CACHED_SPARKS:
                self._known.popitem(last=False)
            return {run.id: self._known[run.id][1] for run in runs if run.updates and run.id in self._known}

    def _version(self, run_id: str) -> tuple[int, int] | None:
        return self._known[run_id][0] if run_id in self._known else None


def _rows(
    store: Store, runs: Sequence[Run], columns: Sequence[str], points: int
) -> Iterator[tuple[Run, list[sa.Row[Any]]]]:
    """Yield each run that has updates, with the rows of some of them; runs of one stride are read together."""
    by_id, strides = {run.id: run for run in runs}, {run.id: stride(run.updates, points) for run in runs if run.updates}
    for width in sorted(set(strides.values())):
        asked = [run_id for run_id, own in strides.items() if own == width]
        for run_id, rows in groupby(store.updates_every(asked, columns, width), key=lambda row: row.run_id):
            yield by_id[run_id], list(rows)
