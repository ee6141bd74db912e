"""A process that ends whatever another has started, in whatever group or session that is by then: only Linux can.

There, what has lost its parent becomes the child of the next ancestor that asks for it, and so can be found.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys

import psutil

assert sys.platform == "linux"

PR_SET_CHILD_SUBREAPER = 36


def watch_over() -> None:
    """Fork, and return in the copy; this process stays, and ends as that did, after all that it has started.

    The copy is ended when nobody can write to standard input any more, or by SIGTERM; SIGABRT is passed on to it.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    passed_on = {signal.SIGTERM: signal.SIGKILL, signal.SIGABRT: signal.SIGABRT}
    signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)
    child = os.fork()
    if child:
        handle = os.pidfd_open(child)
        for received, sent in passed_on.items():
            signal.signal(received, lambda *_, sent=sent: signal.pidfd_send_signal(handle, sent))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
    if child:
        _wait(handle)
        _end_as(_reaped(child))


def _wait(handle: int) -> None:
    """Wait until a process has ended, or nobody can write to standard input."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)  # who reads the copy's is to hear when it ends
    events = select.poll()
    events.register(0, 0)
    events.register(handle, select.POLLIN)
    events.poll()


def _reaped(child: int) -> int:
    """Kill all descendants, those too that they start meanwhile, and return the exit status of one."""
    status = 0
    with contextlib.suppress(ChildProcessError):  # none is left
        while True:
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    process.kill()
            ended, waited = os.waitpid(-1, 0)
            status = waited if ended == child else status
    return os.waitstatus_to_exitcode(status)


def _end_as(status: int) -> None:
    if status < 0:
        with contextlib.suppress(OSError):  # of SIGKILL it is always
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)
