"""Worker processes as their parent sees them: it talks to them through pipes, and they end when it does."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

import psutil

from pg_core.runs.paths import ROOT
from pg_core.runs.store.processes import is_suspended, process_name
from pg_core.runs.workers import logs

if sys.platform == "linux":
    from pg_core.runs.workers import forkserver

SHUTDOWN_SECONDS = 3.0
WITHOUT_TENSORFLOW = ("studio", "cluster")  # roles


class Child:
    """One worker process and the thread that reads its answers.

    Args:
        folder: the lab's.
        on_answer: is called, in that thread, with each message of the process, the first of which is that it has begun.
        role: what the process is for: "train", "studio", "prover" or "cluster".
        on_end: is called there, with the child, when nothing more is heard of the process, whatever the cause.
    """

    def __init__(
        self,
        folder: Path,
        on_answer: Callable[[Mapping[str, Any]], None],
        role: str = "train",
        on_end: Callable[["Child"], None] = lambda _: None,
    ) -> None:
        self._process, self._begin = _start(folder, role)
        self.name = ""  # until it has begun
        self.leaving = False
        self.claim = 0  # bytes that its run may take, TensorFlow included
        self._on_answer, self._on_end = on_answer, on_end
        self.ready = False  # whether it has said anything: all that it needs is imported and compiled
        threading.Thread(target=self._read, name=f"worker {role}", daemon=True).start()

    @property
    def status(self) -> int | None:
        """The exit status, None while the process runs."""
        return self._process.returncode

    def is_alive(self) -> bool:
        """Return whether the process runs; one that has ended is reaped."""
        return self._process.poll() is None

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one message; a child that has just died, or was told to end, is found by whoever watches it."""
        assert self._process.stdin
        with contextlib.suppress(OSError, ValueError):  # the latter if its input is closed
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """Tell the process, by the end of its input, to keep what it has and end."""
        if not (self.ready or self.claim):
            self._process.kill()  # it does not listen yet, and has no run
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def is_suspended(self) -> bool:
        """Return whether somebody has stopped the process."""
        return is_suspended(self._process.pid)

    def memory(self) -> int:
        """Return the bytes that the process has taken, 0 if it has ended."""
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(self._process.pid).memory_info().rss)
        return 0

    def kill(self) -> None:
        """End the process at once; it is reaped when somebody asks whether it is alive."""
        self._process.kill()

    def end(self) -> None:
        """Wait until the process has ended; make it, if it does not."""
        try:
            self._process.wait(SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout
        try:
            self.name = self._begin()
            self._on_answer({"begun": self.name})
            with self._process.stdout as lines:
                for line in lines:
                    self.ready = True
                    try:
                        message = json.loads(line)
                    except ValueError:  # it died amid a line
                        return
                    self._on_answer(message)
        finally:
            self._on_end(self)


class _Process(Protocol):
    """What a child needs of its process: `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...
    @property
    def stdin(self) -> IO[bytes] | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int | None: ...
    def kill(self) -> None: ...


def _start(folder: Path, role: str) -> tuple[_Process, Callable[[], str]]:
    """Have a worker forked if it needs TensorFlow and the system can, else start one; with what waits for its name."""
    environment = {**os.environ, "PYTHONPATH": _path(), "PG_LAB_DATA": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with logs.for_workers(folder) as log:
        if sys.platform == "linux" and hasattr(os, "pidfd_open") and role not in WITHOUT_TENSORFLOW:
            with contextlib.suppress(OSError):
                forked = forkserver.fork(role, environment, log)
                return forked, forked.begin
        spawned = subprocess.Popen(
            [sys.executable, "-m", "pg_core.runs.workers.worker", role],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment,
            start_new_session=True, creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # on Windows
        )  # fmt: skip
        name = process_name(spawned.pid)
        return spawned, lambda: name


def _path() -> str:
    """Return where this process finds modules: an environment's may be in the folder in which the lab was started."""
    return os.pathsep.join(str(Path(folder).absolute()) for folder in [*sys.path, ""])
