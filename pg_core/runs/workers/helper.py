"""A worker process that answers questions, for whoever asks: each question is answered, or told that it cannot be."""

import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pg_core.runs.workers.children import Child

MAX_WAITING = 64  # questions
SECONDS = {"studio": 120.0, "prover": 300.0}  # for one question, by role: a bound that ends a hang

LOST = "The process that was asked ended before it had an answer; ask again."
TOO_LONG = "There was no answer within {:g} seconds, so the process that was asked was ended; ask again, or for less."
BUSY = f"{MAX_WAITING} questions wait for an answer, which is all the lab takes; ask again when some are answered."


class NoAnswer(RuntimeError):
    """Raised when a question has no answer; its message is a sentence for whoever asked."""


@dataclass(frozen=True)
class _Question:
    text: Mapping[str, Any]
    future: Future[Mapping[str, Any]] = field(default_factory=Future)


class Helper:
    """A process that starts with the first question, and again with the next one after it has died.

    It has one question at a time: where it dies or hangs, whoever waits for their turn loses nothing.

    Args:
        folder: the lab's.
        role: "studio" or "prover".
    """

    def __init__(self, folder: Path, role: str) -> None:
        self._folder, self._role = folder, role
        self._lock = threading.RLock()  # of all that follows
        self._child: Child | None = None
        self._waiting: deque[_Question] = deque()  # the first is with the child
        self._number = 0  # of that one
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
            if len(self._waiting) >= MAX_WAITING:
                question.future.set_exception(NoAnswer(BUSY))
                return question.future
            self._waiting.append(question)
            if len(self._waiting) == 1:
                self._send()
        return question.future

    def end(self) -> None:
        """End the process; whoever waits for an answer is told."""
        with self._lock:
            child, self._child = self._child, None  # the next question starts another
            self._lose_all(LOST)
            if child:
                child.close()
        if child:
            child.end()

    def _started(self) -> Child:
        if self._child is None:
            self._child = Child(self._folder, self._on_answer, self._role, lambda child: self._lose(child, LOST))
        return self._child

    def _send(self) -> None:
        """Send the question whose turn it is, if there is one, and give the process its time for it."""
        self._number += 1
        if self._deadline:
            self._deadline.cancel()
        if not self._waiting:
            return
        try:
            child = self._started()
        except OSError as error:
            self._lose_all(f"The process that answers cannot be started: {error}.")
            return
        self._deadline = threading.Timer(SECONDS[self._role], self._give_up, (child, self._number))
        self._deadline.daemon = True
        self._deadline.start()
        child.send({"ask": self._number, **self._waiting[0].text})

    def _on_answer(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            if message.get("answer") != self._number:  # or it comes from a process that was given up
                return
            future = self._waiting.popleft().future
            self._send()
        if message["error"] is None:
            future.set_result(message)
        else:
            future.set_exception(NoAnswer(message["error"]))

    def _give_up(self, child: Child, number: int) -> None:
        """End a process that still has the question with this number."""
        if number == self._number:
            child.kill()  # without the lock: who has it may be writing to a process that does not read
            self._lose(child, TOO_LONG.format(SECONDS[self._role]))

    def _lose(self, child: Child, sentence: str) -> None:
        """Tell whoever asked what a process had last that there is no answer, and have another do the rest."""
        with self._lock:
            if child is not self._child:
                return
            child.kill()  # it may still run, if it said what is no answer
            self._child = None
            lost = [self._waiting.popleft()] if self._waiting else []
            self._send()
        for question in lost:
            question.future.set_exception(NoAnswer(sentence))

    def _lose_all(self, sentence: str) -> None:
        lost, self._waiting = self._waiting, deque()
        self._send()  # nothing
        for question in lost:
            question.future.set_exception(NoAnswer(sentence))
