"""Owns the worker processes of one server: starts queued runs, sees when a worker dies, ends them all at the end.

The server itself never imports TensorFlow. A spare worker has it imported and waits, so that a click becomes
a first update at once. All decisions are taken in one thread.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pg_core.config import ConfigError
from pg_core.learning import memory
from pg_core.runs.store.records import WORKED_ON, Run
from pg_core.runs.store.schema import StoreError, StoreHeld, write
from pg_core.runs.store.store import Store
from pg_core.runs.workers import logs, together
from pg_core.runs.workers.children import Child

TICK_SECONDS = 0.25
RUNS_A_PROCESSOR = 2
RETRY_SECONDS = 5.0  # before a worker that failed to start is replaced
CALM_SECONDS = 2.0  # that a run begins in before the next spare takes a processor to compile
STOP_SECONDS = 10.0  # after which a worker that was told to stop, and has not, is ended

HUNG = f"Its worker did not obey within {STOP_SECONDS:.0f} seconds and was ended; resume continues from what was kept."
SUSPENDED = (
    "Its worker was suspended while others waited for the store, and was ended; resume continues from what was kept."
)
NO_WORKER = "it starts when a worker is free"
NO_START = "it waits for a worker, and the last one ended as it started: workers.log in the lab's folder says why"
NO_CLUSTER = "it waits for the cluster, which was lost or not found: workers.log in the lab's folder says why"
NO_MEMORY = "it starts when other runs leave enough memory"
MAKE_ROOM = "It was paused while another run waited for a worker; resume the run to continue it."

_log = logging.getLogger(__name__)


class Supervisor:
    """The workers of one server, from `start` to `shutdown`.

    Args:
        store: whose runs are to be worked on.
        max_training: workers that train at once; None: two a processor, which most leave idle between updates.
        search: queues what sweeps are to try next, if there is room.
        on_cluster: whether they train on a cluster: then the spare is what places runs there, and stays.

    Attributes:
        spare: the worker that waits for the next run, while there is one.
    """

    def __init__(
        self,
        store: Store,
        max_training: int | None = None,
        search: Callable[[], None] = lambda: None,
        *,
        on_cluster: bool = False,
    ) -> None:
        self._store, self._search = store, search
        self._max_training = max_training or RUNS_A_PROCESSOR * (os.cpu_count() or 1)
        self._training: list[Child] = []  # longest first; some may be about to end
        self.spare: Child | None = None
        self._on_cluster = on_cluster
        self._not_before = self._spare_not_before = 0.0
        self._told: dict[tuple[str, str], float] = {}  # since when a run's process has been told to stop
        self._trouble = ""  # that the log knows of already
        self._ended = 0  # workers that were suspended; with the lock of whoever ends them
        self._ending = threading.Lock()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start the spare and the watch over all workers."""
        self._thread.start()

    def wake(self) -> None:
        """Poll the queue now."""
        self._wake.set()

    def insist(self, order: Callable[[], None]) -> None:
        """Do what needs the store; if that is held for too long, end the workers that are suspended and try once more.

        A suspended worker may hold the lock, and would for ever; one that works gives it back, and another program is
        not ours to end.

        Raises:
            StoreError: as `order`.
        """
        ended = self._ended
        try:
            order()
        except StoreHeld:
            self._end_suspended()
            if self._ended == ended:  # else we, or another who waited, have ended some
                raise
            order()

    def shutdown(self) -> None:
        """End every worker: those that train keep what they have and leave their runs interrupted."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        children = [*self._training, *filter(None, [self.spare])]
        for child in children:
            child.close()
        for child in children:
            child.end()
        with contextlib.suppress(StoreError):
            self._store.interrupt_dead()

    def _watch(self) -> None:
        while not self._closing.is_set():
            try:
                logs.cut(self._store.folder / "workers.log")
                self.insist(self._tend)
                self._trouble = ""
            except StoreError as error:
                self._complain(error)
            except Exception as error:  # whatever it is, the workers still need someone who watches
                self._complain(error, exc_info=error)
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()

    def _tend(self) -> None:
        self._reap()
        if any(child.is_suspended() for child in self._training):
            with write(self._store.engine):  # others wait for one that holds the lock, whether or not we do
                pass
        self._staff()
        self._store.interrupt_dead({child.name for child in self._training})
        self._end_hung()
        self._search()
        if not self._on_cluster:
            self._start_queued()

    def _end_suspended(self) -> None:
        with self._ending:
            suspended = [child for child in self._training if child.is_suspended()]
            for child in suspended:
                self._store.gone[child.name] = SUSPENDED  # before anybody finds it dead
                child.kill()
                child.end()
            self._ended += len(suspended)

    def _complain(self, error: Exception, **more: Any) -> None:
        """Log a trouble once, however many ticks it lasts."""
        if self._trouble != str(error):
            _log.warning("The supervisor goes on: %s", error, **more)
            self._trouble = str(error)

    def _reap(self) -> None:
        self._training = [child for child in self._training if child.is_alive()]
        if self.spare and not self.spare.is_alive():
            _log.warning("A worker ended with exit status %s; see workers.log in the lab's folder.", self.spare.status)
            self._not_before = time.monotonic() + RETRY_SECONDS
            self.spare = None
            self._store.explain(self._store.queue(), NO_CLUSTER if self._on_cluster else NO_START)

    def _staff(self) -> None:
        now = time.monotonic()
        if now < self._not_before:
            return
        wanted = self.spare is None and (now >= self._spare_not_before or self._store.queue())
        if wanted and (not self._training or self._unclaimed() >= memory.WORKER_BYTES):
            self.spare = Child(self._store.folder, self._on_answer, "cluster" if self._on_cluster else "train")

    def _unclaimed(self) -> int:
        """Return the bytes that are free, less what the runs in training may still take of them."""
        return memory.free() - sum(max(0, child.claim - child.memory()) for child in self._training)

    def _end_hung(self) -> None:
        """Take the runs that were to be stopped long ago from their workers, which hang or are in a long update."""
        now = time.monotonic()
        self._told = {told: self._told.get(told, now) for told in self._store.told_to_stop()}
        for (run_id, process), since in self._told.items():
            if now - since >= STOP_SECONDS:
                self._store.transition(run_id, WORKED_ON, process, state="stopped", reason=HUNG)
                for child in self._training:
                    if child.name == process:
                        child.kill()

    def _start_queued(self) -> None:
        queue = self._store.queue()
        for place, run_id in enumerate(queue):
            full = len(self._training) >= self._max_training
            group, claim = self._group(run_id, queue)
            if full or not self._fits(claim):
                self._store.explain([run_id], NO_WORKER if full else NO_MEMORY)
                self._store.explain(queue[place + 1 :], NO_WORKER)
                self._make_room()
                return
            if self.spare is None or not self.spare.name:
                return
            claimed = {"process": self.spare.name, "state": "starting", "reason": ""}
            if begun := [each for each in group if self._store.transition(each, ["queued"], **claimed)]:
                self.spare.claim = claim
                self.spare.send({"train": begun, "process": self.spare.name})
                self._training.append(self.spare)
                self.spare, self._spare_not_before = None, time.monotonic() + CALM_SECONDS

    def _group(self, run_id: str, queue: Sequence[str]) -> tuple[list[str], int]:
        """Return a queued run with those of its sweep that are trained together with it, and what these may take."""
        try:
            group = together.group(self._store, run_id, queue)
        except ConfigError:  # which its worker will tell
            return [run_id], memory.WORKER_BYTES
        while (claim := _claim(group)) and len(group) > 1 and not self._fits(claim):
            group = group[: len(group) // 2]
        return [run.id for run in group], claim

    def _fits(self, claim: int) -> bool:
        """Return whether there is memory for one more run; one always may train."""
        has = self.spare.memory() if self.spare else 0
        return not self._training or claim - has <= self._unclaimed()

    def _make_room(self) -> None:
        """Have one paused run's worker leave, if none is leaving yet: pausing must not block the queue."""
        worked_on = self._store.worked_on()
        at_work = {process for _, state, process in worked_on if state != "paused"}
        paused = {process for _, _, process in worked_on} - at_work  # with all of their runs
        waiting = [child for child in self._training if child.name in paused]
        if waiting and not any(child.leaving for child in self._training):
            waiting[0].leaving = True
            waiting[0].send({"leave": MAKE_ROOM})

    def _on_answer(self, message: Mapping[str, Any]) -> None:
        if "begun" in message:
            self.wake()  # a run may wait for it
        if "gone" in message:
            self._store.gone[message["gone"]] = message["reason"]


def _claim(runs: Sequence[Run]) -> int:
    """Return the bytes that runs may take that are trained together, TensorFlow included."""
    return memory.WORKER_BYTES + memory.needed_together([run.current for run in runs])
