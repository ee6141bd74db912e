"""Runs that are trained in one process: they share a program, and take turns on the processors and with the store."""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TypeVar

from pg_core.config import HYPERPARAMETERS, Config
from pg_core.learning.memory import THREADS
from pg_core.runs.store import sweeps
from pg_core.runs.store.records import WORKED_ON, Run
from pg_core.runs.store.store import Store

T = TypeVar("T")

MOST = 64  # runs in one process
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 1.0  # for which a run waits for its turn before it looks whether it is to stop
LONGER = 2  # turns of runs that share processors, than those of one alone: fewer dispatches
MOST_RARELY = 10  # of commits of a run, by how many that would have been made alone


class Turns:
    """What the runs of one process share: each has a thread of its own, and asks here for a processor.

    So a run is the same, bit for bit, whatever else is trained in its process: no two are in one batch.

    Args:
        runs: how many there are; one alone need not ask.

    Attributes:
        preparing: held by the one that compiles its program; the others then find it compiled.
        committing: held by the one that writes: SQLite has whoever does not get its lock at once ask again later.
        longer: how many times as long a turn is.
        rarer: how many times as long it is from one commit of a run to the next: all together commit as often as one.
    """

    def __init__(self, runs: int = 1) -> None:
        self.preparing, self.committing = threading.Lock(), threading.Lock()
        self.longer, self.rarer = LONGER if runs > 1 else 1, min(runs, MOST_RARELY)
        self._processors = ThreadPoolExecutor(THREADS) if runs > 1 else None

    def take(self, work: Callable[[], T], given_up: Callable[[], bool] = lambda: False) -> T | None:
        """Do some work when it is its turn: who asked first is first.

        Args:
            work: is done on a thread for processors.
            given_up: is asked now and then while others have theirs; if it says so, nothing is done, and None returned.
        """
        if not self._processors:
            return work()
        turn = self._processors.submit(work)
        while not wait([turn], PATIENCE_SECONDS).done:
            if given_up() and turn.cancel():
                return None
        return turn.result()

    def close(self) -> None:
        """End the threads."""
        if self._processors:
            self._processors.shutdown()


def kind(config: Config) -> Hashable:
    """Return what a run's program is compiled for: runs of the same kind may be trained together.

    None that Gymnasium plays is of a kind with another: they need Python most of the time, which one thread has at a
    time.
    """
    if not config.compiled:
        return object()
    fixed = [getattr(config, name) for name, each in HYPERPARAMETERS.items() if not (each.live or name == "seed")]
    return repr((fixed, config.baseline == "value"))


def groups(runs: Sequence[Run]) -> list[list[str]]:
    """Return the ids of runs in groups that may be trained together, in their order."""
    by_kind: dict[Hashable, list[str]] = {}
    for run in runs:
        by_kind.setdefault(kind(run.current), []).append(run.id)
    return [ids[first : first + MOST] for ids in by_kind.values() for first in range(0, len(ids), MOST)]


def group(store: Store, run_id: str, queue: Sequence[str]) -> list[Run]:
    """Return a queued run with those of its sweep in the queue that may be trained together with it.

    Raises:
        ConfigError: this lab cannot read one of them.
    """
    fellows = sweeps.fellows(store, run_id, queue)
    alike = [run for run in fellows if kind(run.current) == kind(fellows[0].current)]
    return alike[:MOST] or fellows[:1]


def side_by_side(
    store: Store, run_ids: Iterable[str], process: str, train: Callable[[str, Turns], Iterable[object]]
) -> Iterator[int]:
    """Train runs in a thread each, and yield how many have ended, now and then.

    If the caller stops iterating they are stopped, as if they were told so.

    Args:
        store: of the runs.
        run_ids: of the runs, which are starting in `process`.
        process: that of this one.
        train: an iterator that trains one of them.

    Raises:
        StoreError: that of a run could not be written; the others were trained nevertheless.
    """
    ids = list(run_ids)
    turns, threads = Turns(len(ids)), ThreadPoolExecutor(len(ids))
    runs = [threads.submit(_train, train, run_id, turns) for run_id in ids]
    try:
        while going := [run for run in runs if not run.done()]:
            yield len(runs) - len(going)
            wait(going, LOOK_SECONDS, FIRST_COMPLETED)
        for run in runs:
            run.result()
    finally:
        for run_id, run in zip(ids, runs, strict=True):
            if not run.done():
                store.transition(run_id, WORKED_ON, process, target="stop")
        threads.shutdown()
        turns.close()
    yield len(runs)


def _train(train: Callable[[str, Turns], Iterable[object]], run_id: str, turns: Turns) -> None:
    deque(train(run_id, turns), maxlen=0)
