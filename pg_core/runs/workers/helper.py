"""A worker process that answers questions, for whoever asks: each question is answered, or told that it cannot be."""

import itertools
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from pg_core.runs.workers.children import Child

MAX_WAITING = 64  # questions

_Waiting = dict[int, Future[Mapping[str, Any]]]  # for answers, by the numbers of the questions

LOST = "The process that was asked ended before it had an answer; ask again."
BUSY = f"{MAX_WAITING} questions wait for an answer, which is all the lab takes; ask again when some are answered."


class NoAnswer(RuntimeError):
    """Raised when a question has no answer; its message is a sentence for whoever asked."""


class Helper:
    """A process that starts with the first question, and again with the next one after it has died.

    Args:
        folder: the lab's.
        role: "studio" or "prover".
    """

    def __init__(self, folder: Path, role: str) -> None:
        self._folder, self._role = folder, role
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._waiting: _Waiting = {}  # for the child
        self._numbers = itertools.count()

    def start(self) -> None:
        """Start the process, which takes a while, before it is needed."""
        with self._lock:
            self._started()

    def ask(self, question: Mapping[str, Any]) -> Future[Mapping[str, Any]]:
        """Ask the process; the answer comes from its thread, NoAnswer if there is none."""
        future: Future[Mapping[str, Any]] = Future()
        future.set_running_or_notify_cancel()  # of several who wait, none can cancel it for the others
        try:
            with self._lock:
                if len(self._waiting) >= MAX_WAITING:
                    raise NoAnswer(BUSY)
                child, number = self._started(), next(self._numbers)
                child.send({"ask": number, **question})
                self._waiting[number] = future
        except OSError as error:
            future.set_exception(NoAnswer(f"The process that answers cannot be started: {error}."))
        except NoAnswer as busy:
            future.set_exception(busy)
        return future

    def end(self) -> None:
        """End the process; whoever waits for an answer is told."""
        with self._lock:
            child, self._child = self._child, None  # the next question starts another
            if child:
                child.close()
        if child:
            child.end()

    def _started(self) -> Child:
        if self._child is None:
            waiting = self._waiting = {}  # an earlier child, which may still be ending, loses its own questions only
            on_answer, on_end = partial(self._on_answer, waiting), partial(self._on_end, waiting)
            self._child = Child(self._folder, on_answer, self._role, on_end)
        return self._child

    def _on_answer(self, waiting: _Waiting, message: Mapping[str, Any]) -> None:
        if "answer" in message:
            with self._lock:
                future = waiting.pop(message["answer"])
            if message["error"] is None:
                future.set_result(message)
            else:
                future.set_exception(NoAnswer(message["error"]))

    def _on_end(self, waiting: _Waiting) -> None:
        with self._lock:
            if self._waiting is waiting and self._child:
                self._child.kill()  # it may still run, if it said what is no answer
                self._child = None
            lost = list(waiting.values())
            waiting.clear()
        for future in lost:
            future.set_exception(NoAnswer(LOST))
