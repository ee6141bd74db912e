"""Names of processes under which runs are worked on."""

import contextlib

import psutil


def process_name(pid: int | None = None) -> str:
    """Name a process (None: this one) as no other ever will be: by its id and when it started."""
    process = psutil.Process(pid)
    return f"{process.pid}@{process.create_time():.2f}"


def is_alive(process: str) -> bool:
    """Return whether the process with this name still runs."""
    pid, started = process.split("@")
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(int(pid))
        # Its start is reckoned from the boot's, which moves a little when the clock is set.
        return bool(abs(found.create_time() - float(started)) < 2 and found.status() != psutil.STATUS_ZOMBIE)
    return False
