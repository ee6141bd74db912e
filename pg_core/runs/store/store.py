"""The store of runs: what the server, its workers and the command line know of each other, in one database.

Every transaction is short. Whoever changes a run's state names the state it must be in, so that of two
that want the same run one succeeds.
"""

import json
import math
import time
import uuid
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pg_core.config import Config, ConfigError
from pg_core.runs.store import privacy
from pg_core.runs.store.history import History
from pg_core.runs.store.leases import Leases, lease
from pg_core.runs.store.records import (
    ACTIVE,
    MAX_CHANGES,
    REMOVED,
    RESUMABLE,
    WORKED_ON,
    Orders,
    Request,
    Run,
    RunEnded,
    UnknownRun,
)
from pg_core.runs.store.rows import name_of, request_of, run_of
from pg_core.runs.store.schema import CHANGES, LOCK_SECONDS, RUNS, StoreError, connect, lab_file, read, write

# Whose a run is, for turns and limits.
VISITOR: sa.ColumnElement[str] = sa.func.coalesce(RUNS.c.owner, RUNS.c.session, "")
HERE: sa.ColumnElement[bool] = RUNS.c.deleted_at.is_distinct_from(REMOVED)
_STAMP = (  # of a run, with how much was requested of it, and how much of that came into force
    sa.select(
        *(RUNS.c[name] for name in ("updates", "state", "process", "target", "until", "reason", "rewinds", "name")),
        *(RUNS.c[name] for name in ("note", "tags", "pinned", "deleted_at")),
        sa.func.count(CHANGES.c.id),
        sa.func.count(CHANGES.c.update),
    )
    .select_from(RUNS.outerjoin(CHANGES))
    .where(RUNS.c.id == sa.bindparam("run_id"))
    .group_by(RUNS.c.id)
)


class Store(Leases, History):
    """The lab's folder and the runs in its database, for any number of threads and processes.

    Every method raises StoreError when the database cannot be read or written.

    Args:
        folder: of programs and logs; it is made if there is none.
        url: of the database; None: the file lab.db in the folder.
        lock_seconds: for which it waits while others hold the database.
    """

    def __init__(self, folder: Path, url: sa.URL | None = None, lock_seconds: float = LOCK_SECONDS) -> None:
        try:
            privacy.make_folder(folder)
        except OSError as error:
            raise StoreError(f"The lab's folder cannot be made ({error}): set PG_LAB_DATA to another.") from error
        self.folder = folder
        self.engine = connect(url or lab_file(folder), lock_seconds)
        super().__init__()

    def create(
        self, config: Config, name: str | None = None, process: str | None = None,
        owner: str | None = None, session: str | None = None, run_id: str | None = None,
        deleted_at: float | None = None,
    ) -> str:  # fmt: skip
        """Add a run and return its id: queued, or starting if `process` is going to work on it.

        Args:
            config: of the run.
            name: None: one is invented.
            process: that works on it.
            owner: the log-in of who started it, None without one.
            session: of the browser that started it.
            run_id: that no run has yet; None: one is made.
            deleted_at: of a run that is not to be seen yet, as if it had been deleted then.

        Raises:
            ConfigError: the name is empty, too long, or has characters that cannot be printed.
        """
        row = new_row(config, name, process, owner, session) | {"deleted_at": deleted_at}
        row |= {} if run_id is None else {"id": run_id}
        with write(self.engine) as connection:
            connection.execute(RUNS.insert().values(**row, queued_at=last_place(connection)))
        return str(row["id"])

    def run(self, run_id: str) -> Run:
        """Return one run.

        Raises:
            UnknownRun: there is none with this id.
        """
        with read(self.engine) as connection:
            return self._run(connection, run_id)

    def has(self, run_id: str) -> bool:
        """Return whether there is a run with this id."""
        with read(self.engine) as connection:
            return connection.scalar(sa.select(RUNS.c.id).where(RUNS.c.id == run_id)) is not None

    def deleted(self, run_ids: Collection[str]) -> dict[str, str | None]:
        """Return the owners of those of some runs that are deleted, by their ids."""
        asked = [run_id for run_id in run_ids if run_id.isprintable()]  # as in `row_of`
        wanted = sa.select(RUNS.c.id, RUNS.c.owner).where(RUNS.c.id.in_(asked), RUNS.c.deleted_at.is_not(None))
        with read(self.engine) as connection:
            return {row.id: row.owner for row in connection.execute(wanted)}

    def runs(self, deleted: bool = False, sweep_id: str | None = None) -> list[Run]:
        """Return all runs, newest first, without those that this lab cannot read; deleted ones if asked for.

        Args:
            deleted: whether these, too.
            sweep_id: of a sweep, whose runs alone are asked for.
        """
        return self._found(deleted, sweep_id)[0]

    def unreadable(self) -> list[str]:
        """Return why this lab cannot read runs that it has, a sentence for each that `runs` leaves out."""
        return self._found()[1]

    def _found(self, deleted: bool = False, sweep_id: str | None = None) -> tuple[list[Run], list[str]]:
        wanted = sa.select(RUNS).where(HERE).order_by(RUNS.c.created_at.desc(), RUNS.c.id)
        requested = sa.select(CHANGES.c.run_id, CHANGES.c["values"]).order_by(CHANGES.c.id)
        if not deleted:
            wanted = wanted.where(RUNS.c.deleted_at.is_(None))
        if sweep_id is not None:
            wanted = wanted.where(RUNS.c.sweep_id == sweep_id)
            requested = requested.join(RUNS).where(RUNS.c.sweep_id == sweep_id)
        with read(self.engine) as connection:
            rows = connection.execute(wanted).all()
            changes: dict[str, list[str]] = {}
            for run_id, values in connection.execute(requested):
                changes.setdefault(run_id, []).append(values)
        found, reasons = [], []
        for row in rows:
            try:
                found.append(self._run_of(row, changes.get(row.id, [])))
            except ConfigError as error:
                reasons.append(str(error))
        return found, reasons

    def transition(self, run_id: str, sources: Collection[str], by: str | None = None, **values: Any) -> bool:
        """Set columns of a run if its state is one of `sources` and process `by` works on it; return whether.

        With a state in which it is worked on, its lease is made or renewed.
        """
        held = {"lease_until": lease()} if values.get("state") in WORKED_ON else {}
        change = RUNS.update().where(RUNS.c.id == run_id, RUNS.c.state.in_(sources))
        if by is not None:
            change = change.where(RUNS.c.process == by)
        with write(self.engine, run_id) as connection:
            return connection.execute(change.values(**values, **held)).rowcount == 1

    def enqueue(self, run_id: str, target: str, until: int = 0) -> bool:
        """Queue a run that was stopped or interrupted, and not deleted; return whether it was."""
        here = RUNS.update().where(RUNS.c.id == run_id, RUNS.c.state.in_(RESUMABLE), RUNS.c.deleted_at.is_(None))
        queued = {"state": "queued", "reason": "", "target": target, "until": until}
        with write(self.engine, run_id) as connection:
            return connection.execute(here.values(**queued, queued_at=last_place(connection))).rowcount == 1

    def queue(self) -> list[str]:
        """Return the ids of the queued runs, next one first: visitors take turns, whoever trains least begins."""
        waits = RUNS.c.state == "queued"
        order = (waits, RUNS.c.queued_at, RUNS.c.id)
        turn = sa.func.row_number().over(partition_by=VISITOR, order_by=order).label("turn")
        active = sa.select(RUNS.c.id, RUNS.c.queued_at, waits.label("waits"), turn).where(RUNS.c.state.in_(ACTIVE))
        ranked = active.subquery()
        wanted = sa.select(ranked.c.id).where(ranked.c.waits).order_by(ranked.c.turn, ranked.c.queued_at, ranked.c.id)
        with read(self.engine) as connection:
            return list(connection.scalars(wanted))

    def explain(self, run_ids: Collection[str], reason: str) -> None:
        """Say why runs are still queued, where nobody has said so yet."""
        unsaid = sa.select(RUNS.c.id).where(RUNS.c.id.in_(run_ids), RUNS.c.state == "queued", RUNS.c.reason != reason)
        with read(self.engine) as connection:
            found = list(connection.scalars(unsaid))
        for run_id in found:
            self.transition(run_id, ["queued"], reason=reason)

    def told_to_stop(self) -> list[tuple[str, str]]:
        """Return id and process of each run whose process was told to stop and has not."""
        wanted = sa.select(RUNS.c.id, RUNS.c.process).where(RUNS.c.state.in_(WORKED_ON), RUNS.c.target == "stop")
        with read(self.engine) as connection:
            return [(row.id, row.process) for row in connection.execute(wanted)]

    def request(self, run_id: str, values: Mapping[str, Any]) -> None:
        """Ask for live values, in force from the run's next update on.

        Raises:
            UnknownRun: there is no such run.
            ConfigError: a value is not valid or not live, or the run has had as many changes as it may.
            RunEnded: the run has ended, or was deleted.
        """
        with write(self.engine, run_id) as connection:
            self.add_request(connection, run_id, values)

    def add_request(self, connection: sa.Connection, run_id: str, values: Mapping[str, Any]) -> None:
        """Ask for live values, as `request`, in a transaction that writes more of the run."""
        run = self._run(connection, run_id)
        if not run.changeable:
            state = "was deleted" if run.deleted else f"has {run.state}"
            raise RunEnded(f"A run that {state} cannot be changed; start a new run with these values.")
        new = run.current.changed(**values)
        different = new.model_dump(mode="json", include=set(run.current.differences(new)))
        if different:
            had = connection.scalar(sa.select(sa.func.count()).where(CHANGES.c.run_id == run_id)) or 0
            if had >= MAX_CHANGES:
                raise ConfigError(f"A run takes at most {MAX_CHANGES:,} changes: start a new run with these values.")
            row = {"run_id": run_id, "values": json.dumps(different), "requested_at": time.time()}
            connection.execute(CHANGES.insert(), row)

    def requests(self, run_id: str) -> list[Request]:
        """Return all live values that were asked for, first one first."""
        with read(self.engine) as connection:
            return _requests(connection, run_id)

    def orders(self, run_id: str, after: int) -> Orders:
        """Return what the run's worker is to do, with the requests whose id is above `after`."""
        with read(self.engine) as connection:
            row = row_of(connection, run_id)
            return Orders(row.target, row.until, _requests(connection, run_id, after))

    def config_after(self, run_id: str, update: int) -> Config:
        """Return the config that was in force when `update` updates were done."""
        config = self.run(run_id).config
        for request in self.requests(run_id):
            if request.update is not None and request.update < update:
                config = config.changed(**request.values)
        return config

    def stamp(self, run_id: str) -> tuple[Hashable, ...]:
        """Return what changes whenever anything changes that a page shows of a run."""
        with read(self.engine) as connection:
            row = connection.execute(_STAMP, {"run_id": run_id}).first() if run_id.isprintable() else None
        if row is None:
            raise UnknownRun(run_id)
        return (*row, self.gone.get(row.process))

    def close(self) -> None:
        """Close the connections that wait for their next use."""
        self.engine.dispose()

    def _run(self, connection: sa.Connection, run_id: str) -> Run:
        changes = sa.select(CHANGES.c["values"]).where(CHANGES.c.run_id == run_id).order_by(CHANGES.c.id)
        return self._run_of(row_of(connection, run_id), list(connection.scalars(changes)))

    def _run_of(self, row: sa.Row[Any], changes: Sequence[str]) -> Run:
        run = run_of(row, changes)
        reason = self.gone.get(row.process) if row.state in WORKED_ON else None
        return run if reason is None else replace(run, state="interrupted", reason=reason)


def new_row(
    config: Config, name: str | None, process: str | None, owner: str | None, session: str | None
) -> dict[str, Any]:
    """Return the row of a new run, but for its place in the queue; arguments as of `Store.create`."""
    return {
        "id": uuid.uuid4().hex, "name": name_of(name), "config": config.model_dump_json(),
        "owner": owner, "session": session, "created_at": time.time(),
        "env_steps_to_solve": json.dumps([None] * config.num_agents),
        "state": "starting" if process else "queued", "process": process,
        "lease_until": lease() if process else None,
    }  # fmt: skip


def last_place(connection: sa.Connection) -> float:
    """Return the time of now as a place in the queue, behind all that wait even if the clock was set back meanwhile."""
    last = connection.scalar(sa.select(sa.func.max(RUNS.c.queued_at)).where(RUNS.c.state == "queued"))
    return max(time.time(), math.nextafter(last or 0.0, math.inf))


def row_of(connection: sa.Connection, run_id: str) -> sa.Row[Any]:
    """Return one run's row.

    Raises:
        UnknownRun: there is none with this id.
    """
    wanted = sa.select(RUNS).where(RUNS.c.id == run_id, HERE)
    # What links bring may hold characters that no database takes: PostgreSQL no NUL, neither half a surrogate pair.
    row = connection.execute(wanted).first() if run_id.isprintable() else None
    if row is None:
        raise UnknownRun(run_id)
    return row


def _requests(connection: sa.Connection, run_id: str, after: int = 0) -> list[Request]:
    wanted = sa.select(CHANGES).where(CHANGES.c.run_id == run_id, CHANGES.c.id > after).order_by(CHANGES.c.id)
    return [request_of(row) for row in connection.execute(wanted)]
