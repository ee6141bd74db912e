"""Start runs, steer them, and fork them.

Every function here that takes the id of a run raises UnknownRun, and NotAllowed if it is someone else's.
"""

import re
import uuid
from typing import Any

from pg_core.config import Config
from pg_core.lab import access, limits, state
from pg_core.runs.store import library
from pg_core.runs.store.records import ACTIVE, RESUMABLE

RUN_ID = re.compile("[0-9a-f]{32}")


def start(config: Config, name: str | None = None, run_id: str | None = None) -> str:
    """Queue a new run for the next free worker, and return its id.

    Args:
        config: of the run.
        name: None: one is invented.
        run_id: made by the caller, 32 hexadecimal digits: a second start with it is the same run, and changes nothing.

    Raises:
        ConfigError: the name has no or more than 80 characters, or training does not fit into the free memory.
        ValueError: `run_id` has another form.
        NotAllowed: the visitor, or the lab, has as many runs as are allowed; likewise `resume`, `step` and `fork`.
        StoreError: the store cannot be written; likewise every function here.
    """
    check_id("run_id", run_id)
    run_id = run_id or uuid.uuid4().hex
    if not state.store().has(run_id):
        _create(config, name, run_id)
    state.supervisor().wake()
    return run_id


def check_id(name: str, run_id: str | None) -> None:
    """Refuse an id that a caller has made in another form.

    Raises:
        ValueError: with its name.
    """
    if run_id is not None and not RUN_ID.fullmatch(run_id):
        raise ValueError(f"`{name}` must be 32 hexadecimal digits in lower case, got {run_id[:64]!r}.")


def _create(config: Config, name: str | None, run_id: str) -> None:
    """Add a run; of two that ask for the same one at once, the second finds that of the first."""
    limits.check_memory(config)
    store = state.store()
    try:
        with limits.admission() as visitor:
            if not store.has(run_id):
                store.create(config, name, owner=visitor.id, session=visitor.session, run_id=run_id)
    except access.NotAllowed:
        if not store.has(run_id):  # else it has taken the last place itself
            raise


@state.insisting
def change(run_id: str, **live_values: Any) -> None:
    """Change live hyperparameters from the run's next update on.

    Raises:
        ConfigError: a value is not valid, or not live.
        RunEnded: the run has ended, or was deleted.
    """
    access.controlled(run_id)
    state.store().request(run_id, live_values)


@state.insisting
def pause(run_id: str) -> None:
    """Pause an active run after the update that it is in."""
    _direct(run_id, target="pause", until=0)


@state.insisting
def resume(run_id: str) -> None:
    """Let a paused run go on, and one that was stopped or interrupted continue from its newest checkpoint."""
    if not _direct(run_id, target="run", until=0):
        _enqueue(run_id, "run")


@state.insisting
def step(run_id: str, update: int) -> None:
    """Have a run train until `update` updates are done, then pause: to ask twice is to ask once."""
    if not _direct(run_id, target="pause", until=update):
        _enqueue(run_id, "pause", update)


@state.insisting
def stop(run_id: str) -> None:
    """Stop a run, keeping all it has learned; it can be resumed."""
    access.controlled(run_id)
    if not state.store().transition(run_id, ["queued"], state="stopped", reason=""):
        _direct(run_id, target="stop")


def fork(
    run_id: str, update: int | None = None, name: str | None = None, *, resumed: bool = True,
    child: str | None = None, **live_values: Any,
) -> str:  # fmt: skip
    """Add a run that shares another's past up to `update` updates and goes on with other live values.

    Args:
        run_id: of the parent, anyone's that is not deleted.
        update: one after which a checkpoint was kept, see `checkpoints`; None: the newest.
        name: of the child.
        resumed: whether it goes on at once; else `change` and `resume` are still to come.
        child: its id, made by the caller, 32 hexadecimal digits: a second fork with it is the same run, and
            changes nothing.
        live_values: in force from the child's first own update on.

    Returns:
        The child's id.

    Raises:
        ConfigError: there is no checkpoint at `update`, or a value is not valid or not live.
        ValueError: `child` has another form.
    """
    check_id("child", child)
    store = state.store()
    access.visible(run_id).current.changed(**live_values)
    if child is not None and store.has(child):
        return child  # as it is by now, and whoever's it is
    child = _copy(run_id, update, name, child)
    store.request(child, live_values)
    if resumed:
        _enqueue(child, "run")
    return child


def _copy(run_id: str, update: int | None, name: str | None, child: str | None = None) -> str:
    """Fork a run for whoever may start one; others need not wait with theirs, for a long run takes long to copy."""
    with limits.admission() as visitor:
        pass
    return library.fork(state.store(), run_id, update, name, visitor.id, visitor.session, child)


def twin(run_id: str, update: int) -> str:
    """Fork a run before a change: the twin goes on at full pace as the run would have gone on unchanged.

    Args:
        run_id: of the run, anyone's.
        update: the first in which the change was in force; no change at it or after it is in force in the twin.

    Returns:
        The twin's id; whoever asks again gets the same twin, whatever it is called by then, until it is deleted.

    Raises:
        ConfigError: there is no checkpoint at `update`.
    """
    store, acting = state.store(), access.visitor()
    name = library.twin_name(access.visible(run_id).name)
    child = library.twin_id(store, run_id, update, acting.id or acting.session or "")
    if not store.has(child):
        _copy(run_id, update, name, child)
    if store.run(child).reason == library.FORKED:  # it has not been queued yet, perhaps as the lab ended before
        store.request(child, {"pace": 0})
        _enqueue(child, "run")
    return child


def _direct(run_id: str, **orders: Any) -> bool:
    """Give an active run's worker its orders; a run that has just ended needs none."""
    found, store = access.controlled(run_id).id, state.store()
    store.interrupt_dead(run_id=found)  # what is read as interrupted is to be resumed
    return store.transition(found, ACTIVE, **orders)


def _enqueue(run_id: str, target: str, until: int = 0) -> None:
    """Queue a run that was stopped or interrupted; one that has ended in another way stays as it is."""
    if state.store().run(run_id).state in RESUMABLE:
        with limits.admission():
            state.store().enqueue(run_id, target, until)
        state.supervisor().wake()
