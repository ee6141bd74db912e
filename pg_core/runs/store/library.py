"""What people do with the runs they have: name, note, tag, pin, fork, delete, and take a deletion back."""

import json
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from pg_core.config import ConfigError
from pg_core.runs.store import sweeps
from pg_core.runs.store.records import ACTIVE, ARITHMETIC, REMOVED, Snapshot
from pg_core.runs.store.rows import name_of, snapshot_row, totals, valid_text
from pg_core.runs.store.schema import ARRAYS, CHANGES, CHECKPOINTS, MAX_NAME, RUNS, UPDATES, read, write
from pg_core.runs.store.store import Store, last_place, row_of

MAX_NOTE, MAX_TAG, MAX_TAGS = 2_000, 24, 8
TWIN = " · twin"  # appended to the name of the run whose twin it is
MAX_TWINS = 64  # of a run, an update and a visitor, those included that can still be restored
FORKED = "Forked: set what is to differ from here on, then resume it."
ROWS = 500  # updates that are removed at a time
KEPT_SECONDS = 24 * 3600.0  # that a deleted run can still be restored


def label(
    store: Store, run_id: str, *, name: str | None = None, note: str | None = None,
    tags: Sequence[str] | None = None, pinned: bool | None = None,
) -> None:  # fmt: skip
    """Set what a person calls a run and says of it; None leaves a thing as it is.

    Raises:
        UnknownRun: there is no such run.
        ConfigError: a text is too long, too short, or has characters that cannot be printed.
    """
    store.run(run_id)
    values: dict[str, Any] = {} if pinned is None else {"pinned": pinned}
    if name is not None:
        values["name"] = name_of(name)
    if note is not None:
        values["note"] = valid_text("note", note, 0, MAX_NOTE, lines=True)
    if tags is not None:
        if len(tags) > MAX_TAGS:
            raise ConfigError(f"`tags` must be at most {MAX_TAGS}, got {len(tags)}.")
        values["tags"] = json.dumps(list(dict.fromkeys(valid_text("tags", tag, 1, MAX_TAG) for tag in tags)))
    _set(store, [run_id], **values)


def delete(store: Store, run_ids: Collection[str]) -> None:
    """Take runs out of sight; they can be restored for a day.

    Raises:
        ConfigError: one of them is still in training.
    """
    for run_id in run_ids:
        store.run(run_id)
    active = sa.select(RUNS.c.name).where(RUNS.c.id.in_(run_ids), RUNS.c.state.in_(ACTIVE)).limit(1)
    with write(store.engine) as connection:
        if name := connection.scalar(active):
            raise ConfigError(f"A run that is being trained cannot be deleted; stop {name} first.")
        here = RUNS.update().where(RUNS.c.id.in_(run_ids), RUNS.c.deleted_at.is_(None))
        connection.execute(here.values(deleted_at=time.time()))


def restore(store: Store, run_ids: Collection[str]) -> None:
    """Bring deleted runs back, but for those that are being removed."""
    with write(store.engine) as connection:
        here = RUNS.update().where(RUNS.c.id.in_(run_ids), RUNS.c.deleted_at > REMOVED)
        connection.execute(here.values(deleted_at=None))


def purge(store: Store) -> None:
    """Forget the runs that were deleted more than a day ago, and sweeps of which no run is left."""
    old = sa.select(RUNS.c.id).where(RUNS.c.deleted_at < time.time() - KEPT_SECONDS)
    with read(store.engine) as connection:
        found = connection.scalars(old).all()
    for run_id in found:
        remove(store, run_id)
    sweeps.purge(store)


def remove(store: Store, run_id: str) -> bool:
    """Forget a run that is deleted, some rows at a time, for others write meanwhile; return whether it was."""
    with write(store.engine, run_id) as connection:
        here = RUNS.update().where(RUNS.c.id == run_id, RUNS.c.deleted_at.is_not(None))
        if not connection.execute(here.values(deleted_at=REMOVED)).rowcount:
            return False
    for table, count in ((CHECKPOINTS, 1), (UPDATES, ROWS)):
        some = sa.select(table.c.update).where(table.c.run_id == run_id).limit(count).scalar_subquery()
        gone = count
        while gone == count:
            with write(store.engine, run_id) as connection:
                rows = table.delete().where(table.c.run_id == run_id, table.c.update.in_(some))
                gone = connection.execute(rows).rowcount
    with write(store.engine, run_id) as connection:
        connection.execute(RUNS.delete().where(RUNS.c.id == run_id))
    return True


def fork(
    store: Store, run_id: str, update: int | None = None, name: str | None = None,
    owner: str | None = None, session: str | None = None, child: str | None = None, snapshot: Snapshot | None = None,
    live_values: Mapping[str, Any] | None = None,
) -> str:  # fmt: skip
    """Add a run that shares another's past up to a kept checkpoint, or up to a snapshot; return its id.

    It is stopped, or queued if it is told what it learns with: it is never there with the one and without the other.

    Args:
        store: of both.
        run_id: the parent.
        update: how many updates to share; None: as many as were done at the newest checkpoint.
        name: of the child.
        owner: of the child, whoever has the parent.
        session: of the browser that forks.
        child: its id, None: one is made; if there is such a run, it is left as it is.
        snapshot: of the parent: all updates before it are shared, whether a checkpoint was kept there or not.
        live_values: in force from the child's first own update on, for which it is queued; None: it is stopped.

    Raises:
        UnknownRun: there is no such run.
        ConfigError: there is no checkpoint there, or the name or a value is not valid.
    """
    at = snapshot.update if snapshot else _checkpoint_at(store.checkpoints(store.run(run_id).id), update)
    child = child or uuid.uuid4().hex
    with write(store.engine) as connection:
        if connection.scalar(sa.select(RUNS.c.id).where(RUNS.c.id == child)):
            return child
        row = dict(row_of(connection, run_id)._mapping)
        by = {"owner": owner, "session": session, "parent_id": run_id, "parent_update": at}
        row |= _fresh(child, name) | by | _summary(connection, row, at)
        row |= {} if at else {"arithmetic": ARITHMETIC}  # it shares nothing that was trained
        row["processors"] = json.dumps([used for used in json.loads(row["processors"]) if used[0] < at])
        connection.execute(RUNS.insert(), row)
        for table, limit in ((UPDATES, at), (CHANGES, at), (CHECKPOINTS, at if snapshot else at + 1)):
            _copy(connection, table, run_id, child, limit)
        if snapshot:
            connection.execute(CHECKPOINTS.insert(), snapshot_row(child, snapshot))
        if live_values is not None:
            store.add_request(connection, child, live_values)
            queued = {"state": "queued", "reason": "", "queued_at": last_place(connection)}
            connection.execute(RUNS.update().where(RUNS.c.id == child).values(**queued))
    return child


def _checkpoint_at(kept: Sequence[int], update: int | None) -> int:
    """Return `update`, or for None the last of the updates after which a checkpoint was kept."""
    if kept and update is None:
        return kept[-1]
    if update is None or update not in kept:
        shown = ", ".join(map(str, kept[-8:])) or "none yet"
        raise ConfigError(f"`update` must be one after which a checkpoint was kept ({shown}), got {update}.")
    return update


def twin_id(store: Store, run_id: str, update: int, visitor: str) -> str:
    """Return the id of the twin of a run, forked at `update`, that a visitor has, or that the next one is to get.

    Raises:
        ConfigError: the visitor has deleted all that there may be.
    """
    names = [f"twin {run_id} {update} {visitor} {number}" for number in range(MAX_TWINS)]
    ids = [uuid.uuid5(uuid.NAMESPACE_OID, name).hex for name in names]
    with read(store.engine) as connection:
        found = connection.execute(sa.select(RUNS.c.id, RUNS.c.deleted_at).where(RUNS.c.id.in_(ids)))
        deleted = {row.id: row.deleted_at is not None for row in found}
    wanted = [*(one for one in ids if deleted.get(one) is False), *(one for one in ids if one not in deleted)]
    if not wanted:
        raise ConfigError(f"{MAX_TWINS} twins of this run were deleted lately, which is the limit: restore one.")
    return wanted[0]


def twin_name(name: str) -> str:
    """Return what the twin of a run of this name is called."""
    return name[: MAX_NAME - len(TWIN)] + TWIN


def _set(store: Store, run_ids: Collection[str], **values: Any) -> None:
    if values:
        with write(store.engine) as connection:
            connection.execute(RUNS.update().where(RUNS.c.id.in_(run_ids)).values(**values))


def _fresh(child: str, name: str | None) -> dict[str, Any]:
    """Return the columns in which a fork differs from its parent: new, stopped, without note, tags, pin and sweep."""
    now = time.time()
    return {
        "id": child, "name": name_of(name),
        "created_at": now, "queued_at": now, "state": "stopped", "reason": FORKED, "process": None,
        "lease_until": None, "taken_up": 0, "target": "run",
        "until": 0, "rewinds": 0, "note": "", "tags": "[]", "pinned": False, "deleted_at": None,
        "sweep_id": None, "setting": None,
    }  # fmt: skip


def _summary(connection: sa.Connection, parent: dict[str, Any], update: int) -> dict[str, Any]:
    """Return the columns that follow from the first `update` updates of a run."""
    if update == 0:
        nothing = {"updates": 0, "episodes": 0, "env_steps": 0, "wall_seconds": 0.0}
        nothing |= {"elapsed_seconds": 0.0, "steps_per_second": 0.0}
        unsolved = json.dumps([None] * len(json.loads(parent["env_steps_to_solve"])))
        return nothing | {"mean_return": None, "best_return": None, "env_steps_to_solve": unsolved}
    shared = (UPDATES.c.run_id == parent["id"], UPDATES.c.update < update)
    last = connection.execute(sa.select(UPDATES).where(*shared).order_by(UPDATES.c.update.desc()).limit(1)).one()
    arrays = {name: np.frombuffer(getattr(last, name), dtype) for name, dtype in ARRAYS.items()}
    returns = connection.scalars(sa.select(UPDATES.c.episodic_returns).where(*shared))
    best_return = max(float(np.frombuffer(data, ARRAYS["episodic_returns"]).max()) for data in returns)
    return totals(last.update, last.seconds, arrays, best_return)


def _copy(connection: sa.Connection, table: sa.Table, run_id: str, child: str, limit: int) -> None:
    """Copy the rows of a run whose update is below `limit`, in the database itself."""
    columns = [column for column in table.c if column.name not in ("id", "run_id")]
    rows = sa.select(sa.literal(child), *columns).where(table.c.run_id == run_id, table.c.update < limit)
    if "id" in table.c:
        rows = rows.order_by(table.c.id)
    connection.execute(table.insert().from_select(["run_id", *(column.name for column in columns)], rows))
