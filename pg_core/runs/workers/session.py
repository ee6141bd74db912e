"""One worker's time with one run: obeys its orders, keeps its pace, commits what it learns."""

import threading
import time
from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from pg_core import runtime
from pg_core.config import Config
from pg_core.runs.store.history import RECENT, policy_stride
from pg_core.runs.store.records import Batch, LostRun, Request, Snapshot
from pg_core.runs.store.rows import to_bytes, totals
from pg_core.runs.store.schema import ARRAYS
from pg_core.runs.store.store import Store
from pg_core.runs.workers.pace import AUTO, Milestones, interval
from pg_core.runs.workers.together import Turns

if TYPE_CHECKING:
    from pg_core.learning.trainer import Update

POLL_SECONDS = 0.05  # between two polls of the orders, while no update begins
AT_ONCE_SECONDS = 0.05  # for which updates may be done at once, as fast as possible
COMMIT_SECONDS = 0.1
CHECKPOINT_SECONDS, MAX_CHECKPOINT_SECONDS = 1.0, 60.0  # between two checkpoints, as cheap as they are
CHUNK = 4_096  # updates in memory at a time
RATE_UPDATES = 50  # over which steps per second are measured

Outcome = tuple[str, str]  # the state in which a run ends, and the reason


class Leave(threading.Event):
    """Set when the worker must leave its run, in what state and why; another can resume it."""

    state = "interrupted"
    reason = "The server ended; resume the run to continue it."


class Session:
    """A trainer at work on one run of the store, from the newest checkpoint on."""

    def __init__(self, store: Store, run_id: str, process: str, leave: Leave, turns: Turns | None = None) -> None:
        from pg_core.learning.trainer import Trainer

        self._store, self._run_id, self._process, self._leave = store, run_id, process, leave
        self._turns = turns or Turns()
        checkpoint = store.checkpoint(run_id)
        self._done = int(checkpoint["update"]) if checkpoint else 0
        self._seconds = store.rewind(run_id, process, self._done)
        store.note_processor(run_id, process, self._done, runtime.processor())
        run = store.run(run_id)
        self._elapsed = run.elapsed_seconds
        self._best_return = -np.inf if run.best_return is None else run.best_return
        # What came into force in dropped updates does so in the same ones again; then what has not been in force yet.
        requests = store.requests(run_id)
        self._requests = deque(r for r in requests if r.update is None or r.update >= self._done)
        self._last_request = max((request.id for request in requests), default=0)
        with self._turns.preparing:
            self._trainer = Trainer(store.config_after(run_id, self._done), checkpoint)
            self._trainer.compile()
        self._clock = time.perf_counter()  # since when training time has not been counted
        self._state, self._target, self._until = "running", "run", 0
        self._updates: list[tuple[Update, float]] = []  # not committed yet, as the next
        self._milestones: Milestones | None = None  # those passed, once the pace has been auto
        self._watched_until = -np.inf
        self._note_pace()
        self._in_force: dict[int, int] = {}
        self._updates_per_second = 0.0  # lately; 0 before the first
        self._rate: deque[tuple[int, float]] = deque(maxlen=RATE_UPDATES + 1)  # environment steps, seconds
        self._committed = self._started = -np.inf
        self._snapshots: list[Snapshot] = []  # not committed yet
        self._recent: deque[int] = deque(maxlen=RECENT)  # updates done at the newest snapshots of the last commits
        self._next_checkpoint = -np.inf
        self._policy_at = self._checkpoint_at = self._done if checkpoint else -1  # updates done at the newest of each
        self._policy_size = len(to_bytes(self._trainer.policy()))

    def train(self) -> Generator["Update", None, Outcome]:
        """Yield updates until the run ends, is stopped, or must be left."""
        if self._done == 0:
            self.commit(checkpoint=True)
        while self._may_train():
            self._started = time.perf_counter()
            updates = self._advance(self._at_once())
            if updates is None:
                continue
            if not updates:
                solved = bool((self._trainer.checkpoint()["env_steps_to_solve"] >= 0).all())
                return ("solved" if solved else "finished"), ""
            self._record(updates)
            yield from updates
            self._wait_for_pace()
        return (self._leave.state, self._leave.reason) if self._leave.is_set() else ("stopped", "")

    def _advance(self, num_updates: int) -> "list[Update] | None":
        """Do some updates when it is this run's turn; None if it is to stop before that.

        The time for which others had their turn is none of its own.
        """
        asked = time.perf_counter()

        def advance() -> "list[Update]":
            self._clock += time.perf_counter() - asked
            return self._trainer.advance(num_updates)

        return self._turns.take(advance, self._is_to_stop)

    def _is_to_stop(self) -> bool:
        return self._leave.is_set() or self._store.orders(self._run_id, self._last_request).target == "stop"

    def commit(self, *, checkpoint: bool, policy: bool = True) -> None:
        """Keep all that is not kept yet.

        Args:
            checkpoint: as well, if there is something new.
            policy: the newest, too; not where the trainer may be amid an update.
        """
        start = time.perf_counter()
        checkpoint = checkpoint and self._checkpoint_at != self._done
        if not (self._updates or self._snapshots or checkpoint):
            return
        if policy:
            self._take_snapshot(full=checkpoint)
        in_force = {request: update for request, update in self._in_force.items() if update < self._done}
        batch = Batch(self._updates, self._summary(), in_force, self._snapshots, list(self._recent))
        with self._turns.committing:
            self._store.commit(self._run_id, self._process, batch)
        self._recent.extend(shot.update for shot in self._snapshots[-1:] if shot.update not in self._recent)
        self._updates, self._snapshots = [], []
        self._in_force = {request: update for request, update in self._in_force.items() if update >= self._done}
        self._committed = time.perf_counter()
        if checkpoint:
            # A large population's checkpoints take long: they may cost a tenth of the time.
            rest = min(max(CHECKPOINT_SECONDS, 10 * (self._committed - start)), MAX_CHECKPOINT_SECONDS)
            self._next_checkpoint = self._committed + rest

    def close(self) -> None:
        """Close the trainer."""
        self._trainer.close()

    def _may_train(self) -> bool:
        """Wait as long as the run is to be paused; return whether it is to go on."""
        self._poll()
        while self._target == "pause" and not (self._goes_on() or self._leave.is_set()):
            self.commit(checkpoint=True)
            self._enter("paused")
            self._leave.wait(POLL_SECONDS)
            self._poll()
            self._clock = time.perf_counter()
        if self._target == "run":
            self._enter("running")
        return self._target != "stop" and not self._leave.is_set()

    def _goes_on(self) -> bool:
        return self._target == "run" or (self._target == "pause" and self._done < self._until)

    def _poll(self) -> None:
        """Read the orders and put what was requested into force."""
        orders = self._store.orders(self._run_id, self._last_request)
        self._target, self._until = orders.target, orders.until
        self._requests.extend(orders.requests)
        self._last_request = max([self._last_request, *(request.id for request in orders.requests)])
        while self._requests and (self._requests[0].update is None or self._requests[0].update <= self._done):
            self._put_into_force(self._requests.popleft())

    def _put_into_force(self, request: Request) -> None:
        self._take_snapshot(full=True)  # a fork from here goes on as if nothing had been changed
        self._trainer.change(self._trainer.config.changed(**request.values))
        self._in_force[request.id] = self._done
        self._note_pace()

    def _note_pace(self) -> None:
        """Find the milestones that were passed, if the pace needs them: for a long run that takes a while."""
        if self._trainer.config.pace != AUTO or self._milestones:
            return
        self._milestones = _milestones(self._store, self._run_id, self._trainer.config)
        for update, _ in self._updates:
            self._milestones.seconds(update.index, float(update.mean_return.mean()), longest=0)

    def _take_snapshot(self, *, full: bool) -> None:
        """Have the next commit keep what the trainer is now: its policy, or all of it."""
        if (self._checkpoint_at if full else self._policy_at) == self._done:
            return
        if self._snapshots and self._snapshots[-1].update == self._done:
            self._snapshots.pop()
        checkpoint = self._trainer.checkpoint() if full else None
        self._snapshots.append(Snapshot(self._done, self._trainer.policy(), checkpoint))
        self._policy_at, self._checkpoint_at = self._done, self._done if full else self._checkpoint_at

    def _enter(self, state: str) -> None:
        if self._state != state:
            if not self._store.transition(self._run_id, [self._state], self._process, state=state):
                raise LostRun(self._run_id, self._process)
            self._state = state

    def _at_once(self) -> int:
        """Return how many updates may be done before orders, pace and clock are polled again."""
        if self._trainer.config.pace or not self._updates_per_second:
            return 1
        soon = max(1, int(self._updates_per_second * AT_ONCE_SECONDS * self._turns.longer))
        ends = [r.update for r in self._requests if r.update is not None]
        ends += [self._until] if self._target == "pause" else []
        return min([soon, *(end - self._done for end in ends)])

    def _record(self, updates: "list[Update]") -> None:
        now = time.perf_counter()
        each = (now - self._clock) / len(updates)
        self._elapsed += now - self._clock
        self._clock = now
        self._updates_per_second = 1 / each
        for index, update in enumerate(updates):
            self._seconds += each
            self._updates.append((update, self._seconds))
            self._rate.append((int(update.env_steps.sum()), self._seconds))
            self._best_return = max(self._best_return, float(update.episodic_returns.max()))
            if self._milestones:
                mean_return, longest = float(update.mean_return.mean()), int(update.episodic_lengths.max())
                self._watched_until = now + self._milestones.seconds(update.index, mean_return, longest)
            self._done += 1
            if self._done % policy_stride(self._done, self._policy_size) == 0:
                self._snapshots.append(Snapshot(self._done, self._trainer.policy_after(index), None))
                self._policy_at = self._done
        if max(now, self._next_start()) - self._committed >= COMMIT_SECONDS * self._turns.rarer:
            self.commit(checkpoint=now >= self._next_checkpoint)

    def _next_start(self) -> float:
        pace = self._trainer.config.pace
        if not pace:
            return -np.inf
        return max(self._started + interval(pace), self._watched_until if pace == AUTO else -np.inf)

    def _wait_for_pace(self) -> None:
        while self._goes_on() and (left := self._next_start() - time.perf_counter()) > 0:
            if self._leave.wait(min(left, POLL_SECONDS)):
                return
            self._poll()
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


def _milestones(store: Store, run_id: str, config: Config) -> Milestones:
    """Return the milestones of a run that has passed some of them, as its stored updates say."""
    milestones, first = Milestones(config.environment), 0
    while rows := store.updates(run_id, ["mean_return"], first, CHUNK):
        for row in rows:
            mean_return = np.frombuffer(row.mean_return, ARRAYS["mean_return"]).mean()
            milestones.seconds(row.update, float(mean_return), longest=0)
        first += CHUNK
    return milestones
