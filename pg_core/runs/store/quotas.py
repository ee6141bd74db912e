"""What one visitor has in the store."""

import sqlalchemy as sa

from pg_core.runs.store.records import ACTIVE
from pg_core.runs.store.schema import ARRAYS, CHECKPOINTS, RUNS, UPDATES, read
from pg_core.runs.store.store import VISITOR, Store


def usage(store: Store, visitor: str) -> tuple[int, int]:
    """Return how many of a visitor's runs are active, and how many bytes all of them hold, deleted ones left out.

    Args:
        store: of the runs.
        visitor: an owner, or the session that started runs without one.
    """
    theirs = sa.and_(VISITOR.in_([visitor]), RUNS.c.deleted_at.is_(None))
    # All updates of a run have arrays of the same shapes, so one tells the size of all.
    an_update = sum((sa.func.length(UPDATES.c[name]) for name in ARRAYS), sa.literal(0))
    updates = sa.select(sa.func.sum(sa.cast(RUNS.c.updates, sa.BigInteger) * an_update)).select_from(
        RUNS.join(UPDATES, (UPDATES.c.run_id == RUNS.c.id) & (UPDATES.c.update == 0))
    )
    a_checkpoint = sa.func.length(CHECKPOINTS.c.policy) + sa.func.coalesce(sa.func.length(CHECKPOINTS.c.checkpoint), 0)
    checkpoints = sa.select(sa.func.sum(a_checkpoint)).select_from(RUNS.join(CHECKPOINTS))
    active = sa.select(sa.func.count()).where(RUNS.c.state.in_(ACTIVE))
    with read(store.engine) as connection:
        count, *stored = (connection.scalar(what.where(theirs)) or 0 for what in (active, updates, checkpoints))
    return int(count), int(sum(stored))
