"""Trains a run again up to an update of its past, from the nearest of what it was that is kept."""

import contextlib
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pg_core import runtime
from pg_core.runs.store.processes import is_here
from pg_core.runs.store.records import ARITHMETIC, Array, NoPolicy, Run
from pg_core.runs.store.rows import from_bytes, to_bytes
from pg_core.runs.store.store import Store
from pg_core.runs.workers.worker import prepare_tensorflow

if TYPE_CHECKING:
    from pg_core.learning.trainer import Trainer, Update

STRIDE = 4  # updates after which this process keeps what the run was: so many are soon done again
MAX_AHEAD = 8 * STRIDE  # updates that are done before anybody asks for them
MAX_KEPT_BYTES = 2**26

Changes = deque[tuple[int, dict[str, Any]]]  # live values by the update from which on they were in force

_kept: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()  # checkpoints, by run, rewinds and updates done
_lock = threading.Lock()  # of these


@contextlib.contextmanager
def again(store: Store, run_id: str, update: int) -> "Iterator[Trainer]":
    """Train a run again up to where it has done `update` updates.

    Raises:
        UnknownRun: there is no such run.
        NoPolicy: it has not come so far, or cannot be trained so far again, as by another arithmetic.
        ConfigError: this lab cannot train it.
    """
    with _trained(store, store.run(run_id), update) as (trainer, _):
        yield trainer


def ahead(store: Store, run_id: str, update: int) -> Iterator[int]:
    """Train a run again from `update` updates on, up to the next checkpoint in the store; yield after each update.

    Whoever has asked for one update will ask for its neighbours. Nobody has yet: it is 8 strides at most, however
    little what was asked for has cost, and it ends where any run is being trained, which is nicer than this process
    and would have to wait.

    Raises:
        UnknownRun, NoPolicy, ConfigError: as `again`.
    """
    if _is_training(store):
        return
    run = store.run(run_id)
    end = min([run.updates, update + MAX_AHEAD, *(done for done in store.checkpoints(run_id) if done > update)])
    with _trained(store, run, update) as (trainer, changes):
        for done in range(update, end):
            if not advance(trainer, changes, done, done + 1):
                return
            _keep(run, done + 1, trainer)
            yield done + 1
            if _is_training(store):
                return


def _is_training(store: Store) -> bool:
    return any(state != "paused" and is_here(process) for _, state, process in store.worked_on())


def advance(trainer: "Trainer", changes: Changes, done: int, updates: int) -> "list[Update]":
    """Train up to the next change at most, with all changes before it in force; return nothing where training ends."""
    from pg_core.learning.learners import TrainingError

    while changes and changes[0][0] <= done:
        trainer.change(trainer.config.changed(**changes.popleft()[1]))
    until = min([updates, *(update for update, _ in changes)])
    try:
        return trainer.advance(until - done)
    except TrainingError:  # the run has got beyond this update, so that is a difference like any other
        return []


@contextlib.contextmanager
def _trained(store: Store, run: Run, update: int) -> "Iterator[tuple[Trainer, Changes]]":
    """Train a run again; give its trainer, and the changes that are still to come."""
    checkpoint = _nearest(store, run, update)
    done = int(checkpoint["update"])
    if done < update and run.arithmetic != ARITHMETIC:
        raise NoPolicy("An earlier lab trained this run: a policy that is not kept cannot be had exactly again.")
    if run.processors_of(done, update) - {runtime.processor()}:
        raise NoPolicy(
            "Another type of processor, or version of TensorFlow, trained this run there: a policy that is not kept "
            "cannot be had exactly again here."
        )
    prepare_tensorflow(store.folder)
    from pg_core.learning.trainer import Trainer

    recorded = [(request.update, request.values) for request in store.requests(run.id) if request.update is not None]
    changes = deque(change for change in recorded if change[0] >= done)
    trainer = Trainer(store.config_after(run.id, done), checkpoint)
    try:
        while done < update:
            trained = advance(trainer, changes, done, min(update, done - done % STRIDE + STRIDE))
            if not trained:
                raise NoPolicy(f"Training the run again ended after {done:,} updates, before update {update:,}.")
            done += len(trained)
            _keep(run, done, trainer)
        yield trainer, changes
    finally:
        trainer.close()


def _nearest(store: Store, run: Run, update: int) -> dict[str, Array]:
    """Return the last of what the run was at or before `update` updates, of the store's and of this process's."""
    stored = store.checkpoint(run.id, update)
    if stored is None or update > run.updates:
        raise NoPolicy(f"`update` must be in [0, {run.updates}], of which a policy can be had, got {update}.")
    for done in range(update - update % STRIDE, int(stored["update"]), -STRIDE):
        with _lock:
            kept = _kept.get((run.id, run.rewinds, done))
        if kept:
            return from_bytes(kept)
    return stored


def _keep(run: Run, done: int, trainer: "Trainer") -> None:
    """Keep what the trainer is after each stride, and let go what was kept first if there is no room."""
    if done % STRIDE:
        return
    checkpoint = to_bytes(trainer.checkpoint())
    with _lock:
        _kept[run.id, run.rewinds, done] = checkpoint
        while sum(map(len, _kept.values())) > MAX_KEPT_BYTES:
            _kept.popitem(last=False)
