"""Care for the store: finds damage and gaps, copies the database while it is in use, and takes such a copy back."""

import contextlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pg_core.environments.registration import check_named
from pg_core.runs.store import privacy
from pg_core.runs.store.records import WORKED_ON
from pg_core.runs.store.rows import from_bytes
from pg_core.runs.store.schema import (
    CHECKPOINTS,
    RUNS,
    TABLES,
    UPDATES,
    StoreError,
    connect,
    has_tables,
    lab_file,
    open_engine,
    read,
    write,
)

CHUNK = 16  # rows in memory at a time; those of large populations have megabytes

RESTORED = "It was being trained when this copy of it was made; resume the run to continue it."


def problems(url: sa.URL) -> Iterator[str]:
    """Yield what is wrong with the store in a database, a sentence a problem; runs may train meanwhile.

    Raises:
        StoreError: there is none.
    """
    _require_store(url)
    try:
        with _opened(url) as engine:
            damage = _damage(engine)
            yield from damage or _gaps(engine)  # what is damaged may say anything of its runs
    except StoreError as error:  # of another version, or too damaged to be read
        yield str(error)


def backup(url: sa.URL, path: Path) -> None:
    """Copy a store into a new file, an SQLite database whatever the store is; runs may train meanwhile.

    Raises:
        ValueError: the file exists.
        StoreError: there is no store, or its copy is damaged.
    """
    _require_store(url)
    path = path.absolute()
    try:
        privacy.make_file(path)
    except FileExistsError:
        raise ValueError(f"`path` must be a new file, got {str(path)!r}, which exists.") from None
    try:
        if url.get_backend_name() == "sqlite":  # pages are copied faster than rows, and commits wait for less time
            _copy_pages(Path(str(url.database)), path)
        else:
            with _opened(url) as source, _opened(sa.URL.create("sqlite", database=str(path))) as copy:
                _copy_rows(source, copy)
    except BaseException:
        path.unlink()  # a backup that is there is a good one
        raise


def restore(engine: sa.Engine, path: Path) -> None:
    """Copy a backup into the database of a store without runs.

    Raises:
        ValueError: the file is no backup, or computes what it holds; the store has runs; or the environment of one in
            the backup is in a module that the lab's owner has not named: to look at that run would import it.
        StoreError: the backup is damaged or of a newer version, or the store cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = lab_file(Path(folder))  # what an older lab has made is brought to this version, but not in its own file
        if path.is_file():
            _check_schema(path)
            _copy_pages(path, Path(str(copy.database)))
        if not path.is_file() or not _is_store(copy):
            raise ValueError(f"`path` must be a backup of a store, got {str(path)!r}, which is none.")
        with _opened(copy) as source:
            _check_modules(source)
            with write(source) as connection:  # whoever trains them does so in the database of which this is a copy
                trained = RUNS.update().where(RUNS.c.state.in_(WORKED_ON))
                connection.execute(trained.values(state="interrupted", reason=RESTORED, process=None))
            _copy_rows(source, engine)


@contextlib.contextmanager
def _opened(url: sa.URL) -> Iterator[sa.Engine]:
    engine = connect(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _require_store(url: sa.URL) -> None:
    """Raise StoreError if there is no store; to make an empty one and find it sound would deceive."""
    in_file = url.get_backend_name() == "sqlite"
    if not (Path(str(url.database)).exists() if in_file else _is_store(url)):
        where = f"in {Path(str(url.database)).parent}" if in_file else "in the database of PG_LAB_DATABASE_URL"
        raise StoreError(f"There is no store {where}: set PG_LAB_DATA or PG_LAB_DATABASE_URL to one.")


def _is_store(url: sa.URL) -> bool:
    engine = open_engine(url)
    try:
        with read(engine) as connection:
            return has_tables(connection)
    finally:
        engine.dispose()


def _damage(engine: sa.Engine) -> list[str]:
    """Return what is wrong with a file; PostgreSQL looks after its files itself, and after references."""
    if engine.dialect.name != "sqlite":
        return []
    found: list[str] = []
    try:
        with read(engine) as connection:
            found.extend(connection.exec_driver_sql("PRAGMA integrity_check").scalars())
    except StoreError as error:  # so damaged that the check itself fails
        found.append(str(error))
    return [f"The database is damaged: {_line(text)}." for text in found if text != "ok"]


def _gaps(engine: sa.Engine) -> Iterator[str]:
    """Yield what is missing from a database that is not damaged."""
    with read(engine) as connection:
        in_file = engine.dialect.name == "sqlite"
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all() if in_file else []
        run_ids = connection.scalars(sa.select(RUNS.c.id).order_by(RUNS.c.created_at)).all()
    for table, row, parent, _ in orphans:
        yield f"Row {row} of table {table} belongs to no row of {parent}."
    for run_id in run_ids:
        yield from _incomplete(engine, run_id)


def _incomplete(engine: sa.Engine, run_id: str) -> list[str]:
    """Return what a run lacks: of updates 0 to n - 1, and of a newest checkpoint that can be read."""
    updates = sa.select(UPDATES.c.update).where(UPDATES.c.run_id == run_id).order_by(UPDATES.c.update)
    kept = (CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.checkpoint.is_not(None))
    newest = sa.select(CHECKPOINTS.c.checkpoint).where(*kept).order_by(CHECKPOINTS.c.update.desc()).limit(1)
    with read(engine) as connection:  # one transaction: the run may be in training
        count = connection.scalar(sa.select(RUNS.c.updates).where(RUNS.c.id == run_id)) or 0
        pairs = zip_longest(range(count), connection.scalars(updates))
        expected, found = next((pair for pair in pairs if pair[0] != pair[1]), (None, None))
        checkpoint = connection.scalar(newest)
    problems = [] if checkpoint is None else _unreadable(run_id, checkpoint)
    if expected is not None:
        problems.append(f"Run {run_id} lacks update {expected} of its {count}.")
    elif found is not None:
        problems.append(f"Run {run_id} has an update {found} beyond its {count}.")
    return problems


def _unreadable(run_id: str, checkpoint: bytes) -> list[str]:
    try:
        from_bytes(checkpoint)
    except Exception as error:  # bytes can be wrong in any way
        return [f"The newest checkpoint of run {run_id} cannot be read: {_line(error)}."]
    return []


def _check_schema(path: Path) -> None:
    """Refuse a database with views, triggers, virtual tables or generated columns: reading those may take for ever."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as original:
            computed = original.execute("SELECT name FROM sqlite_master WHERE NOT rootpage")
            generated = "SELECT t.name FROM sqlite_master AS t, pragma_table_xinfo(t.name) AS c WHERE c.hidden"
            found = computed.fetchone() or original.execute(generated).fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"The store {path} cannot be copied ({error}): put another backup in its place.") from error
    if found:
        raise ValueError(f"`path` must be a backup of a store, got {str(path)!r}, which computes {found[0][:80]!a}.")


def _check_modules(engine: sa.Engine) -> None:
    with read(engine) as connection:
        configs = connection.scalars(sa.select(RUNS.c.config)).all()
    for config in configs:
        check_named(_env_id(config))


def _env_id(config: Any) -> str:
    """Return whose environment a stored config is; nothing of one that no lab can open."""
    try:
        return str(json.loads(config)["env_id"])
    except Exception:  # a database can hold anything
        return ""


def _copy_pages(source: Path, path: Path) -> None:
    """Copy a file, all pages at once while commits wait: little by little, it would begin anew with each commit."""
    there = f"{source.absolute().as_uri()}?mode=rw"
    try:
        with (
            contextlib.closing(sqlite3.connect(there, uri=True)) as original,
            contextlib.closing(sqlite3.connect(path)) as copy,
        ):
            original.backup(copy)
        with contextlib.closing(sqlite3.connect(path)) as copy:
            [damage] = copy.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"The store {source} cannot be copied ({error}): free some space, or mend it.") from error
    if damage != "ok":
        raise StoreError(
            f"The store {source} is damaged, so it was not copied: `python -m pg_core store check` says where."
        )


def _copy_rows(source: sa.Engine, target: sa.Engine) -> None:
    """Copy all rows of a store, as they are at one moment, into one without runs."""
    with read(source) as original, write(target) as copy:
        count = copy.scalar(sa.select(sa.func.count()).select_from(RUNS))
        if count:
            raise ValueError(f"A backup can be restored into a store without runs only; this one has {count}.")
        for table in TABLES:
            # Ids that the database assigns are assigned anew, in the same order.
            columns = [column for column in table.c if column is not table.autoincrement_column]
            rows = sa.select(*columns).order_by(*table.primary_key).execution_options(yield_per=CHUNK)
            for chunk in original.execute(rows).mappings().partitions():
                copy.execute(table.insert(), [dict(row) for row in chunk])


def _line(text: object) -> str:
    return " ".join(str(text).split()).rstrip(".")
