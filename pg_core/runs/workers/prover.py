"""Has a worker process do what needs TensorFlow, which the server never imports: check proofs, and train again."""

import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pg_core.runs.workers.helper import Helper

IDLE_SECONDS = 600.0  # after which the process ends, and its memory is free
MAX_ANSWERS = 500


@dataclass(frozen=True)
class Answer:
    """What a check gave: its result as `Check.to_json` has it, or why there is none."""

    check: dict[str, Any] | None
    error: str | None


class Prover:
    """The process that checks proofs, which runs only while it is needed, and its answers."""

    def __init__(self, folder: Path) -> None:
        self._helper = Helper(folder, "prover")
        self._lock = threading.Lock()
        self._retirement: threading.Timer | None = None
        self._pending: set[str] = set()
        self._answers: dict[str, Answer] = {}  # oldest first

    def prepare(self) -> None:
        """Start the process, which takes seconds, before it is needed."""
        self._stay()
        self._helper.start()

    def ask(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Have a check run; an earlier answer to the same question is forgotten."""
        key = _key(name, parameters)
        with self._lock:
            self._answers.pop(key, None)
            if key in self._pending:
                return
            self._pending.add(key)
        asked = self.question({"check": {"name": name, "parameters": dict(parameters)}})
        asked.add_done_callback(lambda answer: self._keep(key, answer))

    def question(self, question: Mapping[str, Any]) -> Future[Mapping[str, Any]]:
        """Ask the process anything; see `Helper.ask`."""
        self._stay()
        return self._helper.ask(question)

    def answer(self, name: str, parameters: Mapping[str, Any]) -> tuple[Answer | None, bool]:
        """Return the answer to a question, None if there is none, and whether one is on its way."""
        key = _key(name, parameters)
        with self._lock:
            return self._answers.get(key), key in self._pending

    def shutdown(self) -> None:
        """End the process."""
        with self._lock:
            if self._retirement:
                self._retirement.cancel()
        self._helper.end()

    def _stay(self) -> None:
        """Restart the time after which an idle process ends."""
        with self._lock:
            if self._retirement:
                self._retirement.cancel()
            self._retirement = threading.Timer(IDLE_SECONDS, self._helper.end)
            self._retirement.daemon = True
            self._retirement.start()

    def _keep(self, key: str, answer: Future[Mapping[str, Any]]) -> None:
        error = answer.exception()
        with self._lock:
            self._pending.discard(key)
            self._answers[key] = Answer(None, str(error)) if error else Answer(answer.result()["check"], None)
            while len(self._answers) > MAX_ANSWERS:
                del self._answers[next(iter(self._answers))]


def _key(name: str, parameters: Mapping[str, Any]) -> str:
    return json.dumps([name, parameters], sort_keys=True)
