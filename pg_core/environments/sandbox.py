"""Code that the lab does not know, in a process of its own: it may hang, end or print there, and this one goes on.

An object is sent there, and its methods are called from here; what one raises is raised here. Who runs there says
where it is (`note`), which is all that is known of one that ends without a word. A step that takes too long ends the
process, in any state and without its parent; so does the parent's end.
"""

import contextlib
import faulthandler
import math
import mmap
import os
import pickle
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from pg_core.environments.faults import Line

PLACE_BYTES = 256
MAX_PRINTED = 2**20  # bytes, in one call
IS_REAPED = sys.platform == "linux" and hasattr(os, "pidfd_open")  # what a process has started, wherever it is
NICENESS = 10  # pages and their server come first
MAX_LIMIT = 1e9  # seconds: 31 years; gigabytes: 2⁶³ bytes are not far
# By the environment variable that sets it: for one step, and for all that the process has.
LIMITS = {"PG_LAB_ENVIRONMENT_SECONDS": 30.0, "PG_LAB_ENVIRONMENT_GB": 4.0}


class SandboxEnded(RuntimeError):
    """Raised when the process has ended, or had to be.

    Attributes:
        reason: what became of it, a predicate such as "printed more than 1 MiB".
        remedy: what its author is to do, an imperative.
        place: what it noted last.
        lines: that it was in, as far as they are known, innermost first.
    """

    def __init__(self, reason: str, remedy: str, place: str, lines: list[Line]) -> None:
        super().__init__(f"The process {reason}.")
        self.reason, self.remedy, self.place, self.lines = reason, remedy, place, lines


class Sandbox:
    """A process with one object, which lives until `close`.

    Args:
        target: the object; it is pickled, as arguments and results are.

    Raises:
        ValueError: as `limit`.
    """

    def __init__(self, target: Any) -> None:
        self._seconds, gigabytes = map(limit, LIMITS)
        self._folder = tempfile.TemporaryDirectory(prefix="pg-lab-")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folder or os.getcwd() for folder in sys.path)}
        _place(self._folder.name).write_bytes(bytes(PLACE_BYTES))
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from pg_core.environments.sandbox import serve; serve()",
             self._folder.name, str(self._seconds), str(gigabytes)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._loud, self._busy, self._printed = False, False, 0
        threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True).start()
        self._send(target)

    def call(self, method: str, *args: Any) -> Any:
        """Call one of the object's methods there.

        Raises:
            SandboxEnded: the process has ended, or had to be.
            MemoryError: what it may have is not enough.
        """
        self._busy, self._printed = True, 0
        self._send((method, args))
        try:
            result, error = pickle.load(self._answers)
        except (EOFError, OSError, pickle.UnpicklingError):
            self._ended()
        self._busy = False
        if error is not None:
            raise error
        return result

    def close(self, farewell: str = "") -> None:
        """End the process, after a call of the method `farewell`, unless it is amid another."""
        if farewell and not self._busy:
            with contextlib.suppress(SandboxEnded):
                self.call(farewell)
        self._kill()
        for pipe in (self._requests, self._answers):  # without which it ends, too, should it have missed the signal
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()
        self._folder.cleanup()

    def _send(self, message: Any) -> None:
        with contextlib.suppress(OSError):  # one that has ended is found when it is to answer
            pickle.dump(pickle.dumps(message), self._requests)
            self._requests.flush()

    def _listen(self, printed: BinaryIO) -> None:
        """Read and drop what the process prints; end it where that is too much, so that it leaves its traceback.

        No more is read then, so that it waits for the signal; should it take no notice, it ends as one that hangs.
        """
        with printed:
            while chunk := os.read(printed.fileno(), 2**16):
                self._printed += len(chunk)
                if self._printed > MAX_PRINTED:
                    self._loud = True
                    try:
                        self._process.send_signal(signal.SIGABRT)
                    except ValueError:  # on Windows it cannot be sent
                        self._kill()
                    self._process.wait()
                    return

    def _kill(self) -> None:
        """End the process at once, with all that it has started; where that cannot be found, with its group."""
        if IS_REAPED:
            self._process.terminate()
        elif sys.platform != "win32" and hasattr(os, "killpg"):
            with contextlib.suppress(OSError):  # of one that has ended, macOS says that this is not permitted
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()

    def _ended(self) -> NoReturn:
        self._answers.close()  # who still lives without it has closed its own
        self._process.wait()
        trace = _trace(self._folder.name).read_text(errors="replace")
        place = _place(self._folder.name).read_bytes().rstrip(b"\0").decode(errors="replace")
        raise SandboxEnded(*self._became(trace), place, _main_thread(trace))

    def _became(self, trace: str) -> tuple[str, str]:
        """Return what became of the process, and what is to be done about it."""
        status = self._process.returncode
        if self._loud:
            return f"printed more than {MAX_PRINTED // 2**20} MiB", "remove what it prints"
        if trace.startswith("Timeout"):
            remedy = "have it wait for nothing, or set PG_LAB_ENVIRONMENT_SECONDS"
            return f"did not come back within {self._seconds:g} seconds", remedy
        if fatal := re.match("Fatal Python error: (.*)", trace):
            return f"crashed with {fatal[1]!r}", "look for native code in it that fails"
        if status < 0:
            return f"was ended by signal {-status}", "see whether it takes too much memory"
        return f"ended its process with exit status {status}", "raise an error there instead"


def limit(name: str) -> float:
    """Return one of `LIMITS`: what its environment variable says, else its default.

    Raises:
        ValueError: it says something else than a number above 0, or more than a clock and a system's limits have.
    """
    text = os.environ.get(name) or str(LIMITS[name])
    with contextlib.suppress(ValueError):
        if 0 < (value := float(text)) <= MAX_LIMIT:
            return value
    raise ValueError(f"`{name}` must be a number above 0, at most {MAX_LIMIT:g}, got {text!r}.")


# What follows is for the process itself.


class _Inside:
    """What a process of its own knows of itself."""

    def __init__(self, folder: str, seconds: float) -> None:
        self._trace = _trace(folder).open("w")
        with _place(folder).open("r+b") as place:
            self._place = mmap.mmap(place.fileno(), PLACE_BYTES)
        self._seconds, self._armed = seconds, -math.inf
        faulthandler.enable(self._trace)

    def note(self, place: str) -> None:
        self._place[:] = place.encode()[:PLACE_BYTES].ljust(PLACE_BYTES, b"\0")
        self.arm()

    def arm(self) -> None:
        """Have the process end if it says nothing for the time of a step; that costs a thread, so not each time."""
        now = time.monotonic()
        if now - self._armed > self._seconds / 10:
            self._armed = now
            faulthandler.dump_traceback_later(self._seconds, exit=True, file=self._trace)

    def rest(self) -> None:
        """Have it wait for the next call as long as that takes."""
        self._armed = -math.inf
        faulthandler.cancel_dump_traceback_later()


_inside: _Inside | None = None


def is_inside() -> bool:
    """Return whether this process is one."""
    return _inside is not None


def note(place: str) -> None:
    """Say where this process is, before it does what may end it; nothing outside of a sandbox."""
    if _inside:
        _inside.note(place)


def is_interrupt(error: BaseException) -> bool:
    """Return whether an error is the Ctrl-C of whoever uses this process, and none of the code that is played here."""
    return isinstance(error, KeyboardInterrupt) and not is_inside()


@contextlib.contextmanager
def suppressed() -> Iterator[None]:
    """Suppress whatever the code that is played here raises."""
    try:
        yield
    except BaseException as error:
        if is_interrupt(error):
            raise


def serve() -> NoReturn:
    """Do what the parent asks, until it is gone."""
    global _inside
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the parent
    if sys.platform == "linux" and IS_REAPED:
        from pg_core.environments import reaper  # with psutil, which nobody else here needs

        reaper.watch_over()
    folder, seconds, gigabytes = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    _inside = _Inside(folder, seconds)
    requests, answers = (os.fdopen(os.dup(fd), mode) for fd, mode in ((0, "rb"), (1, "wb")))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    if hasattr(os, "nice"):  # on Windows it is not
        os.nice(NICENESS)
    _limit_memory(int(gigabytes * 10**9))
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests, inbox), daemon=True).start()
    target = pickle.loads(inbox.get())
    while True:
        _inside.rest()
        message = inbox.get()
        _inside.arm()
        answer = _answer(target, *pickle.loads(message))
        answers.write(pickle.dumps(answer))
        answers.flush()


def _answer(target: Any, method: str, args: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    try:
        return getattr(target, method)(*args), None
    except MemoryError:
        return None, MemoryError()
    except BaseException as error:  # Ctrl-C is for the parent
        if type(error).__module__.startswith("pg_core."):
            return None, error
        # The parent must not import what this process is for, which unpickling the error might.
        unexpected = RuntimeError(repr(error))
        unexpected.add_note(traceback.format_exc())
        return None, unexpected


def _receive(requests: BinaryIO, inbox: "queue.SimpleQueue[bytes]") -> None:
    while True:
        try:
            inbox.put(pickle.load(requests))
        except EOFError:
            # The parent has ended.
            if not IS_REAPED and sys.platform != "win32" and hasattr(os, "killpg"):
                os.killpg(0, signal.SIGKILL)
            os._exit(0)


def _limit_memory(most: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(ImportError, ValueError, OSError):  # not everywhere, and never more than is allowed
            import resource

            resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _main_thread(trace: str) -> list[Line]:
    """Return the lines of the thread that serves, of those in what `faulthandler` wrote."""
    threads = trace.split("\n\n")
    mine = next((thread for thread in threads if thread.rstrip().endswith("in <module>")), trace)
    return [(path, int(number)) for path, number in re.findall(r'File "(.*)", line (\d+)', mine)]


def _trace(folder: str) -> Path:
    return Path(folder, "trace")


def _place(folder: str) -> Path:
    return Path(folder, "place")
