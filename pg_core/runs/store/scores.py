"""Games of visitors against policies of a run, of which the best are kept with the run."""

import sqlalchemy as sa

from pg_core.runs.store.records import Score
from pg_core.runs.store.schema import SCORES, read, write
from pg_core.runs.store.store import Store, row_of

MAX_SCORES = 100  # of a run
_COLUMNS = [SCORES.c[name] for name in Score._fields]
# The longest game first; of those that are as long, that against the better opponent, then the earlier one.
_ORDER = SCORES.c.visitor_steps.desc(), SCORES.c.opponent_steps.desc(), SCORES.c.id


def add(store: Store, run_id: str, score: Score) -> None:
    """Keep a score, if it is among the best `MAX_SCORES` of its run.

    Raises:
        UnknownRun: there is no such run.
    """
    of_run = SCORES.c.run_id == run_id
    surplus = sa.select(SCORES.c.id).where(of_run).order_by(*_ORDER).offset(MAX_SCORES)
    with write(store.engine, run_id) as connection:
        row_of(connection, run_id)
        connection.execute(SCORES.insert(), {"run_id": run_id, **score._asdict()})
        connection.execute(SCORES.delete().where(SCORES.c.id.in_(connection.scalars(surplus).all())))


def best(store: Store, run_id: str, count: int) -> list[Score]:
    """Return the best scores of a run, the best first."""
    wanted = sa.select(*_COLUMNS).where(SCORES.c.run_id == run_id).order_by(*_ORDER).limit(count)
    with read(store.engine) as connection:
        return [Score(*row) for row in connection.execute(wanted)]
