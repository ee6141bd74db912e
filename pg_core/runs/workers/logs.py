"""The lab's logs: errors that nobody foresaw, and what workers print. Both are bounded, and the newest is kept."""

import contextlib
import os
import secrets
import traceback
from pathlib import Path
from typing import BinaryIO

from pg_core.runs.store import privacy

MAX_BYTES = 5 * 2**20  # of a log; of one that is longer the newest go to a file of the same name and .old
WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0)  # for who would read, where the file is a pipe; Windows has none
MAX_ENTRY = 2**18  # characters of a traceback, whose message may be as long as an environment likes


def note(folder: Path, error: BaseException) -> str:
    """Write an error's traceback to errors.log in a folder, and return the incident's number.

    A page shows the number; the traceback is in a log that only the lab's owner reads.
    """
    incident, path = secrets.token_hex(4), folder / "errors.log"
    entry = f"incident {incident}\n{''.join(traceback.format_exception(error))[:MAX_ENTRY]}\n"
    cut(path)
    with contextlib.suppress(OSError), _open(path) as log:  # the disk may be full, which may be the very error
        log.write(entry.encode(errors="backslashreplace"))
    return incident


def for_workers(folder: Path) -> BinaryIO:
    """Open what workers complain to; in a folder that cannot be written, they complain to nobody."""
    cut(folder / "workers.log")
    try:
        return _open(folder / "workers.log")
    except OSError:
        return open(os.devnull, "ab")


def cut(path: Path) -> None:
    """Empty a log that is too long, after a copy of its newest bytes.

    Who has it open goes on writing to it, at its new end: it cannot be another file. What is written between the copy
    and the cut is lost.
    """
    with contextlib.suppress(OSError), path.open("r+b") as log:
        if (size := os.stat(log.fileno()).st_size) <= MAX_BYTES:
            return
        log.seek(size - MAX_BYTES)
        newest = log.read(MAX_BYTES)
        if len(newest) < MAX_BYTES:  # another process has just cut it
            return
        old = path.with_name(f"{path.name}.old")
        old.unlink(missing_ok=True)
        with contextlib.suppress(OSError), _open(old) as copy:  # a full disk is no reason to keep all
            copy.write(newest)
        log.truncate(0)


def _open(path: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | WITHOUT_WAITING
    return os.fdopen(os.open(path, flags, privacy.FILE), "ab")
