"""What is PostgreSQL's own in the store: how it is opened, the writer's lock, and what to do about its errors."""

import functools
import zlib
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

LOCK = 0x50474C  # of all runs: the first number of an advisory lock, whose second is 0; a run's lock has one number
OPTIONS = "-c idle_in_transaction_session_timeout=5min"  # the lock of a writer that hangs is free at last

_LOCK_ALL = "SELECT pg_advisory_xact_lock(%(all)s, 0)"
_LOCK_RUN = "SELECT pg_advisory_xact_lock_shared(%(all)s, 0), pg_advisory_xact_lock(%(run)s)"

_REMEDIES = {  # by SQLSTATE, or by a part of the text where libpq knows no state: when it cannot connect
    "53100": "the disk of its server is full; free some space there and resume the run",
    "53300": "it has too many connections; close other programs or raise its max_connections, and try again",
    "too many clients": "it has too many connections; close other programs or raise its max_connections, and try again",
    "QueuePool": "too many ask at once; try again",
    "25006": "it is read-only; set PG_LAB_DATABASE_URL to a server that can be written",
    "55P03": "another program holds it; wait until that has ended and try again",
    "57014": "it took too long; try again",
    "25P03": "it waited amid a transaction for too long; try again or resume the run",
    "42P07": "it has tables of another program; set PG_LAB_DATABASE_URL to a database of the lab's own",
    "42P01": "its tables were deleted while the lab ran; restart the lab",
    "42501": "its user may not do that; make it the owner of the database",
    "password": "set PG_LAB_DATABASE_URL to the right user and password",
    "does not exist": "set PG_LAB_DATABASE_URL to a database that exists, or make this one with createdb",
    "": "start PostgreSQL if it does not run, and look whether PG_LAB_DATABASE_URL is right",
}


def open_engine(url: sa.URL, lock_seconds: float) -> sa.Engine:
    """Return an engine for a database, of which nothing is asked yet."""
    patience = {"connect_timeout": url.query.get("connect_timeout", 5)}
    locks = f"-c lock_timeout={1000 * lock_seconds:.0f}"  # milliseconds
    options = {"options": f"{locks} {OPTIONS} {url.query.get('options', '')}"}
    # Asked before each transaction, connections of a server that was restarted are found out and made anew.
    engine = sa.create_engine(url, pool_pre_ping=True, connect_args=patience | options)
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin)
    return engine


def sentence(error: SQLAlchemyError) -> str:
    """Return what is wrong and what to do; the URL, which holds a password, is never in it."""
    cause = getattr(error, "orig", None)
    text = str(cause or error).strip() or type(error).__name__
    signs = f"{getattr(cause, 'sqlstate', None)} {text}"
    remedy = next(remedy for sign, remedy in _REMEDIES.items() if sign in signs)
    return f"The lab's store cannot be used ({text.splitlines()[0].rstrip('.')}): {remedy}."


def _prepare(connection: Any, _record: object) -> None:
    for kind in ("cursor_factory", "server_cursor_factory"):
        setattr(connection, kind, functools.partial(_binary, getattr(connection, kind)))


def _binary(factory: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Make a cursor that gets bytes as they are: as text, checkpoints of over 500 MB are more than PostgreSQL sends."""
    cursor = factory(*arguments, **options)
    cursor.format = type(cursor.format).BINARY
    return cursor


def _begin(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    writer = options.get("writer", False)
    # A reader sees one moment; a writer, who may have waited for the lock, all that was committed by then.
    level = "READ COMMITTED" if writer else "REPEATABLE READ"
    connection.dialect.set_isolation_level(connection.connection.dbapi_connection, level)  # type: ignore[arg-type]
    if writer and options.get("locked", True):
        run_id = options.get("run_id")
        # Two runs that have the same number wait for each other; that is all.
        number = None if run_id is None else zlib.crc32(run_id.encode(errors="replace"))
        connection.exec_driver_sql(_LOCK_ALL if run_id is None else _LOCK_RUN, {"all": LOCK, "run": number})
