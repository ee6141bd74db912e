"""What runs have learned: their updates and checkpoints in the database."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from pg_core.runs.records import WORKED_ON, Array, Batch, LostRun, Snapshot
from pg_core.runs.rows import from_bytes, to_bytes, update_row
from pg_core.runs.schema import ARRAYS, CHANGES, CHECKPOINTS, RUNS, UPDATES, read, write

MAX_ASKED = 1_000  # values in one statement
MAX_SNAPSHOTS, MAX_SNAPSHOT_BYTES = 128, 2**26  # of one run; beyond, those closest together go


class History:
    """Updates and checkpoints of all runs; every method raises StoreError as those of `Store` do."""

    engine: sa.Engine

    def commit(self, run_id: str, process: str, batch: Batch) -> None:
        """Keep what `process` has trained.

        Raises:
            LostRun: it is no longer the one that works on this run.
        """
        summary = RUNS.update().where(*_own(run_id, process)).values(process=process, **batch.summary)
        with write(self.engine, run_id) as connection:
            if connection.execute(summary).rowcount != 1:
                raise LostRun(run_id, process)
            if batch.updates:
                connection.execute(UPDATES.insert(), [update_row(run_id, *update) for update in batch.updates])
            for request_id, update in batch.in_force.items():
                connection.execute(CHANGES.update().where(CHANGES.c.id == request_id).values(update=update))
            if batch.snapshot:
                _keep_snapshot(connection, run_id, batch.snapshot)

    def rewind(self, run_id: str, process: str, update: int) -> float:
        """Have `process` drop what was trained after `update` updates; return the seconds of training up to there.

        Raises:
            LostRun: it is no longer the one that works on this run.
        """
        beyond = (UPDATES.c.run_id == run_id, UPDATES.c.update >= update)
        last = sa.select(UPDATES.c.seconds).where(UPDATES.c.run_id == run_id, UPDATES.c.update == update - 1)
        with write(self.engine, run_id) as connection:
            if connection.scalar(sa.select(RUNS.c.id).where(*_own(run_id, process))) is None:
                raise LostRun(run_id, process)
            if connection.execute(UPDATES.delete().where(*beyond)).rowcount:
                values = {"rewinds": RUNS.c.rewinds + 1, "updates": update}
                connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(**values))
            return float(connection.scalar(last) or 0.0)

    def updates(self, run_id: str, columns: Sequence[str], first: int, limit: int) -> list[sa.Row[Any]]:
        """Return at most `limit` stored updates from index `first` on: index, seconds and arrays as bytes."""
        wanted = sa.select(UPDATES.c.update, UPDATES.c.seconds, *(UPDATES.c[name] for name in columns))
        wanted = wanted.where(UPDATES.c.run_id == run_id, UPDATES.c.update >= first)
        with read(self.engine) as connection:
            return list(connection.execute(wanted.order_by(UPDATES.c.update).limit(limit)))

    def updates_at(self, run_id: str, columns: Sequence[str], updates: Sequence[int]) -> list[sa.Row[Any]]:
        """Return the stored updates with some ascending indices: index, seconds and arrays as bytes."""
        wanted = sa.select(UPDATES.c.update, UPDATES.c.seconds, *(UPDATES.c[name] for name in columns))
        wanted = wanted.where(UPDATES.c.run_id == run_id).order_by(UPDATES.c.update)
        parts = [updates[start : start + MAX_ASKED] for start in range(0, len(updates), MAX_ASKED)]
        with read(self.engine) as connection:
            return [row for part in parts for row in connection.execute(wanted.where(UPDATES.c.update.in_(part)))]

    def checkpoint(self, run_id: str, update: int | None = None) -> dict[str, Array] | None:
        """Return the last checkpoint kept at or before `update` (None: the newest); None if there is none."""
        kept = [CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.checkpoint.is_not(None)]
        kept += [] if update is None else [CHECKPOINTS.c.update <= update]
        wanted = sa.select(CHECKPOINTS.c.checkpoint).where(*kept).order_by(CHECKPOINTS.c.update.desc()).limit(1)
        with read(self.engine) as connection:
            data = connection.scalar(wanted)
        return None if data is None else from_bytes(data)

    def checkpoints(self, run_id: str) -> list[int]:
        """Return the numbers of updates after which a checkpoint was kept, ascending."""
        wanted = sa.select(CHECKPOINTS.c.update).where(
            CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.checkpoint.is_not(None)
        )
        with read(self.engine) as connection:
            return list(connection.scalars(wanted.order_by(CHECKPOINTS.c.update)))

    def policies(self, run_id: str) -> list[int]:
        """Return the numbers of updates after which the policy was kept, ascending."""
        wanted = sa.select(CHECKPOINTS.c.update).where(CHECKPOINTS.c.run_id == run_id)
        with read(self.engine) as connection:
            return list(connection.scalars(wanted.order_by(CHECKPOINTS.c.update)))

    def keeps(self, run_id: str, update: int) -> bool:
        """Return whether the policy after `update` updates is kept."""
        wanted = sa.select(CHECKPOINTS.c.update).where(CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.update == update)
        with read(self.engine) as connection:
            return connection.scalar(wanted) is not None

    def policy(self, run_id: str, update: int | None = None) -> tuple[int, dict[str, Array]] | None:
        """Return the last policy kept at or before `update` (None: the newest), and after how many updates it was."""
        wanted = sa.select(CHECKPOINTS.c.update, CHECKPOINTS.c.policy).where(CHECKPOINTS.c.run_id == run_id)
        if update is not None:
            wanted = wanted.where(CHECKPOINTS.c.update <= update)
        with read(self.engine) as connection:
            row = connection.execute(wanted.order_by(CHECKPOINTS.c.update.desc()).limit(1)).first()
        return None if row is None else (row.update, from_bytes(row.policy))

    def ranking(self, run_id: str, update: int | None = None) -> list[int]:
        """Rank the agents by their mean return after `update` updates (None: now), best first; by index before any."""
        of_run = UPDATES.c.run_id == run_id
        last = sa.select(UPDATES.c.mean_return).where(of_run, *([] if update is None else [UPDATES.c.update < update]))
        agents = sa.select(RUNS.c.env_steps_to_solve).where(RUNS.c.id == run_id)
        with read(self.engine) as connection:
            data = connection.scalar(last.order_by(UPDATES.c.update.desc()).limit(1))
            if data is None:
                return list(range(len(json.loads(connection.scalar(agents) or "[]"))))
        ranked: list[int] = np.argsort(-np.frombuffer(data, ARRAYS["mean_return"]), kind="stable").tolist()
        return ranked


def _own(run_id: str, process: str) -> tuple[sa.ColumnElement[bool], ...]:
    return RUNS.c.id == run_id, RUNS.c.process == process, RUNS.c.state.in_(WORKED_ON)


def _keep_snapshot(connection: sa.Connection, run_id: str, snapshot: Snapshot) -> None:
    of_run = CHECKPOINTS.c.run_id == run_id
    connection.execute(CHECKPOINTS.delete().where(of_run, CHECKPOINTS.c.update >= snapshot.update))
    data = {"policy": to_bytes(snapshot.policy), "checkpoint": to_bytes(snapshot.checkpoint)}
    connection.execute(CHECKPOINTS.insert(), {"run_id": run_id, "update": snapshot.update, **data})
    kept = list(connection.scalars(sa.select(CHECKPOINTS.c.update).where(of_run).order_by(CHECKPOINTS.c.update)))
    if len(kept) > max(2, min(MAX_SNAPSHOTS, MAX_SNAPSHOT_BYTES // sum(map(len, data.values())))):
        crowded = kept[1 + int(np.argmin(np.subtract(kept[2:], kept[:-2])))]
        connection.execute(CHECKPOINTS.delete().where(of_run, CHECKPOINTS.c.update == crowded))
