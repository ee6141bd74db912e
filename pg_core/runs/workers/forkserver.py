"""Forks workers from a process that has imported TensorFlow and computed nothing: one for all labs of this process.

A forked worker has nothing to import, and shares the memory of what is imported. Only Linux can: elsewhere TensorFlow
does not survive a fork, or there is none. The process takes requests from a socket, its standard input, and ends when
that does: when this process has ended, however it has.
"""

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from typing import BinaryIO

from pg_core.runs.paths import ROOT
from pg_core.runs.store.processes import is_suspended, process_name

assert sys.platform == "linux"

MAX_MESSAGE = 2**20  # bytes
LOOK_SECONDS = 0.25  # between two looks at what forks, while somebody waits for it
UNKNOWN = 255  # the exit status of a worker of which nobody can tell it

_lock = threading.Lock()  # of the next
_server: "_ForkServer | None" = None


def fork(role: str, environment: Mapping[str, str], log: BinaryIO) -> "Forked":
    """Have a worker forked that finds these variables, and modules where PYTHONPATH says.

    Raises:
        OSError: the system cannot; whoever asks has to start a process of its own.
    """
    global _server
    with _lock:
        if _server is None or _server.process.returncode is not None:
            _server = _ForkServer(environment, log)
        return _server.fork(role, environment, log)


class _ForkServer:
    """The process that forks, as its parent sees it."""

    def __init__(self, environment: Mapping[str, str], log: BinaryIO) -> None:
        os.close(os.pidfd_open(os.getpid()))  # an old system refuses
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pg_core.runs.workers.worker", "forkserver"],
                cwd=ROOT, stdin=theirs.fileno(), stdout=log, stderr=log, start_new_session=True, env=environment,
            )  # fmt: skip
        threading.Thread(target=self.process.wait, name="fork server", daemon=True).start()  # leaves no zombie

    def fork(self, role: str, environment: Mapping[str, str], log: BinaryIO) -> "Forked":
        """Ask for a worker, which begins when the process has imported all."""
        (their_input, stdin), (stdout, their_output) = os.pipe(), os.pipe()
        channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        forked = Forked(self.process, os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb"), channel)
        request = json.dumps([role, dict(environment)]).encode()
        try:
            socket.send_fds(self._requests, [request], [their_input, their_output, log.fileno(), theirs.fileno()])
        finally:
            theirs.close()
            os.close(their_input)
            os.close(their_output)
        return forked


class Forked:
    """A worker that another process forks, with what `subprocess.Popen` has for those of one's own.

    Its channel brings its name with a handle, which can be read when it has ended, and then its exit status.
    """

    def __init__(
        self, server: "subprocess.Popen[bytes]", stdin: BinaryIO, stdout: BinaryIO, channel: socket.socket
    ) -> None:
        self.stdin, self.stdout = stdin, stdout
        self.pid = 0  # until it has begun
        self.returncode: int | None = None
        self._server, self._channel = server, channel
        self._handle: int | None = None
        self._lock = threading.Lock()

    def begin(self) -> str:
        """Wait until the process runs; return its name, empty if it never will: what forks is ended if suspended."""
        while not _can_be_read(self._channel.fileno(), LOOK_SECONDS):
            if is_suspended(self._server.pid):
                self._server.kill()  # the next request starts another
        name, handles, *_ = socket.recv_fds(self._channel, MAX_MESSAGE, 1)
        with self._lock:
            if handles:
                [self._handle] = handles
                weakref.finalize(self, os.close, self._handle)
                self.pid = int(name.partition(b"@")[0])
            else:
                self._end(UNKNOWN if self.stdin.closed else self._server.wait())
        return name.decode()

    def poll(self) -> int | None:
        """Return the exit status, None while the process runs or has not begun."""
        with self._lock:
            if self.returncode is None and self._handle is not None and _can_be_read(self._handle, 0):
                self._end(int(self._channel.recv(MAX_MESSAGE) or UNKNOWN))  # if the fork server has died
            return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end of the process, as `subprocess.Popen.wait`, but not for its beginning."""
        if self._handle is not None and not _can_be_read(self._handle, timeout):
            raise subprocess.TimeoutExpired("a forked worker", timeout or 0)
        return self.poll()

    def kill(self) -> None:
        """End the process at once; one that has not begun does not, once its input is closed."""
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def _end(self, status: int) -> None:
        self.returncode = status
        self._channel.close()


def _can_be_read(descriptor: int, seconds: float | None) -> bool:
    """Wait so long until something can be read, or the process has ended; None: as long as it takes."""
    events = select.poll()  # `select.select` refuses the thousandth descriptor of a server with so many pages
    events.register(descriptor, select.POLLIN)
    return bool(events.poll(None if seconds is None else 1000 * seconds))


_Workers = dict[int, tuple[int, socket.socket]]  # by their handles: their ids, and whom to tell their status


def serve() -> str:
    """Fork a worker for each request on standard input, and return in that worker, with its role.

    The process that forks never returns from here.
    """
    workers: _Workers = {}
    with socket.socket(fileno=os.dup(0)) as requests:
        while True:
            for ready in select.select([requests.fileno(), *workers], [], [])[0]:
                if ready in workers:
                    _reap(ready, *workers.pop(ready))
                elif role := _fork(requests, workers):
                    return role


def _reap(handle: int, pid: int, channel: socket.socket) -> None:
    os.close(handle)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with channel, contextlib.suppress(OSError):  # nobody may want to know
        channel.send(str(status).encode())


def _fork(requests: socket.socket, workers: _Workers) -> str | None:
    """Fork a worker as requested, and note it; return its role, in the worker alone."""
    request, descriptors, *_ = socket.recv_fds(requests, MAX_MESSAGE, 4)
    if not request:
        os._exit(0)  # nobody is left to fork for
    streams, channel = descriptors[:3], socket.socket(fileno=descriptors[3])
    if _has_hung_up(streams[0]):
        channel.close()
    elif pid := os.fork():
        handle = os.pidfd_open(pid)
        workers[handle] = pid, channel
        with contextlib.suppress(OSError):  # who has asked is gone, as the worker learns from the end of its input
            socket.send_fds(channel, [process_name(pid).encode()], [handle])
    else:
        for handle, (_, other) in workers.items():
            os.close(handle)
            other.close()
        channel.close()
        return _become(streams, *json.loads(request))
    for stream in streams:
        os.close(stream)
    return None


def _has_hung_up(pipe: int) -> bool:
    """Return whether nobody can write to a pipe any more."""
    events = select.poll()
    events.register(pipe, 0)
    return bool(events.poll(0))


def _become(streams: list[int], role: str, environment: dict[str, str]) -> str:
    """Turn this copy of the fork server into what a process is that was started with these streams and variables."""
    os.setsid()
    for standard, stream in enumerate(streams):
        os.dup2(stream, standard)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = [str(ROOT), *environment["PYTHONPATH"].split(os.pathsep)]
    importlib.invalidate_caches()
    return role
