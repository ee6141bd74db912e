"""The tables of the store and its transactions, in SQLAlchemy Core: nothing but the hooks below is SQLite's own.

What is PostgreSQL's own is in `postgresql`.

SQLite keeps its rollback journal: up to 3.51.2 its write-ahead log can be corrupted by several processes
(https://sqlite.org/wal.html#walresetbug).
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from pg_core.runs.store import postgresql, privacy
from pg_core.runs.store.earlier import config_of_today
from pg_core.runs.store.leaves import named
from pg_core.runs.store.records import ARITHMETIC

SCHEMA_VERSION = 11
MAX_NAME = 80
LOCK_SECONDS, PATIENT_LOCK_SECONDS = 5.0, 60.0  # a page had better say something; training had better wait

# How each array of an `Update` is stored: its bytes in this type.
ARRAYS = {
    **dict.fromkeys(("episodic_returns", "mean_return", "iqm", "policy_loss", "value_loss", "entropy_loss"), "<f4"),
    **dict.fromkeys(("entropy", "grad_norm", "grad_snr", "approx_kl", "explained_variance"), "<f4"),
    "episodic_lengths": "<i4",
    **dict.fromkeys(("env_steps", "env_steps_to_solve"), "<i8"),
    **dict.fromkeys(("cut", "at_bounds", "max_reward"), "<f4"),
}
MEASURED_LATER = ("cut", "at_bounds", "max_reward")  # NaN in updates that were trained before version 7

_METADATA = sa.MetaData()
_VERSION = sa.Table("schema_version", _METADATA, sa.Column("version", sa.Integer, primary_key=True))
RUNS = sa.Table(
    "runs",
    _METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(MAX_NAME), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),  # seconds since 1970, UTC
    sa.Column("config", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("queued_at", sa.Double, nullable=False),
    sa.Column("process", sa.String(64)),  # that works on it, see `process_name`
    sa.Column("lease_until", sa.Double),  # by the database's clock, see `leases`
    sa.Column("taken_up", sa.Integer, nullable=False, server_default="0"),  # since it was last trained an update
    sa.Column("target", sa.String(8), nullable=False, default="run"),  # or pause, stop
    sa.Column("until", sa.Integer, nullable=False, default=0, server_default="0"),  # updates to be done before a pause
    sa.Column("rewinds", sa.Integer, nullable=False, default=0),
    sa.Column("updates", sa.Integer, nullable=False, default=0),
    sa.Column("episodes", sa.BigInteger, nullable=False, default=0),
    sa.Column("env_steps", sa.BigInteger, nullable=False, default=0),
    sa.Column("wall_seconds", sa.Double, nullable=False, default=0.0),
    sa.Column("elapsed_seconds", sa.Double, nullable=False, default=0.0, server_default="0"),
    sa.Column("steps_per_second", sa.Double, nullable=False, default=0.0),
    sa.Column("mean_return", sa.Double),
    sa.Column("best_return", sa.Double),
    sa.Column("env_steps_to_solve", sa.Text, nullable=False),  # JSON list, null where not solved
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.Text, nullable=False, server_default="[]"),  # JSON list
    sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("deleted_at", sa.Double),  # None: not deleted
    sa.Column("parent_id", sa.String(32)),  # of the run that this one was forked from
    sa.Column("parent_update", sa.Integer),  # updates that they share
    sa.Column("owner", sa.Text),  # who controls it: the id of a log-in
    sa.Column("session", sa.String(32)),  # of the browser that started it
    sa.Column("arithmetic", sa.Integer, nullable=False, default=ARITHMETIC, server_default="1"),
    sa.Column("sweep_id", sa.String(32), index=True),  # None: of no sweep
    sa.Column("setting", sa.Integer),  # of the sweep
    sa.Column("processors", sa.Text, nullable=False, server_default="[]"),  # JSON list, see `Run.processors`
)
UPDATES = sa.Table(
    "updates",
    _METADATA,
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("update", sa.Integer, primary_key=True),
    sa.Column("seconds", sa.Double, nullable=False),  # of training, since the start of the run
    *(sa.Column(name, sa.LargeBinary, nullable=False) for name in ARRAYS),
)
CHANGES = sa.Table(
    "changes",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("values", sa.Text, nullable=False),  # JSON object
    sa.Column("requested_at", sa.Double, nullable=False),
    sa.Column("update", sa.Integer),  # the first in which it was in force
)
CHECKPOINTS = sa.Table(
    "checkpoints",
    _METADATA,
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("update", sa.Integer, primary_key=True),  # number of updates done
    sa.Column("policy", sa.LargeBinary, nullable=False),
    sa.Column("checkpoint", sa.LargeBinary),
)
SCORES = sa.Table(  # of visitors against policies
    "scores",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("update", sa.Integer, nullable=False),  # number of updates done by the policy
    sa.Column("agent", sa.Integer, nullable=False),
    sa.Column("visitor_steps", sa.Integer, nullable=False),
    sa.Column("opponent_steps", sa.Integer, nullable=False),
)
SWEEPS = sa.Table(  # a sweep is there as long as a run of it, see `library.purge`
    "sweeps",
    _METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(MAX_NAME), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),  # seconds since 1970, UTC
    sa.Column("declaration", sa.Text, nullable=False),
    sa.Column("target", sa.String(8), nullable=False),  # run: further settings are to be tried; stop, done: none
    sa.Column("process", sa.String(64)),  # that looks after it as long as it lives; None: any server does
    sa.Column("owner", sa.Text),
    sa.Column("session", sa.String(32)),
)
TABLES = [table for table in _METADATA.sorted_tables if table is not _VERSION]  # each after those it refers to


class StoreError(RuntimeError):
    """Raised when the store cannot be read or written; its message says what to do."""


class StoreHeld(StoreError):
    """Raised when others hold the store for longer than a transaction waits."""


def lab_file(folder: Path) -> sa.URL:
    """Return where the database of a folder is, unless PostgreSQL has it."""
    return sa.URL.create("sqlite", database=str(folder / "lab.db"))


def connect(url: sa.URL, lock_seconds: float = LOCK_SECONDS) -> sa.Engine:
    """Open a database; create its tables if there are none.

    One that is up to date is only read, so that a disk without room, or one that is read-only, can still be looked at.

    Args:
        url: of SQLite or PostgreSQL.
        lock_seconds: for which a transaction waits while others hold the database.

    Raises:
        StoreError: it cannot be opened, or another version of the lab has made it.
    """
    engine = open_engine(url, lock_seconds)
    if engine.dialect.name == "sqlite":
        with contextlib.suppress(OSError):  # it is there, or SQLite says why it cannot be
            privacy.make_file(Path(str(url.database)))
    with read(engine) as connection:
        version = connection.scalar(sa.select(_VERSION.c.version)) if has_tables(connection) else None
    if version != SCHEMA_VERSION:
        _bring_up_to_date(engine)
    if engine.dialect.name == "sqlite":
        engine.dispose()
        # Not before: it might have written to a store of another version.
        sa.event.listen(engine, "connect", _keep_rollback_journal)
    return engine


def _bring_up_to_date(engine: sa.Engine) -> None:
    with write(engine) as connection:
        if not has_tables(connection):
            _METADATA.create_all(connection, checkfirst=False)  # tables of these names are not ours
            connection.execute(_VERSION.insert(), {"version": SCHEMA_VERSION})
        version = connection.scalar(sa.select(_VERSION.c.version))
        if version is None or not 1 <= version <= SCHEMA_VERSION:
            raise StoreError(
                f"The lab's store has version {version}, this lab reads version {SCHEMA_VERSION}; "
                "use the lab that made it, or set PG_LAB_DATA to another folder."
            )
        if version < SCHEMA_VERSION:
            for migrate in MIGRATIONS[version - 1 :]:
                migrate(connection)
            connection.execute(_VERSION.update().values(version=SCHEMA_VERSION))


def open_engine(url: sa.URL, lock_seconds: float = LOCK_SECONDS) -> sa.Engine:
    """Return an engine for a database, of which nothing is asked yet."""
    opener = _open_sqlite if url.get_backend_name() == "sqlite" else postgresql.open_engine
    return opener(url, lock_seconds)


def has_tables(connection: sa.Connection) -> bool:
    """Return whether a lab has made its tables in a database."""
    return sa.inspect(connection).has_table(_VERSION.name)


def _add_engine(connection: sa.Connection) -> None:
    """Bring a store of version 1 to version 2: its runs were trained with Gymnasium, the only engine of that time."""
    for run in list(connection.execute(sa.select(RUNS.c.id, RUNS.c.config))):
        config = {**json.loads(run.config), "engine": "gymnasium", "sutton_barto_reward": False}
        connection.execute(RUNS.update().where(RUNS.c.id == run.id).values(config=json.dumps(config)))
    for column in ("collect_seconds", "gradient_seconds"):
        connection.execute(sa.text(f"ALTER TABLE updates DROP COLUMN {column}"))


def _add_library(connection: sa.Connection) -> None:
    """Bring a store of version 2 to version 3: runs get notes, tags, pins, parents, and a time of deletion."""
    _add_columns(connection, "note", "tags", "pinned", "deleted_at", "parent_id", "parent_update")


def _add_owners(connection: sa.Connection) -> None:
    """Bring a store of version 3 to version 4: runs get owners, but those that are there have none."""
    _add_columns(connection, "owner", "session")


def _add_until(connection: sa.Connection) -> None:
    """Bring a store of version 4 to version 5: of the seconds that runs took, those of training are known."""
    _add_columns(connection, "until", "elapsed_seconds")
    connection.execute(sa.text("ALTER TABLE runs DROP COLUMN steps"))
    connection.execute(RUNS.update().values(elapsed_seconds=RUNS.c.wall_seconds))


def _name_leaves(connection: sa.Connection) -> None:
    """Bring a store of version 5 to version 6: arrays of checkpoints get names, runs the arithmetic of their time."""
    from pg_core.runs.store.rows import from_bytes, to_bytes  # which know these tables

    _add_columns(connection, "arithmetic")
    connection.execute(RUNS.update().where(RUNS.c.updates == 0).values(arithmetic=ARITHMETIC))
    configs = {run.id: json.loads(run.config) for run in connection.execute(sa.select(RUNS.c.id, RUNS.c.config))}
    key = CHECKPOINTS.c.run_id, CHECKPOINTS.c.update
    for kept in list(connection.execute(sa.select(*key).where(CHECKPOINTS.c.checkpoint.is_not(None)))):
        here = (key[0] == kept.run_id) & (key[1] == kept.update)
        checkpoint = connection.execute(sa.select(CHECKPOINTS.c.checkpoint).where(here)).scalar_one()
        try:
            renamed = to_bytes(named(from_bytes(checkpoint), len(configs[kept.run_id]["hidden_layers"]) + 1))
        except Exception:  # bytes can be wrong in any way: what is damaged stays as it is
            continue
        connection.execute(CHECKPOINTS.update().where(here).values(checkpoint=renamed))


def _add_measures(connection: sa.Connection) -> None:
    """Bring a store of version 6 to version 7: what its updates did not measure is undefined there."""
    for name in MEASURED_LATER:
        kind = UPDATES.c[name].type.compile(connection.dialect)
        connection.execute(sa.text(f"ALTER TABLE updates ADD COLUMN {name} {kind}"))
    for run in list(connection.execute(sa.select(RUNS.c.id, RUNS.c.env_steps_to_solve))):
        undefined = np.full(len(json.loads(run.env_steps_to_solve)), np.nan, "<f4").tobytes()
        values = dict.fromkeys(MEASURED_LATER, undefined)
        connection.execute(UPDATES.update().where(UPDATES.c.run_id == run.id).values(**values))


def _add_environment(connection: sa.Connection) -> None:
    """Bring a store of version 7 to version 8: of an environment more is known than its id."""
    for run in list(connection.execute(sa.select(RUNS.c.id, RUNS.c.config))):
        config = json.dumps(config_of_today(json.loads(run.config)))
        connection.execute(RUNS.update().where(RUNS.c.id == run.id).values(config=config))


def _add_scores(connection: sa.Connection) -> None:
    """Bring a store of version 8 to version 9: runs keep the scores of games against their policies."""
    SCORES.create(connection)


def _add_sweeps(connection: sa.Connection) -> None:
    """Bring a store of version 9 to version 10: runs may be of a sweep."""
    SWEEPS.create(connection)
    _add_columns(connection, "sweep_id", "setting")
    [index] = [index for index in RUNS.indexes if index.columns.contains_column(RUNS.c.sweep_id)]
    index.create(connection)


def _add_leases(connection: sa.Connection) -> None:
    """Bring a store of version 10 to version 11: runs get leases, and the processors that train them are known."""
    _add_columns(connection, "lease_until", "taken_up", "processors")


def _add_columns(connection: sa.Connection, *names: str) -> None:
    for name in names:
        declaration = sa.schema.CreateColumn(RUNS.c[name]).compile(dialect=connection.dialect)
        connection.execute(sa.text(f"ALTER TABLE runs ADD COLUMN {declaration}"))


# From version 1 on, each to the next.
MIGRATIONS = (
    _add_engine, _add_library, _add_owners, _add_until, _name_leaves, _add_measures, _add_environment, _add_scores,
    _add_sweeps, _add_leases,
)  # fmt: skip


@contextlib.contextmanager
def read(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Begin a transaction; errors of the database become a StoreError."""
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        kind = StoreHeld if _is_held(error) else StoreError
        if engine.dialect.name == "postgresql":
            raise kind(postgresql.sentence(error)) from error
        raise kind(_sentence(error, Path(engine.url.database or ""))) from error


def write(engine: sa.Engine, run_id: str | None = None) -> contextlib.AbstractContextManager[sa.Connection]:
    """Begin a transaction that holds the writer's lock from the start: what it reads is still true when it writes.

    If it names a run, that is so for this run only, and only this run may be written: PostgreSQL lets writers of
    different runs work at once, SQLite has one lock for all.
    """
    return read(engine.execution_options(writer=True, run_id=run_id))


def touch(engine: sa.Engine) -> contextlib.AbstractContextManager[sa.Connection]:
    """Begin a transaction that changes a row by one statement: on PostgreSQL it waits for no lock but that row's.

    What it changes must be nothing that a writer relies on.
    """
    return read(engine.execution_options(writer=True, locked=False))


def _open_sqlite(url: sa.URL, lock_seconds: float) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": lock_seconds})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin in `_begin_sqlite`, not behind our back
    connection.execute("PRAGMA foreign_keys=ON")


def _keep_rollback_journal(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=DELETE")


def _begin_sqlite(connection: sa.Connection) -> None:
    writer = connection.get_execution_options().get("writer")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")


def _is_held(error: SQLAlchemyError) -> bool:
    cause = getattr(error, "orig", None)
    return getattr(cause, "sqlite_errorname", "") == "SQLITE_BUSY" or getattr(cause, "sqlstate", "") == "55P03"


def _sentence(error: SQLAlchemyError, path: Path) -> str:
    origin = getattr(error, "orig", None)
    text = str(origin or error)
    moved = getattr(origin, "sqlite_errorname", "") == "SQLITE_READONLY_DBMOVED"
    if moved or (path.parent.exists() and not path.exists()):
        text = f"no such table: {path.name} is gone"
    damaged = "it is damaged; move it away and put a backup in its place, or set PG_LAB_DATA to another folder"
    remedies = {
        "no such table": "it was deleted or replaced while the lab ran; restart the lab",
        "full": "the disk is full; free some space and resume the run",
        "locked": "another program, such as a backup, holds it; wait until that has ended and try again",
        "malformed": damaged,
        "not a database": damaged,
        "readonly": "it is read-only; make its folder writable, or set PG_LAB_DATA to another folder",
        "": "check that its folder can be written, or set PG_LAB_DATA to another folder",
    }
    remedy = next(remedy for sign, remedy in remedies.items() if sign in text)
    return f"The lab's store cannot be used ({text.splitlines()[0]}): {remedy}."
