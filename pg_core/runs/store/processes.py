"""Names of processes under which runs are worked on."""

import contextlib
import functools
import os
import uuid
from pathlib import Path

import psutil

CLUSTER = "ray:"  # with which the names of processes of a cluster begin

_PROC = Path("/proc")
_FIRST_NAMESPACE = "pid:[4026531836]"  # of process ids, the same on every Linux; containers have others
_SUSPENDED = psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP
_STATE, _START = 0, 19  # of what follows a process's name in its `stat`; its start in clock ticks since the boot


def process_name(pid: int | None = None) -> str:
    """Name a process (None: this one) as no other ever will be, whatever becomes of the clock.

    By its id, what it is an id of, see `_machine`, and when after the boot it started; where the system does not tell
    these, by its id and the time at which it started.
    """
    pid = os.getpid() if pid is None else pid
    if _machine():
        return f"{pid}@{_machine()}+{_stat(pid)[_START]}"
    return f"{pid}@{psutil.Process(pid).create_time():.2f}"


def is_of_cluster(process: str) -> bool:
    """Return whether the process with this name is one of a cluster, on whatever machine."""
    return process.startswith(CLUSTER)


def is_here(process: str) -> bool:
    """Return whether the process with this name is or was one of this machine since its boot, or may have been."""
    _, _, started = process.partition("@")
    machine, _, ticks = started.partition("+")
    return not ticks or machine == _machine()


def is_alive(process: str) -> bool:
    """Return whether the process with this name still runs here."""
    pid, _, started = process.removeprefix(CLUSTER).partition("@")
    machine, _, ticks = started.partition("+")
    with contextlib.suppress(psutil.Error, OSError):
        if ticks:
            stat = _stat(int(pid))
            return machine == _machine() and stat[_START] == ticks and stat[_STATE] not in "ZX"
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
def _machine() -> str:
    """Return the id of the system's boot, in a container one of the boot and its process ids; empty where is none."""
    with contextlib.suppress(OSError, ValueError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        namespace = os.readlink(_PROC / "self/ns/pid")
        return boot if namespace == _FIRST_NAMESPACE else str(uuid.uuid5(uuid.UUID(boot), namespace))
    return ""
