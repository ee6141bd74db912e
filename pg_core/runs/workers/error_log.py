"""Errors that nobody foresaw: a page shows a number, the traceback is in a log that only the lab's owner reads."""

import contextlib
import os
import secrets
import traceback
from pathlib import Path

MAX_LOG = 5 * 2**20  # bytes; a log that is longer becomes errors.log.old


def note(folder: Path, error: BaseException) -> str:
    """Write an error's traceback to errors.log in a folder, and return the incident's number."""
    incident, path = secrets.token_hex(4), folder / "errors.log"
    with contextlib.suppress(OSError):  # the disk may be full, which may be the very error
        if path.exists() and path.stat().st_size > MAX_LOG:
            path.replace(folder / "errors.log.old")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="utf-8") as log:
            log.write(f"incident {incident}\n{''.join(traceback.format_exception(error))}\n")
    return incident
