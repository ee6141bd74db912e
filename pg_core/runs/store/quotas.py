"""What one visitor has in the store."""

from collections.abc import Sequence

import sqlalchemy as sa

from pg_core.runs.store import library
from pg_core.runs.store.records import ACTIVE, Run
from pg_core.runs.store.schema import ARRAYS, CHANGES, CHECKPOINTS, RUNS, UPDATES, read
from pg_core.runs.store.store import VISITOR, Store


def usage(store: Store, visitor: str) -> tuple[int, int]:
    """Return how many of a visitor's runs are active, and how many bytes all of them hold, deleted ones as well.

    Args:
        store: of the runs.
        visitor: an owner, or the session that started runs without one.
    """
    active = sa.select(sa.func.count()).where(
        VISITOR.in_([visitor]), RUNS.c.state.in_(ACTIVE), RUNS.c.deleted_at.is_(None)
    )
    with read(store.engine) as connection:
        count = connection.scalar(active) or 0
        return int(count), sum(row.bytes for row in _held(connection, VISITOR.in_([visitor])))


def shared(store: Store, run: Run, update: int) -> int:
    """Return about how many bytes a fork of a run begins with: what of it the first `update` updates hold."""
    with read(store.engine) as connection:
        [row] = _held(connection, RUNS.c.id == run.id)
    return int(row.bytes) * update // max(run.updates, 1)


def make_room(store: Store, visitor: str, most: float) -> int:
    """Remove a visitor's deleted runs, those first that were deleted first, until all hold less than `most` bytes.

    None is removed where that would not do.

    Returns:
        The bytes that the visitor's runs hold.
    """
    while True:  # what is restored or removed meanwhile counts
        with read(store.engine) as connection:
            held = _held(connection, VISITOR.in_([visitor]))
        stored: int = sum(row.bytes for row in held)
        # One that comes in is active.
        deleted = [row for row in held if row.deleted_at is not None and row.state not in ACTIVE]
        if not stored - sum(row.bytes for row in deleted) < most <= stored:
            return stored
        library.remove(store, min(deleted, key=lambda row: row.deleted_at).id)


def _held(
    connection: sa.Connection, which: sa.ColumnElement[bool]
) -> Sequence[sa.Row[tuple[str, float | None, str, int]]]:
    """Return id, time of deletion and state of each of some runs, with the `bytes` that it holds."""
    # All updates of a run have arrays of the same shapes, so one tells the size of all.
    an_update = sum((sa.func.length(UPDATES.c[name]) for name in ARRAYS), sa.literal(0))
    one = sa.select(an_update).where(UPDATES.c.run_id == RUNS.c.id, UPDATES.c.update == 0).scalar_subquery()
    a_checkpoint = sa.func.length(CHECKPOINTS.c.policy) + sa.func.coalesce(sa.func.length(CHECKPOINTS.c.checkpoint), 0)
    kept = sa.select(sa.func.sum(a_checkpoint)).where(CHECKPOINTS.c.run_id == RUNS.c.id).scalar_subquery()
    a_change = sa.func.length(CHANGES.c["values"])
    changes = sa.select(sa.func.sum(a_change)).where(CHANGES.c.run_id == RUNS.c.id).scalar_subquery()
    parts = sa.cast(RUNS.c.updates, sa.BigInteger) * sa.func.coalesce(one, 0), kept, changes
    held = sum((sa.func.coalesce(part, 0) for part in parts), sa.literal(0))
    wanted = sa.select(RUNS.c.id, RUNS.c.deleted_at, RUNS.c.state, sa.cast(held, sa.BigInteger).label("bytes"))
    return connection.execute(wanted.where(which)).all()
