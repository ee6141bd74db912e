"""Train runs in this process, as the command line and notebooks do, which have no workers."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pg_core.config import Config
from pg_core.lab import access
from pg_core.lab.sweeping import declared
from pg_core.learning import memory
from pg_core.runs.paths import data_folder, database
from pg_core.runs.store import library, sweeps
from pg_core.runs.store.leases import Heart
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.records import RESUMABLE, WORKED_ON, Run, RunEnded, SweepRow
from pg_core.runs.store.schema import PATIENT_LOCK_SECONDS
from pg_core.runs.store.store import Store
from pg_core.runs.workers import together
from pg_core.sweeps import searching
from pg_core.sweeps.declaration import Sweep

if TYPE_CHECKING:
    from pg_core.learning.trainer import Update


UNWATCHED = {"pace": 0}  # of what goes on in this process: as fast as possible, unless a pace is asked for


class Training:
    """A run that is trained in this process: iterate to train it."""

    def __init__(self, run_id: str, updates: "Iterator[Update]") -> None:
        self.run_id = run_id
        self._updates = updates

    def __iter__(self) -> "Iterator[Update]":
        # A generator of its own: it is closed when the caller leaves its loop, which stops the run.
        yield from self._updates


def train(config: Config, name: str | None = None) -> Training:
    """Train a new run: it goes on while the caller iterates, and stops when the caller does.

    Raises:
        ConfigError: the name is not valid, or training does not fit into the free memory.
    """
    memory.check(config)
    store = _store()
    return _training(store, store.create(config, name, process_name()))


def train_on(run_id: str, **live_values: Any) -> Training | None:
    """Train a run that was stopped or interrupted, or waits in the queue, from its newest checkpoint on.

    Args:
        run_id: of the run.
        live_values: in force from its next update on; in this process also a pace of 0, unless one is given.

    Returns:
        What `train` does; None if another process has the run, which now goes on there.

    Raises:
        RunEnded: the run has ended, or was deleted.
        ConfigError: a value is not valid or not live, or training does not fit into the free memory.
    """
    store = _store()
    store.settle()
    store.interrupt_dead(run_id=access.controlled(run_id).id)
    run = store.run(run_id)
    config = run.current.changed(**live_values)
    if not run.changeable:
        state = "deleted" if run.deleted else run.state
        raise RunEnded(f"A run that is {state} cannot go on; fork it to go on from one of its updates.")
    if run.state not in WORKED_ON:
        memory.check(config)
    if _take(store, run_id, (*RESUMABLE, "queued")):
        store.request(run_id, {**UNWATCHED, **live_values})
        return _training(store, run_id)
    store.request(run_id, live_values)
    store.transition(run_id, WORKED_ON, target="run", until=0)
    return None


def train_fork(run_id: str, update: int | None = None, name: str | None = None, **live_values: Any) -> Training:
    """Fork a run after any of its updates, and train the child.

    What the parent was then is trained again, exactly, where no checkpoint was kept.

    Args:
        run_id: of the parent.
        update: how many updates to share; None: as many as were done at the newest checkpoint.
        name: of the child.
        live_values: in force from the child's first own update on, and a pace of 0, unless one is given.

    Raises:
        LookupError: the parent has not come so far, or cannot be trained so far again.
        ConfigError: as `train`, or a value is not valid or not live.
    """
    from pg_core.runs.workers.replay import snapshot_at

    store = _store()
    memory.check(store.run(run_id).current.changed(**live_values))
    snapshot = None if update is None else snapshot_at(store, run_id, update)
    child = library.fork(store, run_id, name=name, snapshot=snapshot)
    store.request(child, {**UNWATCHED, **live_values})
    _take(store, child, RESUMABLE)
    return _training(store, child)


class SweepTraining:
    """A sweep that is trained in this process: iterate to train it, and see how many of its runs have ended."""

    def __init__(self, sweep_id: str, ended: Iterator[int]) -> None:
        self.sweep_id = sweep_id
        self._ended = ended

    def __iter__(self) -> Iterator[int]:
        yield from self._ended


def train_sweep(sweep: Sweep, name: str | None = None) -> SweepTraining:
    """Train a new sweep: it goes on while the caller iterates, and stops when the caller does.

    Raises:
        ConfigError: the name is not valid, or training does not fit into the free memory.
    """
    store, row = _store(), replace(declared(sweep, name), process=process_name())
    runs = searching.first_runs(sweep, row.name)
    memory.check(*(run.config for run in runs))
    sweeps.add(store, row, runs, row.process)
    return SweepTraining(row.id, _all_of(store, row))


def _all_of(store: Store, row: SweepRow) -> Iterator[int]:
    """Train the runs of a sweep that are starting in this process, and those that are to follow."""
    try:
        ended = 0
        with Heart(store, process_name()):  # also of runs that wait for their turn
            while mine := _starting(store, row):
                for group in together.groups(mine):
                    for done in _together(store, group):
                        searching.prune(store, row)
                        yield ended + done
                    ended += len(group)
                searching.advance(store, row, row.process)
    finally:
        for run in _starting(store, row):
            store.transition(run.id, ["starting"], row.process, state="stopped")
        if sweeps.sweep(store, row.id).target == "run":
            sweeps.aim(store, row.id, "stop")


def _starting(store: Store, row: SweepRow) -> list[Run]:
    """Return the runs of a sweep that wait for this process to train them, in the order of their settings."""
    here = {found for found, state, process in store.worked_on() if (state, process) == ("starting", row.process)}
    return sorted((run for run in store.runs(sweep_id=row.id) if run.id in here), key=lambda run: run.setting or 0)


def _together(store: Store, run_ids: list[str]) -> Iterator[int]:
    from pg_core.runs.workers.worker import work_together

    return work_together(store, run_ids, process_name())


def _store() -> Store:
    """Open the store for a process that trains: it waits for the database longer than a page may."""
    return Store(data_folder(), database(), PATIENT_LOCK_SECONDS)


def _take(store: Store, run_id: str, sources: tuple[str, ...]) -> bool:
    """Have this process work on a run, if its state is one of `sources`; return whether it does."""
    orders: dict[str, Any] = {"target": "run", "until": 0, "reason": ""}
    return store.transition(run_id, sources, state="starting", process=process_name(), **orders)


def _training(store: Store, run_id: str) -> Training:
    from pg_core.runs.workers.worker import work

    return Training(run_id, work(store, run_id, process_name()))
