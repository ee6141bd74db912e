"""The worker processes of a server of the lab, such as this process."""

import contextlib

import psutil

FORK_SERVER, FORKED = "forkserver", "forked"


def roles(pid: int | None = None) -> dict[psutil.Process, str]:
    """Return what the processes are for: those that were forked are "forked", what forks them is "forkserver"."""
    found = {}
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):  # it is a zombie, about to be reaped, or gone
            *_, role = command = child.cmdline()
            if "pg_core.runs.workers.worker" in command:  # others, such as a browser, belong to other tests
                found[child] = role
            if role == FORK_SERVER:
                found.update(dict.fromkeys(child.children(), FORKED))
    return found


def workers() -> list[psutil.Process]:
    """Return the workers of this process; what forks them is there for all of its labs, and stays."""
    return [process for process, role in roles().items() if role != FORK_SERVER]


def fork_server() -> psutil.Process:
    """Return what forks the workers of this process."""
    return next(process for process, role in roles().items() if role == FORK_SERVER)
