"""One worker's time with one run: obeys its orders, keeps its pace, commits what it learns."""

import threading
import time
from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from pg_core.runs.records import Batch, LostRun, Request, Snapshot
from pg_core.runs.rows import totals
from pg_core.runs.store import Store

if TYPE_CHECKING:
    from pg_core.trainer import Update

LOOK_SECONDS = 0.05  # between two looks at the orders, while no update begins
AT_ONCE_SECONDS = 0.05  # for which updates may be done at once, as fast as possible
COMMIT_SECONDS = 0.1
SNAPSHOT_SECONDS, MAX_SNAPSHOT_SECONDS = 1.0, 60.0  # between two snapshots, as cheap as they are
RATE_UPDATES = 50  # over which steps per second are measured

Outcome = tuple[str, str]  # the state in which a run ends, and the reason


class Leave(threading.Event):
    """Set when the worker must leave its run; another can resume it."""

    reason = "The server ended; resume the run to continue it."


class Session:
    """A trainer at work on one run of the store, from the newest checkpoint on."""

    def __init__(self, store: Store, run_id: str, process: str, leave: Leave) -> None:
        from pg_core.trainer import Trainer

        self._store, self._run_id, self._process, self._leave = store, run_id, process, leave
        checkpoint = store.checkpoint(run_id)
        self._done = int(checkpoint["update"]) if checkpoint else 0
        self._seconds = store.rewind(run_id, process, self._done)
        run = store.run(run_id)
        self._elapsed = run.elapsed_seconds
        self._best_return = -np.inf if run.best_return is None else run.best_return
        # In force from a dropped update on, or not yet: to be put into force again in the same updates, then the rest.
        requests = store.requests(run_id)
        self._requests = deque(r for r in requests if r.update is None or r.update >= self._done)
        self._last_request = max((request.id for request in requests), default=0)
        self._trainer = Trainer(store.config_after(run_id, self._done), checkpoint)
        self._trainer.compile()
        self._clock = time.perf_counter()  # since when training time has not been counted
        self._state, self._target, self._until = "running", "run", 0
        self._updates: list[tuple[Update, float]] = []  # not committed yet, as the next
        self._in_force: dict[int, int] = {}
        self._updates_per_second = 0.0  # lately; 0 before the first
        self._rate: deque[tuple[int, float]] = deque(maxlen=RATE_UPDATES + 1)  # environment steps, seconds
        self._committed = self._started = -np.inf
        self._next_snapshot = -np.inf
        self._snapshot_at = self._done if checkpoint else -1  # updates done at the newest snapshot

    def train(self) -> Generator["Update", None, Outcome]:
        """Yield updates until the run ends, is stopped, or must be left."""
        if self._done == 0:
            self.commit(snapshot=True)
        while self._may_train():
            self._started = time.perf_counter()
            updates = self._trainer.advance(self._at_once())
            if not updates:
                solved = bool((self._trainer.checkpoint()["env_steps_to_solve"] >= 0).all())
                return ("solved" if solved else "finished"), ""
            self._record(updates)
            yield from updates
            self._wait_for_pace()
        return ("interrupted", self._leave.reason) if self._leave.is_set() else ("stopped", "")

    def commit(self, *, snapshot: bool) -> None:
        """Keep all that is not kept yet, with a snapshot if asked for and there is something new."""
        start = time.perf_counter()
        snapshot = snapshot and self._snapshot_at != self._done
        if not (self._updates or snapshot):
            return
        kept = Snapshot(self._done, self._trainer.policy(), self._trainer.checkpoint()) if snapshot else None
        in_force = {request: update for request, update in self._in_force.items() if update < self._done}
        batch = Batch(self._updates, self._summary(), in_force, kept)
        self._store.commit(self._run_id, self._process, batch)
        self._updates = []
        self._in_force = {request: update for request, update in self._in_force.items() if update >= self._done}
        self._committed = time.perf_counter()
        if snapshot:
            # A large population's snapshots take long: they may cost a tenth of the time.
            interval = min(max(SNAPSHOT_SECONDS, 10 * (self._committed - start)), MAX_SNAPSHOT_SECONDS)
            self._next_snapshot = self._committed + interval
            self._snapshot_at = self._done

    def close(self) -> None:
        """Close the trainer."""
        self._trainer.close()

    def _may_train(self) -> bool:
        """Wait as long as the run is to be paused; return whether it is to go on."""
        self._look()
        while self._target == "pause" and not (self._goes_on() or self._leave.is_set()):
            self.commit(snapshot=True)
            self._enter("paused")
            self._leave.wait(LOOK_SECONDS)
            self._look()
            self._clock = time.perf_counter()
        if self._target == "run":
            self._enter("running")
        return self._target != "stop" and not self._leave.is_set()

    def _goes_on(self) -> bool:
        return self._target == "run" or (self._target == "pause" and self._done < self._until)

    def _look(self) -> None:
        """Read the orders and put what was requested into force."""
        orders = self._store.orders(self._run_id, self._last_request)
        self._target, self._until = orders.target, orders.until
        self._requests.extend(orders.requests)
        self._last_request = max([self._last_request, *(request.id for request in orders.requests)])
        while self._requests and (self._requests[0].update is None or self._requests[0].update <= self._done):
            self._put_into_force(self._requests.popleft())

    def _put_into_force(self, request: Request) -> None:
        self._trainer.change(self._trainer.config.changed(**request.values))
        self._in_force[request.id] = self._done

    def _enter(self, state: str) -> None:
        if self._state != state:
            if not self._store.transition(self._run_id, [self._state], self._process, state=state):
                raise LostRun(self._run_id, self._process)
            self._state = state

    def _at_once(self) -> int:
        """Return how many updates may be done before the next look at orders, pace and clock."""
        if self._trainer.config.pace or not self._updates_per_second:
            return 1
        soon = max(1, int(self._updates_per_second * AT_ONCE_SECONDS))
        ends = [r.update for r in self._requests if r.update is not None]
        ends += [self._until] if self._target == "pause" else []
        return min([soon, *(end - self._done for end in ends)])

    def _record(self, updates: "list[Update]") -> None:
        now = time.perf_counter()
        each = (now - self._clock) / len(updates)
        self._elapsed += now - self._clock
        self._clock = now
        self._updates_per_second = 1 / each
        for update in updates:
            self._seconds += each
            self._updates.append((update, self._seconds))
            self._rate.append((int(update.env_steps.sum()), self._seconds))
            self._best_return = max(self._best_return, float(update.episodic_returns.max()))
        self._done += len(updates)
        if max(now, self._next_start()) - self._committed >= COMMIT_SECONDS:
            self.commit(snapshot=now >= self._next_snapshot)

    def _next_start(self) -> float:
        pace = self._trainer.config.pace
        return self._started + 1 / pace if pace else -np.inf

    def _wait_for_pace(self) -> None:
        while self._goes_on() and (left := self._next_start() - time.perf_counter()) > 0:
            if self._leave.wait(min(left, LOOK_SECONDS)):
                return
            self._look()
            now = time.perf_counter()
            self._elapsed += now - self._clock
            self._clock = now

    def _summary(self) -> dict[str, Any]:
        if not self._updates:
            return {"elapsed_seconds": self._elapsed}
        update, seconds = self._updates[-1]
        steps, (first_steps, first_seconds) = int(update.env_steps.sum()), (0, 0.0)
        if len(self._rate) > 1:
            first_steps, first_seconds = self._rate[0]
        rate = (steps - first_steps) / (seconds - first_seconds)
        return totals(update.index, seconds, vars(update), self._best_return) | {
            "elapsed_seconds": self._elapsed, "steps_per_second": rate,
        }  # fmt: skip
