"""Sweeps: runs that belong together, a setting of one declaration each."""

import time
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from pg_core.config import Config
from pg_core.runs.store.records import Run, SweepRow
from pg_core.runs.store.schema import MAX_NAME, RUNS, SWEEPS, read, write
from pg_core.runs.store.store import Store, last_place, new_row


class UnknownSweep(KeyError):
    """Raised when no sweep has the id asked for."""

    def __init__(self, sweep_id: str) -> None:
        super().__init__(f"No sweep has the id {sweep_id[:64]!r}; its runs may have been deleted.")

    def __str__(self) -> str:
        return str(self.args[0])


class NewRun(NamedTuple):
    """A run that is to be added to a sweep: the number of its setting, its name, and its config."""

    setting: int
    name: str
    config: Config


def add(store: Store, row: SweepRow, runs: Sequence[NewRun], process: str | None = None) -> bool:
    """Add a sweep with its first runs, queued, or starting in `process`; return whether there was none of its id."""
    values = {name: value for name, value in vars(row).items() if name != "created_at"} | {"created_at": time.time()}
    with write(store.engine) as connection:
        if connection.scalar(sa.select(SWEEPS.c.id).where(SWEEPS.c.id == row.id)):
            return False
        connection.execute(SWEEPS.insert(), values)
        _add_runs(connection, row, runs, process)
    return True


def extend(
    store: Store, row: SweepRow, before: Sequence[int], runs: Sequence[NewRun], process: str | None = None
) -> bool:
    """Write a sweep anew and add runs to it, if it has as many runs of each setting as before; return whether it had.

    So of two that add the same, such as two processes that look after one sweep, one does.

    Args:
        store: of the sweep.
        row: as it is to be.
        before: numbers of the settings of all its runs, sorted, as they were when the new ones were chosen.
        runs: to be added.
        process: that works on them; None: they are queued.
    """
    here = sa.select(RUNS.c.setting).where(RUNS.c.sweep_id == row.id).order_by(RUNS.c.setting)
    with write(store.engine) as connection:
        if list(connection.scalars(here)) != list(before):
            return False
        changed = {"declaration": row.declaration, "target": row.target, "process": row.process}
        connection.execute(SWEEPS.update().where(SWEEPS.c.id == row.id).values(**changed))
        _add_runs(connection, row, runs, process)
    return True


def _add_runs(connection: sa.Connection, row: SweepRow, runs: Sequence[NewRun], process: str | None) -> None:
    place = last_place(connection)
    for number, run in enumerate(runs):
        values = new_row(run.config, run.name[:MAX_NAME], process, row.owner, row.session)
        values |= {"sweep_id": row.id, "setting": run.setting, "queued_at": place + number * 1e-6}
        connection.execute(RUNS.insert().values(values))


def sweep(store: Store, sweep_id: str) -> SweepRow:
    """Return one sweep.

    Raises:
        UnknownSweep: there is none with this id.
    """
    with read(store.engine) as connection:
        wanted = sa.select(SWEEPS).where(SWEEPS.c.id == sweep_id)
        row = connection.execute(wanted).first() if sweep_id.isprintable() else None
    if row is None:
        raise UnknownSweep(sweep_id)
    return _row_of(row)


def stamp(store: Store, sweep_id: str) -> tuple[Hashable, ...]:
    """Return what changes whenever anything changes that a page shows of a sweep.

    Raises:
        UnknownSweep: there is none with this id.
    """
    of_runs = (RUNS.c[name] for name in ("id", "setting", "updates", "state", "target", "rewinds", "deleted_at"))
    here = sa.select(*of_runs).where(RUNS.c.sweep_id == sweep_id).order_by(RUNS.c.id)
    with read(store.engine) as connection:
        of_sweep = sa.select(SWEEPS.c.name, SWEEPS.c.target, SWEEPS.c.declaration).where(SWEEPS.c.id == sweep_id)
        row = connection.execute(of_sweep).first() if sweep_id.isprintable() else None
        runs = [tuple(each) for each in connection.execute(here)] if row else []
    if row is None:
        raise UnknownSweep(sweep_id)
    return (*row, *runs)


def has(store: Store, sweep_id: str) -> bool:
    """Return whether there is a sweep with this id."""
    with read(store.engine) as connection:
        return connection.scalar(sa.select(SWEEPS.c.id).where(SWEEPS.c.id == sweep_id)) is not None


def sweeps(store: Store) -> list[SweepRow]:
    """Return all sweeps of which a run is there, newest first."""
    there = sa.select(RUNS.c.id).where(RUNS.c.sweep_id == SWEEPS.c.id, RUNS.c.deleted_at.is_(None)).exists()
    with read(store.engine) as connection:
        found = connection.execute(sa.select(SWEEPS).where(there).order_by(SWEEPS.c.created_at.desc(), SWEEPS.c.id))
        return [_row_of(row) for row in found]


def searching(store: Store) -> list[SweepRow]:
    """Return the sweeps that are to try further settings."""
    with read(store.engine) as connection:
        found = connection.execute(sa.select(SWEEPS).where(SWEEPS.c.target == "run").order_by(SWEEPS.c.created_at))
        return [_row_of(row) for row in found]


def settings_of(store: Store, sweep_id: str) -> list[int]:
    """Return the number of the setting of each run of a sweep, sorted; of deleted and unreadable ones, too."""
    here = sa.select(RUNS.c.setting).where(RUNS.c.sweep_id == sweep_id).order_by(RUNS.c.setting)
    with read(store.engine) as connection:
        return list(connection.scalars(here))


def aim(store: Store, sweep_id: str, target: str) -> None:
    """Say whether a sweep is to try further settings: `run`, `stop`, or `done` where there are none."""
    with write(store.engine) as connection:
        connection.execute(SWEEPS.update().where(SWEEPS.c.id == sweep_id).values(target=target))


def fellows(store: Store, run_id: str, queue: Sequence[str]) -> list[Run]:
    """Return a run of a queue, and after it those of its sweep that wait there, too, in the order of the queue.

    Raises:
        UnknownRun: there is no such run.
        ConfigError: this lab cannot read it.
    """
    run = store.run(run_id)
    others = {} if run.sweep_id is None else {each.id: each for each in store.runs(sweep_id=run.sweep_id)}
    return [run, *(others[each] for each in queue if each in others and each != run_id)]


def purge(store: Store) -> None:
    """Forget sweeps of which no run is left."""
    empty = ~sa.select(RUNS.c.id).where(RUNS.c.sweep_id == SWEEPS.c.id).exists()
    with read(store.engine) as connection:
        found = connection.scalars(sa.select(SWEEPS.c.id).where(empty)).all()
    if found:
        with write(store.engine) as connection:
            connection.execute(SWEEPS.delete().where(SWEEPS.c.id.in_(found), empty))


def _row_of(row: sa.Row[Any]) -> SweepRow:
    values = dict(row._mapping)
    return SweepRow(**values | {"created_at": datetime.fromtimestamp(values["created_at"], UTC)})
