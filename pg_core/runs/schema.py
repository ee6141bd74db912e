"""The tables of the store and its transactions, in SQLAlchemy Core: nothing but the hooks below is SQLite's own.

SQLite keeps its rollback journal: up to 3.51.2 its write-ahead log can be corrupted by several processes
(https://sqlite.org/wal.html#walresetbug).
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

SCHEMA_VERSION = 4
MAX_NAME = 80

# How each array of an `Update` is stored: its bytes in this type.
ARRAYS = {
    **dict.fromkeys(("episodic_returns", "mean_return", "iqm", "policy_loss", "value_loss", "entropy_loss"), "<f4"),
    **dict.fromkeys(("entropy", "grad_norm", "grad_snr", "approx_kl", "explained_variance"), "<f4"),
    "episodic_lengths": "<i4",
    **dict.fromkeys(("env_steps", "env_steps_to_solve"), "<i8"),
}

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
    sa.Column("target", sa.String(8), nullable=False, default="run"),  # or pause, stop
    sa.Column("steps", sa.Integer, nullable=False, default=0),  # single updates asked for while paused
    sa.Column("rewinds", sa.Integer, nullable=False, default=0),
    sa.Column("updates", sa.Integer, nullable=False, default=0),
    sa.Column("episodes", sa.BigInteger, nullable=False, default=0),
    sa.Column("env_steps", sa.BigInteger, nullable=False, default=0),
    sa.Column("wall_seconds", sa.Double, nullable=False, default=0.0),
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


class StoreError(RuntimeError):
    """Raised when the store cannot be read or written; its message says what to do."""


def connect(folder: Path) -> sa.Engine:
    """Open the database in a folder; create it if there is none.

    Raises:
        StoreError: it cannot be opened, or another version of the lab has made it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The lab's folder cannot be made ({error}): set PG_LAB_DATA to another.") from error
    path = folder / "lab.db"
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": 5})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    with write(engine) as connection:
        _METADATA.create_all(connection)
        version = connection.scalar(sa.select(_VERSION.c.version))
        if version is None:
            connection.execute(_VERSION.insert(), {"version": SCHEMA_VERSION})
        elif not 1 <= version <= SCHEMA_VERSION:
            raise StoreError(
                f"The lab's store has version {version}, this lab reads version {SCHEMA_VERSION}; "
                "use the lab that made it, or set PG_LAB_DATA to another folder."
            )
        else:
            for migrate in MIGRATIONS[version - 1 :]:
                migrate(connection)
            connection.execute(_VERSION.update().values(version=SCHEMA_VERSION))
    return engine


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


def _add_columns(connection: sa.Connection, *names: str) -> None:
    for name in names:
        declaration = sa.schema.CreateColumn(RUNS.c[name]).compile(dialect=connection.dialect)
        connection.execute(sa.text(f"ALTER TABLE runs ADD COLUMN {declaration}"))


MIGRATIONS = (_add_engine, _add_library, _add_owners)  # from version 1 on, each to the next


@contextlib.contextmanager
def read(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Begin a transaction; errors of the database become a StoreError."""
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise StoreError(_sentence(error, Path(engine.url.database or ""))) from error


def write(engine: sa.Engine) -> contextlib.AbstractContextManager[sa.Connection]:
    """Begin a transaction that holds the writer's lock from the start: what it reads is still true when it writes."""
    return read(engine.execution_options(writer=True))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin in `_begin_sqlite`, not behind our back
    for pragma in ("journal_mode=DELETE", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    writer = connection.get_execution_options().get("writer")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")


def _sentence(error: SQLAlchemyError, path: Path) -> str:
    text = str(getattr(error, "orig", None) or error)
    if path.parent.exists() and not path.exists():
        text = f"no such table: {path.name} is gone"
    remedies = {
        "no such table": "it was deleted or replaced while the lab ran; restart the lab",
        "full": "the disk is full; free some space and resume the run",
        "locked": "another program has held it for five seconds; close that program and try again",
        "readonly": "it is read-only; make its folder writable, or set PG_LAB_DATA to another folder",
        "": "check that its folder can be written, or set PG_LAB_DATA to another folder",
    }
    remedy = next(remedy for sign, remedy in remedies.items() if sign in text)
    return f"The lab's store cannot be used ({text.splitlines()[0]}): {remedy}."
