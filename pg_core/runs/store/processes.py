"""Names of processes under which runs are worked on."""

import contextlib
import functools
import os
from pathlib import Path

import psutil

_PROC = Path("/proc")
_SUSPENDED = psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP
_STATE, _START = 0, 19  # of what follows a process's name in its `stat`; its start in clock ticks since the boot


def process_name(pid: int | None = None) -> str:
    """Name a process (None: this one) as no other ever will be, whatever becomes of the clock.

    By its id, the id of the system's boot, and when after that it started; where the system does not tell these, by its
    id and the time at which it started.
    """
    pid = os.getpid() if pid is None else pid
    if _boot():
        return f"{pid}@{_boot()}+{_stat(pid)[_START]}"
    return f"{pid}@{psutil.Process(pid).create_time():.2f}"


def is_alive(process: str) -> bool:
    """Return whether the process with this name still runs."""
    pid, _, started = process.partition("@")
    boot, _, ticks = started.partition("+")
    with contextlib.suppress(psutil.Error, OSError):
        if ticks:
            stat = _stat(int(pid))
            return boot == _boot() and stat[_START] == ticks and stat[_STATE] not in "ZX"
        found = psutil.Process(int(pid))
        # Of an earlier lab, or another system: a start that is reckoned from the boot's moves when the clock is set.
        return bool(abs(found.create_time() - float(started)) < 2 and found.status() != psutil.STATUS_ZOMBIE)
    return False


def is_suspended(pid: int) -> bool:
    """Return whether somebody has stopped a process, by a signal or with a debugger: it does nothing at all."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() in _SUSPENDED
    return False


def _stat(pid: int) -> list[str]:
    return (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


@functools.cache
def _boot() -> str:
    """Return the id of the system's boot, empty where it has none."""
    with contextlib.suppress(OSError):
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return ""
