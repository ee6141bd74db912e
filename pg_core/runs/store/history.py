"""What runs have learned: their updates and checkpoints in the database."""

import json
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from pg_core.runs.store.leases import lease
from pg_core.runs.store.records import WORKED_ON, Array, Batch, LostRun, Snapshot
from pg_core.runs.store.rows import from_bytes, snapshot_row, update_row
from pg_core.runs.store.schema import ARRAYS, CHANGES, CHECKPOINTS, RUNS, UPDATES, read, write

MAX_ASKED = 1_000  # values in one statement
MAX_POLICIES, MAX_CHECKPOINTS = 512, 128  # of one run
MAX_KEPT_BYTES = 2**26  # of either
RECENT = 32  # commits, of which the newest policies stay whatever the stride: pages still ask for them


class History:
    """Updates and checkpoints of all runs; every method raises StoreError as those of `Store` do."""

    engine: sa.Engine

    def commit(self, run_id: str, process: str, batch: Batch) -> None:
        """Keep what `process` has trained.

        Raises:
            LostRun: it is no longer the one that works on this run.
        """
        summary = {**batch.summary, "lease_until": lease()} | ({"taken_up": 0} if batch.updates else {})
        with write(self.engine, run_id) as connection:
            self._check_own(connection, run_id, process)
            if batch.updates:
                connection.execute(UPDATES.insert(), [update_row(run_id, *update) for update in batch.updates])
            for request_id, update in batch.in_force.items():
                connection.execute(CHANGES.update().where(CHANGES.c.id == request_id).values(update=update))
            if batch.snapshots:
                _keep(connection, run_id, batch.snapshots, batch.recent)
            # Last: a lease can be renewed until then, however long the rest takes.
            connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(**summary))

    def rewind(self, run_id: str, process: str, update: int) -> float:
        """Have `process` drop what was trained after `update` updates; return the seconds of training up to there.

        Raises:
            LostRun: it is no longer the one that works on this run.
        """
        beyond = (UPDATES.c.run_id == run_id, UPDATES.c.update >= update)
        later = (CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.update > update)
        last = sa.select(UPDATES.c.seconds).where(UPDATES.c.run_id == run_id, UPDATES.c.update == update - 1)
        with write(self.engine, run_id) as connection:
            self._check_own(connection, run_id, process)
            connection.execute(CHECKPOINTS.delete().where(*later))
            if connection.execute(UPDATES.delete().where(*beyond)).rowcount:
                values = {"rewinds": RUNS.c.rewinds + 1, "updates": update}
                connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(**values))
            return float(connection.scalar(last) or 0.0)

    def note_processor(self, run_id: str, process: str, update: int, processor: str) -> None:
        """Note on what type of processor `process` trains a run from update `update` on, see `Run.processors`.

        Raises:
            LostRun: it is no longer the one that works on this run.
        """
        with write(self.engine, run_id) as connection:
            self._check_own(connection, run_id, process)
            noted = json.loads(connection.scalar(sa.select(RUNS.c.processors).where(RUNS.c.id == run_id)) or "[]")
            used = [one for one in noted if one[0] < update]
            if not used or used[-1][1] != processor:
                used.append([update, processor])
            if used != noted:
                connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(processors=json.dumps(used)))

    def _check_own(self, connection: sa.Connection, run_id: str, process: str) -> None:
        own = RUNS.c.id == run_id, RUNS.c.process == process, RUNS.c.state.in_(WORKED_ON)
        if connection.scalar(sa.select(RUNS.c.id).where(*own)) is None:
            raise LostRun(run_id, process)

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
        kept += [] if update is None else [CHECKPOINTS.c.update <= _storable(update)]
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
            wanted = wanted.where(CHECKPOINTS.c.update <= _storable(update))
        with read(self.engine) as connection:
            row = connection.execute(wanted.order_by(CHECKPOINTS.c.update.desc()).limit(1)).first()
        return None if row is None else (row.update, from_bytes(row.policy))

    def ranking(self, run_id: str, update: int | None = None) -> list[int]:
        """Rank the agents by their mean return after `update` updates (None: now), best first; by index before any."""
        of_run = UPDATES.c.run_id == run_id
        last = sa.select(UPDATES.c.mean_return).where(
            of_run, *([] if update is None else [UPDATES.c.update < _storable(update)])
        )
        agents = sa.select(RUNS.c.env_steps_to_solve).where(RUNS.c.id == run_id)
        with read(self.engine) as connection:
            data = connection.scalar(last.order_by(UPDATES.c.update.desc()).limit(1))
            if data is None:
                return list(range(len(json.loads(connection.scalar(agents) or "[]"))))
        ranked: list[int] = np.argsort(-np.frombuffer(data, ARRAYS["mean_return"]), kind="stable").tolist()
        return ranked


def _storable(update: int) -> int:
    """Return a number of updates, or the nearest that a database can compare with: no run has as many."""
    return max(0, min(update, 2**31 - 1))


def policy_stride(updates: int, size: int) -> int:
    """Return the stride at which policies are kept when `updates` are done: a power of two.

    So the policies that are kept are spread evenly, and those that must go are every second one.

    Args:
        updates: done.
        size: bytes of a policy.
    """
    most, stride = max(1, min(MAX_POLICIES, MAX_KEPT_BYTES // size - recent_policies(size))), 1
    while updates // stride >= most:
        stride *= 2
    return stride


def recent_policies(size: int) -> int:
    """Return of how many commits the newest policy, of `size` bytes, stays: at most half of what may be kept."""
    return max(2, min(RECENT, MAX_KEPT_BYTES // size // 2))


def _keep(connection: sa.Connection, run_id: str, snapshots: Sequence[Snapshot], recent: Sequence[int]) -> None:
    """Keep what a trainer was, and make room for it; of the past stay checkpoints, and policies at the stride.

    Args:
        connection: in a transaction.
        run_id: of the run.
        snapshots: to be kept, in order.
        recent: updates done at the newest snapshots of earlier commits, in order, of which the last ones stay too.
    """
    rows = [snapshot_row(run_id, snapshot) for snapshot in snapshots]
    of_run, newest = CHECKPOINTS.c.run_id == run_id, rows[-1]
    connection.execute(CHECKPOINTS.delete().where(of_run, CHECKPOINTS.c.update >= rows[0]["update"]))
    connection.execute(CHECKPOINTS.insert(), rows)
    if full := [row for row in rows if row["checkpoint"]]:
        _drop_surplus(connection, run_id, len(full[-1]["policy"]) + len(full[-1]["checkpoint"]))
    size = len(newest["policy"])
    shown = [update for update in recent if update < newest["update"]][1 - recent_policies(size) :]
    past = (of_run, CHECKPOINTS.c.checkpoint.is_(None), CHECKPOINTS.c.update < newest["update"])
    unshown = CHECKPOINTS.c.update.not_in(shown)
    stride = policy_stride(newest["update"], size)
    connection.execute(CHECKPOINTS.delete().where(*past, unshown, CHECKPOINTS.c.update % stride != 0))


def _drop_surplus(connection: sa.Connection, run_id: str, size: int) -> None:
    """Drop the resumable state of surplus checkpoints, which have `size` bytes; keep their policies."""
    full = (CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.checkpoint.is_not(None))
    kept = list(connection.scalars(sa.select(CHECKPOINTS.c.update).where(*full).order_by(CHECKPOINTS.c.update)))
    most = max(2, min(MAX_CHECKPOINTS, MAX_KEPT_BYTES // size))
    if len(kept) > most:
        changed = connection.scalars(sa.select(CHANGES.c.update).where(CHANGES.c.run_id == run_id)).all()
        surplus = CHECKPOINTS.c.update.in_(_surplus(kept, changed, most))
        connection.execute(CHECKPOINTS.update().where(*full, surplus).values(checkpoint=None))


def _surplus(kept: Sequence[int], changed: Collection[int], most: int) -> list[int]:
    """Return which of the checkpoints go: those closest to their neighbours, those at a change last of all."""
    left, surplus = list(kept), []
    while len(left) > most:
        inner = range(1, len(left) - 1)
        surplus.append(left.pop(min(inner, key=lambda i: (left[i] in changed, left[i + 1] - left[i - 1]))))
    return surplus
