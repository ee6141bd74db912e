"""Places queued runs on a Ray cluster, each in an actor that does what a worker of a server does.

The process that places them has the connection to the cluster: when Ray's head dies, Ray ends it, and the supervisor
starts another. What is true is in the store alone. An actor claims its runs there when it begins, so two servers may
place the same one; a run whose worker dies is queued again when its lease has expired, and Ray repeats nothing.
"""

import contextlib
import os
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from pg_core.config import Config, ConfigError
from pg_core.environments import registration
from pg_core.learning import memory
from pg_core.runs.paths import data_folder, database
from pg_core.runs.store.leases import Heart
from pg_core.runs.store.processes import CLUSTER, process_name
from pg_core.runs.store.schema import PATIENT_LOCK_SECONDS
from pg_core.runs.store.store import Store
from pg_core.runs.workers import together
from pg_core.runs.workers.session import Leave
from pg_core.runs.workers.supervisor import MAKE_ROOM, NO_WORKER, RETRY_SECONDS, STOP_SECONDS, TICK_SECONDS
from pg_core.runs.workers.worker import work_together

MAX_WAITING = 8  # actors that wait for the cluster at a time: the queue has the order of the other runs
GOODBYE_SECONDS = 1.5  # for runs to keep what they have when the server ends
OPTIONS = {"max_restarts": 0, "max_task_retries": 0, "max_concurrency": 3}  # it is asked things while it trains

_Machines = Sequence[Mapping[str, float]]  # what each has for actors

SERVER_ENDED = "The server ended; it continues when one is there."
TOO_LARGE = "no machine of the cluster has the {cpus:g} processors and {memory:.1f} GiB of memory that it takes"
NO_START = "its worker on the cluster ended as it started: {error}"


class Worker:
    """An actor that trains one run, or several together.

    Args:
        variables: of the environment: those that set the server's lab up.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        os.environ.update(variables)
        self._process = f"{CLUSTER}{process_name()}"
        self._leave = Leave()

    def name(self) -> str:
        """Return under which name this process works on its runs."""
        return self._process

    def train(self, run_ids: Sequence[str]) -> None:
        """Train queued runs to their ends, but for those that another has taken."""
        registration.serve_strangers()
        store = Store(data_folder(), database(), PATIENT_LOCK_SECONDS)
        claimed = {"state": "starting", "process": self._process, "reason": ""}
        with Heart(store, self._process):
            if begun := [run_id for run_id in run_ids if store.transition(run_id, ["queued"], **claimed)]:
                deque(work_together(store, begun, self._process, self._leave), maxlen=0)

    def leave(self, state: str, reason: str) -> None:
        """Have the runs left in a state, with what they have learned."""
        self._leave.state, self._leave.reason = state, reason
        self._leave.set()


@dataclass
class _Placed:
    """An actor, the runs that it is to train, and the processors that it was promised.

    Attributes:
        named: when its process is there; under that name it works on its runs.
        done: when it has trained.
        process: that name, empty before.
        lost: when it was first seen that none of its runs is its own any more.
    """

    actor: Any
    run_ids: Sequence[str]
    cpus: float
    named: Any
    done: Any
    process: str = ""
    leaving: bool = False
    lost: float | None = None

    def works_on(self, runs: Iterable[tuple[str, str]]) -> bool:
        """Return whether one of some runs, each with the process that works on it, is its own."""
        return any(run_id in self.run_ids and process == self.process for run_id, process in runs)


class Placer:
    """Looks after the actors that one server has on a cluster.

    Args:
        store: of the runs.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._worker = ray.remote(Worker)
        self._placed: list[_Placed] = []
        self._not_before: dict[str, float] = {}  # when a run may be placed again

    def tend(self) -> None:
        """Let go what has ended, and place what waits."""
        queue = self._store.queue()
        self._reap()
        self._end_lost(queue)
        if queue:
            machines = _machines()
            self._place(queue, machines)
            if sum(placed.cpus for placed in self._placed) > sum(each.get("CPU", 0.0) for each in machines):
                self._make_room()

    def close(self) -> None:
        """Have all runs that are in training queued again, as far as they can be left soon."""
        asked = [placed.actor.leave.remote("queued", SERVER_ENDED) for placed in self._placed]
        asked += [placed.done for placed in self._placed]
        if asked:
            ray.wait(asked, num_returns=len(asked), timeout=GOODBYE_SECONDS)

    def _reap(self) -> None:
        for placed in [placed for placed in self._placed if _is_there(placed.done)]:
            self._placed.remove(placed)  # and its actor ends
            try:
                ray.get(placed.done)
            except RayError as error:
                cause = error.cause if isinstance(error, RayTaskError) else error
                self._store.explain(placed.run_ids, NO_START.format(error=str(cause).strip().splitlines()[0]))
                self._not_before |= dict.fromkeys(placed.run_ids, time.monotonic() + RETRY_SECONDS)

    def _end_lost(self, queue: Sequence[str]) -> None:
        """End actors whose runs have been others', or have ended, for so long that they must be hung."""
        worked_on = [(run_id, process) for run_id, _, process in self._store.worked_on()]
        for placed in self._placed:
            if not placed.process and _is_there(placed.named):
                placed.process = ray.get(placed.named)
            begins = not placed.process or not set(queue).isdisjoint(placed.run_ids)
            is_own = begins or placed.works_on(worked_on)
            placed.lost = None if is_own else placed.lost or time.monotonic()
            if placed.lost and time.monotonic() - placed.lost >= STOP_SECONDS:
                ray.kill(placed.actor)

    def _place(self, queue: Sequence[str], machines: _Machines) -> None:
        waiting = sum(not each.process for each in self._placed)
        placed = {run_id for each in self._placed for run_id in each.run_ids}
        placed |= {run_id for run_id, seconds in self._not_before.items() if seconds > time.monotonic()}
        while left := [run_id for run_id in queue if run_id not in placed]:
            group, needs = self._group(left, machines)
            if not _fits(needs, machines):
                sizes = {"cpus": needs["num_cpus"], "memory": needs["memory"] / 2**30}
                self._store.explain(group, TOO_LARGE.format(**sizes))
            elif waiting >= MAX_WAITING:
                self._store.explain(group, NO_WORKER)
            else:
                self._start(group, needs)
                waiting += 1
            placed.update(group)

    def _group(self, queue: Sequence[str], machines: _Machines) -> tuple[list[str], dict[str, float]]:
        """Return the first run of a queue with those that are trained together with it, and what these take."""
        try:
            runs = together.group(self._store, queue[0], queue)
        except ConfigError:  # which its worker will tell
            return [queue[0]], {"num_cpus": 1, "memory": memory.WORKER_BYTES}
        most = max([1, *(int(each.get("CPU", 0)) for each in machines)])
        while (needs := _needs([run.current for run in runs], most)) and len(runs) > 1 and not _fits(needs, machines):
            runs = runs[: len(runs) // 2]
        return [run.id for run in runs], needs

    def _start(self, run_ids: Sequence[str], needs: Mapping[str, float]) -> None:
        actor = self._worker.options(**OPTIONS, **needs).remote(_variables())
        named, done = actor.name.remote(), actor.train.remote(run_ids)
        self._store.explain(run_ids, NO_WORKER)
        self._placed.append(_Placed(actor, run_ids, needs["num_cpus"], named, done))

    def _make_room(self) -> None:
        """Have one actor leave whose runs are all paused, if none is leaving yet: pausing must not block the queue."""
        worked_on = self._store.worked_on()
        at_work = [(run_id, process) for run_id, state, process in worked_on if state != "paused"]
        paused = [(run_id, process) for run_id, state, process in worked_on if state == "paused"]
        waiting = [each for each in self._placed if each.works_on(paused) and not each.works_on(at_work)]
        if waiting and not any(each.leaving for each in self._placed):
            waiting[0].leaving = True
            waiting[0].actor.leave.remote("interrupted", MAKE_ROOM)


def serve(store: Store, leave: Leave) -> None:
    """Place runs on the cluster of PG_LAB_CLUSTER until this process is to leave, or has lost the cluster."""
    ray.init(os.environ["PG_LAB_CLUSTER"], log_to_driver=False, logging_level="ERROR")
    placer = Placer(store)
    while not leave.wait(TICK_SECONDS):
        placer.tend()
    with contextlib.suppress(RayError):
        placer.close()


def _needs(configs: Sequence[Config], most: int) -> dict[str, float]:
    """Return what runs take that are trained together, where no machine has more than so many processors."""
    bytes_needed = memory.WORKER_BYTES + memory.needed_together(configs, most)
    cpus = sum(memory.shards(config) if config.compiled else 1 for config in configs)
    return {"num_cpus": min(cpus, most), "memory": bytes_needed}


def _variables() -> dict[str, str]:
    """Return what sets a lab up; for an actor's arguments: Ray's own `env_vars` are in its logs, with all passwords."""
    return {name: value for name, value in os.environ.items() if name.startswith("PG_LAB_")}


def _is_there(reference: Any) -> bool:
    return bool(ray.wait([reference], timeout=0)[0])


def _machines() -> _Machines:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _fits(needs: Mapping[str, float], machines: _Machines) -> bool:
    """Return whether a machine, if nothing else ran there, has what is needed."""
    return any(
        needs["num_cpus"] <= each.get("CPU", 0) and needs["memory"] <= each.get("memory", 0) for each in machines
    )
