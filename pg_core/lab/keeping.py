"""Keep runs: describe, delete and restore them, and look after the store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pg_core.lab import access, state
from pg_core.runs.paths import data_folder, database
from pg_core.runs.store import library, maintenance
from pg_core.runs.workers import logs


def label(run_id: str, **labels: Any) -> None:
    """Set a run's `name`, `note`, `tags` or `pinned`.

    Raises:
        ConfigError: a text is too long, or has characters that cannot be printed.
        NotAllowed: it is someone else's run; likewise `delete` and `restore`, which then change none.
    """
    access.controlled(run_id)
    library.label(state.store(), run_id, **labels)


def delete(*run_ids: str) -> None:
    """Take runs out of sight; `restore` brings them back within a day.

    Raises:
        ConfigError: one of them is still in training.
    """
    for run_id in run_ids:
        access.controlled(run_id)
    library.delete(state.store(), run_ids)


def restore(*run_ids: str) -> None:
    """Bring deleted runs back."""
    for run_id in run_ids:
        access.controlled(run_id)
    library.restore(state.store(), run_ids)


def check_store() -> Iterator[str]:
    """Yield what is wrong with the store, a sentence a problem."""
    return maintenance.problems(database())


def backup(path: Path) -> None:
    """Copy the store into a new file; runs may train meanwhile.

    Raises:
        ValueError: the file exists.
    """
    maintenance.backup(database(), path)


def restore_store(path: Path) -> None:
    """Copy what `backup` wrote into a store without runs.

    Raises:
        ValueError: the file is no backup, or the store has runs.
    """
    maintenance.restore(state.store().engine, path)


def incident(error: BaseException) -> str:
    """Write an unexpected error's traceback to the lab's errors.log, and return the number to be told instead."""
    return logs.note(data_folder(), error)
