"""Has proofs checked by a worker process: they need TensorFlow, which the server never imports."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pg_core.runs.children import Child

IDLE_SECONDS = 600.0  # after which the process ends, and its memory is free
MAX_ANSWERS = 500

LOST = "The process that checks proofs ended before it was done; run the check again."


@dataclass(frozen=True)
class Answer:
    """What a check gave: its result as `Check.to_json` has it, or why there is none."""

    check: dict[str, Any] | None
    error: str | None


class Prover:
    """The process that checks proofs, which runs while it is needed, and what it has answered."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._retirement: threading.Timer | None = None
        self._pending: set[str] = set()
        self._answers: dict[str, Answer] = {}  # oldest first

    def prepare(self) -> None:
        """Start the process, which takes seconds, before it is needed."""
        with self._lock:
            self._start()

    def ask(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Have a check run; an earlier answer to the same question is forgotten."""
        key = _key(name, parameters)
        with self._lock:
            child = self._start()
            self._answers.pop(key, None)
            if key not in self._pending:
                self._pending.add(key)
                child.send({"ask": key, "check": {"name": name, "parameters": dict(parameters)}})

    def answer(self, name: str, parameters: Mapping[str, Any]) -> tuple[Answer | None, bool]:
        """Return the answer to a question, None if there is none, and whether one is on its way."""
        key = _key(name, parameters)
        with self._lock:
            if self._child and not self._child.is_alive():
                self._lose()
            return self._answers.get(key), key in self._pending

    def shutdown(self) -> None:
        """End the process."""
        with self._lock:
            if self._retirement:
                self._retirement.cancel()
            child, self._child = self._child, None
        if child:
            child.close()
            child.end()

    def _start(self) -> Child:
        """Return the process, started if there is none, with its time to idle before it."""
        if self._retirement:
            self._retirement.cancel()
        self._retirement = threading.Timer(IDLE_SECONDS, self.shutdown)
        self._retirement.daemon = True
        self._retirement.start()
        if self._child and not self._child.is_alive():
            self._lose()
        self._child = self._child or Child(self._folder, self._on_answer, "prover")
        return self._child

    def _lose(self) -> None:
        self._child = None
        self._answers |= dict.fromkeys(self._pending, Answer(None, LOST))
        self._pending.clear()

    def _on_answer(self, message: Mapping[str, Any]) -> None:
        if "answer" in message:
            with self._lock:
                self._pending.discard(message["answer"])
                self._answers[message["answer"]] = Answer(message.get("check"), message["error"])
                while len(self._answers) > MAX_ANSWERS:
                    del self._answers[next(iter(self._answers))]


def _key(name: str, parameters: Mapping[str, Any]) -> str:
    return json.dumps([name, parameters], sort_keys=True)
