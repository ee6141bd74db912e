"""Holds a worker still in a given moment of its work, known by its files and by how much it has written."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

MOMENTS = ("collection", "commit", "checkpoint")
CHECKPOINT_BYTES = 2**20  # more than any transaction without a checkpoint writes
POLL_SECONDS = 0.0002  # between two polls: a commit takes milliseconds


class Missed(RuntimeError):
    """Raised when the worker has ended before the moment came."""


@contextlib.contextmanager
def caught(worker: psutil.Process, folder: Path, moment: str) -> Iterator[None]:
    """Stop the worker in a moment, for as long as the context lasts.

    Args:
        worker: that trains the lab's only run.
        folder: the lab's.
        moment: "collection", when no transaction is open; "commit", when one is, that has no checkpoint so far; or
            "checkpoint", when one has written more than a MiB: SQLite writes what does not fit into its cache at once.

    Raises:
        Missed: the worker has ended.
    """
    journal, before = folder / "lab.db-journal", 0
    try:
        while True:
            if not journal.exists():
                before = _written(worker)
            if journal.exists() == (moment != "collection"):
                worker.suspend()
                if _is(moment, journal.exists(), _written(worker) - before):
                    break
                worker.resume()
            time.sleep(POLL_SECONDS)
    except psutil.Error:
        raise Missed from None
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.resume()


def _is(moment: str, in_transaction: bool, written: int) -> bool:
    if moment == "collection":
        return not in_transaction
    return in_transaction and (written > CHECKPOINT_BYTES) == (moment == "checkpoint")


def _written(worker: psutil.Process) -> int:
    """Return how many bytes the worker has written in its life."""
    return int(worker.io_counters().write_chars)
