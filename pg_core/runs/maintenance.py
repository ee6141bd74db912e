"""Care for the store: finds damage and gaps, and copies the database while it is in use."""

import contextlib
import sqlite3
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import sqlalchemy as sa

from pg_core.runs.rows import from_bytes
from pg_core.runs.schema import CHECKPOINTS, RUNS, UPDATES, StoreError, connect, read


def problems(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the store in a folder, a sentence a problem; runs may train meanwhile.

    Raises:
        StoreError: there is none.
    """
    _database(folder)
    try:
        with _opened(folder) as engine:
            damage = _damage(engine)
            yield from damage or _gaps(engine)  # what is damaged may say anything of its runs
    except StoreError as error:  # of another version, or too damaged to be read
        yield str(error)


def backup(folder: Path, path: Path) -> None:
    """Copy the store in a folder into a new file; runs may train meanwhile.

    Raises:
        ValueError: the file exists.
        StoreError: there is no store, or its copy is damaged.
    """
    source, path = _database(folder), path.absolute()
    try:
        path.open("xb").close()
    except FileExistsError:
        raise ValueError(f"`path` must be a new file, got {str(path)!r}, which exists.") from None
    try:
        _copy(source, path)
    except BaseException:
        path.unlink()  # a backup that is there is a good one
        raise


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[sa.Engine]:
    engine = connect(folder)
    try:
        yield engine
    finally:
        engine.dispose()


def _database(folder: Path) -> Path:
    """Return the path of the database; to make an empty one and find it sound would deceive."""
    path = folder / "lab.db"
    if not path.exists():
        raise StoreError(f"There is no store in {folder}: set PG_LAB_DATA to the folder of one.")
    return path


def _damage(engine: sa.Engine) -> list[str]:
    found: list[str] = []
    try:
        with read(engine) as connection:
            found.extend(connection.exec_driver_sql("PRAGMA integrity_check").scalars())
    except StoreError as error:  # damage of which not even the check finds an end
        found.append(str(error))
    return [f"The database is damaged: {_line(text)}." for text in found if text != "ok"]


def _gaps(engine: sa.Engine) -> Iterator[str]:
    """Yield what is missing from a database that is not damaged."""
    with read(engine) as connection:
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
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


def _copy(source: Path, path: Path) -> None:
    """Copy a database, all pages at once while commits wait: little by little, it would begin anew with each commit."""
    try:
        with contextlib.closing(sqlite3.connect(source)) as original, contextlib.closing(sqlite3.connect(path)) as copy:
            original.backup(copy)
        with contextlib.closing(sqlite3.connect(path)) as copy:
            [damage] = copy.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"The lab's store cannot be copied ({error}): free some space, or mend the store.") from error
    if damage != "ok":
        raise StoreError("The lab's store is damaged and was not copied: `python -m pg_core store check` says where.")


def _line(text: object) -> str:
    return " ".join(str(text).split()).rstrip(".")
