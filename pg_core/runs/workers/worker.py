"""Trains runs from claim to end, one or several together: in a process of its own, or in that of the command line.

As a process (`python -m pg_core.runs.workers.worker train|studio|prover|cluster`, or forked by that of the role
forkserver) it reads one JSON object a line on standard input: `{"train": [run ids], "process": its name in the store}`,
`{"leave": reason}`, or a question, `{"ask": key, kind: {}}`. It is answered on standard output by `{"answer": key,
"error": sentence or null}`, with what was asked for under its kind. Where the store cannot even be told that a run has
ended, it says `{"gone": process, "reason": sentence}`. That of the role cluster finds what to do in the queue. When its
server is gone, however that ended, standard input ends: it keeps what it has and exits.
"""

import contextlib
import errno
import json
import os
import queue
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pg_core import runtime
from pg_core.config import Config, ConfigError
from pg_core.environments import EnvironmentFault, UnsupportedEnvironmentError, registration
from pg_core.runs.paths import data_folder, database
from pg_core.runs.store.leases import Heart
from pg_core.runs.store.records import LostRun, NoPolicy, UnknownRun
from pg_core.runs.store.schema import PATIENT_LOCK_SECONDS, StoreError
from pg_core.runs.store.store import Store
from pg_core.runs.workers import examinations, logs, questions
from pg_core.runs.workers.children import WITHOUT_TENSORFLOW
from pg_core.runs.workers.session import Leave, Outcome, Session
from pg_core.runs.workers.together import Turns, side_by_side

if TYPE_CHECKING:
    from pg_core.learning.trainer import Update

NICENESS = 10  # pages and their server come first, which need little
LEAVE_SECONDS = 2.0

DISK_FULL = "The disk is full: free some space, then resume the run or ask again."


def work(store: Store, run_id: str, process: str, leave: Leave | None = None) -> Iterator["Update"]:
    """Train a run that is starting in `process`, and yield each update when it is trained.

    Continues from the newest checkpoint if there is one, exactly. What ended the run is in its state and reason;
    it is stopped if the caller stops iterating.

    Raises:
        StoreError: that cannot be written.
    """
    heart = Heart(store, process)
    updates = _beating(heart, _work(store, run_id, process, leave or Leave()))
    weakref.finalize(updates, heart.stop)  # of who never begins to iterate
    return updates


def _beating(heart: Heart, updates: Iterator["Update"]) -> Iterator["Update"]:
    with heart:
        yield from updates


def _work(store: Store, run_id: str, process: str, leave: Leave, turns: Turns | None = None) -> Iterator["Update"]:
    prepare_tensorflow(store.folder)
    if not store.transition(run_id, ["starting"], process, state="starting"):
        return  # it is another's by now
    session = None
    try:
        examinations.check(store.folder, store.run(run_id).config.environment)
        session = Session(store, run_id, process, leave, turns)
        if not store.transition(run_id, ["starting"], process, state="running"):
            return
        outcome = yield from session.train()
        session.commit(checkpoint=True)
    except GeneratorExit:
        if session:
            session.commit(checkpoint=True)
        store.transition(run_id, ["running", "paused"], process, state="stopped")
        raise
    except KeyboardInterrupt:
        # It may have struck in the middle of an update: the trainer's state may be half of one and half of the next.
        with contextlib.suppress(StoreError, LostRun):
            if session:
                session.commit(checkpoint=False, policy=False)
        store.transition(run_id, ["starting", "running", "paused"], process, state="stopped")
        raise
    except LostRun:
        return
    except Exception as error:
        outcome = _failure(store.folder, error)
        with contextlib.suppress(StoreError, LostRun):
            if session:
                session.commit(checkpoint=False, policy=False)
    finally:
        if session:
            session.close()
    store.transition(run_id, ["starting", "running", "paused"], process, state=outcome[0], reason=outcome[1])


def work_together(store: Store, run_ids: list[str], process: str, leave: Leave | None = None) -> Iterator[int]:
    """Train several runs that are starting in `process`, of one `together.kind`, and yield how many have ended.

    Each is trained as by `work`, and ends by itself: one that diverges or fails does not disturb the others.

    Raises:
        StoreError: that of a run cannot be written.
    """
    prepare_tensorflow(store.folder)
    leave = leave or Leave()
    with Heart(store, process):
        yield from side_by_side(
            store, run_ids, process, lambda run_id, turns: _work(store, run_id, process, leave, turns)
        )


def prepare_tensorflow(folder: Path) -> None:
    """Import TensorFlow and what trains, so that a spare has done it before it is needed."""
    runtime.keep_programs(folder / "programs")
    _import_tensorflow()


def _import_tensorflow() -> None:
    runtime.import_tensorflow()
    import pg_core.learning.trainer  # noqa: F401


def _warm_up() -> None:
    """Train the default config for an update, in a store of its own: when a run comes, all is compiled and set up."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        run_id = store.create(Config(num_updates=1, pace=0), process="warm-up")
        session = Session(store, run_id, "warm-up", Leave())
        store.transition(run_id, ["starting"], "warm-up", state="running")
        deque(session.train(), maxlen=0)
        session.commit(checkpoint=True)
        session.close()
        store.close()


def _failure(folder: Path, error: Exception) -> Outcome:
    """Return how a run ends after an error: with the sentence it carries, or with the number of its log entry."""
    from pg_core.learning.learners import TrainingError

    if isinstance(error, StoreError):
        return "interrupted", str(error)
    if _is_full(error):
        return "interrupted", DISK_FULL
    if isinstance(error, (TrainingError, ConfigError, UnsupportedEnvironmentError, EnvironmentFault)):
        return "failed", str(error)
    return "failed", _log(folder, error)


def _is_full(error: Exception) -> bool:
    """Return whether the disk has no room: TensorFlow, which keeps programs there, says so in the system's words."""
    return os.strerror(errno.ENOSPC) in str(error)


def _log(folder: Path, error: Exception) -> str:
    number = logs.note(folder, error)
    return f"An unexpected {type(error).__name__} ended this; see incident {number} in errors.log in the lab's folder."


def main(role: str) -> None:
    """Serve one supervisor: train the run or answer the questions that arrive on standard input."""
    # What libraries print must not end up between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    leave = Leave()
    threading.Thread(target=_listen, args=(inbox, leave), daemon=True).start()
    registration.serve_strangers()
    if role not in WITHOUT_TENSORFLOW:
        prepare_tensorflow(data_folder())
    store = Store(data_folder(), database(), PATIENT_LOCK_SECONDS)
    if role == "train" and inbox.empty():
        _warm_up()
    print(json.dumps({"ready": True}), file=answers)
    if role == "cluster":
        from pg_core.runs.workers import cluster  # which imports Ray

        return cluster.serve(store, leave)
    ahead: Iterator[int] = iter(())
    while not leave.is_set():
        while inbox.empty() and next(ahead, None):
            pass
        message = inbox.get()
        if "train" in message:
            try:
                _train(store, message["train"], message["process"], leave)
            except StoreError as error:
                print(json.dumps({"gone": message["process"], "reason": str(error)}), file=answers)
            return
        if "ask" in message:
            _answer(store, message, answers, trains=role not in WITHOUT_TENSORFLOW)
        if "dissection" in message:
            ahead = questions.ahead(store, **message["dissection"])


def _train(store: Store, run_ids: list[str], process: str, leave: Leave) -> None:
    """Train a run, or several together, as nice as a worker is from the first update of a single one on."""
    if len(run_ids) > 1:
        _be_nice()  # before any thread begins: each has a niceness of its own
        deque(work_together(store, run_ids, process, leave), maxlen=0)
        return
    updates = work(store, run_ids[0], process, leave)
    next(updates, None)  # somebody waits for it
    _be_nice()
    deque(updates, maxlen=0)


def _be_nice() -> None:
    if hasattr(os, "nice"):  # on Windows it is not
        os.nice(NICENESS)


def _listen(inbox: "queue.SimpleQueue[dict[str, Any]]", leave: Leave) -> None:
    # Unbuffered: a buffered reader's lock, held by a thread that waits, makes Python abort when it exits.
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as lines:
        for line in lines:
            message = json.loads(line)
            if "leave" in message:
                leave.reason = message["leave"]
                break
            inbox.put(message)
    leave.set()
    inbox.put({})
    time.sleep(LEAVE_SECONDS)
    os._exit(1)  # an update takes too long: its run continues from the newest checkpoint


def _answer(store: Store, message: dict[str, Any], answers: TextIO, *, trains: bool) -> None:
    [(kind, asked)] = ((kind, asked) for kind, asked in message.items() if kind != "ask")
    answer: dict[str, Any] = {"answer": message["ask"], "error": None}
    try:
        answer[kind] = questions.answer(kind, store, trains, asked)
    except (StoreError, ConfigError, UnsupportedEnvironmentError, EnvironmentFault, UnknownRun, NoPolicy) as known:
        answer["error"] = str(known)
    except Exception as error:
        answer["error"] = DISK_FULL if _is_full(error) else _log(store.folder, error)
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    [role] = sys.argv[1:] or ["train"]
    if sys.platform == "linux" and role == "forkserver":
        from pg_core.runs.workers import forkserver

        _import_tensorflow()
        role = forkserver.serve()
    main(role)
    os._exit(0)  # all is kept, and TensorFlow takes a second to take itself down
