"""A worker process that answers questions, for whoever asks: each question is answered, or told that it cannot be."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from pg_core.runs.workers.children import Child

MAX_WAITING, MAX_SHARE = 64, 32  # questions, and those of one asker
SECONDS = {"studio": 120.0, "prover": 300.0}  # for one question, by role: a bound that ends a hang

LOST = "The process that was asked ended before it had an answer; ask again."
TOO_LONG = "There was no answer within {:g} seconds, so the process that was asked was ended; ask again, or for less."
BUSY = f"{MAX_WAITING} questions wait for an answer, which is all the lab takes; ask again when some are answered."
TOO_MANY = (
    f"{MAX_SHARE} of your questions wait for an answer, which is all the lab takes; ask again when some are answered."
)

asker: ContextVar[str | None] = ContextVar("asker", default=None)  # who asks here; None: the command line


class NoAnswer(RuntimeError):
    """Raised when a question has no answer; its message is a sentence for whoever asked."""


@dataclass(frozen=True)
class _Question:
    text: Mapping[str, Any]
    future: Future[Mapping[str, Any]] = field(default_factory=Future)


class Helper:
    """A process that starts with the first question, and again with the next one after it has died.

    It has one question at a time: where it dies or hangs, whoever waits for their turn loses nothing. All who ask take
    turns, see `asker`.

    Args:
        folder: the lab's.
        role: "studio" or "prover".
    """

    def __init__(self, folder: Path, role: str) -> None:
        self._folder, self._role = folder, role
        self._lock = threading.RLock()  # of all that follows
        self._child: Child | None = None
        self._waiting: dict[str | None, deque[_Question]] = {}  # by asker, in turn; the first's first is with the child
        self._number = 0  # of that one
        self._closed = False
        self._deadline: threading.Timer | None = None  # for it

    def start(self) -> None:
        """Start the process, which takes a while, before it is needed."""
        with self._lock:
            self._started()

    def ask(self, text: Mapping[str, Any]) -> Future[Mapping[str, Any]]:
        """Ask the process; the answer comes from its thread, NoAnswer if there is none."""
        question = _Question(text)
        question.future.set_running_or_notify_cancel()  # of several who wait, none can cancel it for the others
        with self._lock:
            mine = self._waiting.get(asker.get(), deque())
            waiting = sum(map(len, self._waiting.values()))
            if self._closed or waiting >= MAX_WAITING or len(mine) >= MAX_SHARE:
                why = LOST if self._closed else BUSY if waiting >= MAX_WAITING else TOO_MANY
                question.future.set_exception(NoAnswer(why))
                return question.future
            mine.append(question)
            self._waiting[asker.get()] = mine
            send = self._turn() if waiting == 0 else _nothing
        send()
        return question.future

    def end(self) -> None:
        """End the process; whoever waits for an answer is told."""
        with self._lock:
            child, self._child = self._child, None  # the next question starts another
            if child and self._waiting:
                child.kill()  # it may not read, and whoever writes to it has its input
            self._lose_all(LOST)
        if child:
            child.close()
            child.end()

    def close(self) -> None:
        """End the process for good; whoever waits for an answer is told, and whoever asks later."""
        with self._lock:
            self._closed = True
        self.end()

    def _started(self) -> Child:
        if self._child is None:
            self._child = Child(self._folder, self._on_answer, self._role, lambda child: self._lose(child, LOST))
        return self._child

    def _turn(self) -> Callable[[], None]:
        """Give the process its time for the question whose turn it is; return what sends that, if there is one.

        It is to be called without the lock: a process that does not read lets it wait.
        """
        self._number += 1
        if self._deadline:
            self._deadline.cancel()
        if not self._waiting:
            return _nothing
        try:
            child = self._started()
        except OSError as error:
            self._lose_all(f"The process that answers cannot be started: {error}.")
            return _nothing
        seconds = SECONDS[self._role]
        self._deadline = threading.Timer(seconds, self._lose, (child, TOO_LONG.format(seconds), self._number))
        self._deadline.daemon = True
        self._deadline.start()
        [question, *_] = next(iter(self._waiting.values()))
        return partial(child.send, {"ask": self._number, **question.text})

    def _take(self) -> _Question:
        """Take away the question that the process has; who asked it is the last to have another turn."""
        who = next(iter(self._waiting))
        others = self._waiting.pop(who)
        question = others.popleft()
        if others:
            self._waiting[who] = others
        return question

    def _on_answer(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            if message.get("answer") != self._number:  # or it comes from a process that was given up
                return
            future = self._take().future
            send = self._turn()
        send()
        if message["error"] is None:
            future.set_result(message)
        else:
            future.set_exception(NoAnswer(message["error"]))

    def _lose(self, child: Child, sentence: str, number: int | None = None) -> None:
        """End a process, tell whoever asked what it had last that there is no answer, and have another do the rest.

        Args:
            child: the process.
            sentence: why there is no answer.
            number: of a question: nothing is done if the process has another by now. None: whatever it has.
        """
        with self._lock:
            if child is not self._child or number not in (None, self._number):
                return
            child.kill()  # it may still run, if it said what is no answer
            self._child = None
            lost = [self._take()] if self._waiting else []
            send = self._turn()
        send()
        for question in lost:
            question.future.set_exception(NoAnswer(sentence))
        child.close()  # one that has not begun could not be killed

    def _lose_all(self, sentence: str) -> None:
        lost, self._waiting = [*chain(*self._waiting.values())], {}
        self._turn()  # nobody's
        for question in lost:
            question.future.set_exception(NoAnswer(sentence))


def _nothing() -> None:
    """Send no question."""
