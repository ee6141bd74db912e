"""Trains a run again from its config and its changes, and compares it with what is stored, bit for bit."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pg_core.runs.rows import update_row
from pg_core.runs.schema import ARRAYS
from pg_core.runs.store import Store
from pg_core.runs.worker import prepare_tensorflow

if TYPE_CHECKING:
    from pg_core.trainer import Trainer, Update

_Changes = deque[tuple[int, dict[str, Any]]]  # live values by the update from which on they were in force


@dataclass(frozen=True)
class Replay:
    """How far a run was trained again.

    Attributes:
        updates: of the run.
        identical: of these, from the first on, as far as they were compared.
        arrays: names of those that differ in the next one; all if only one of the two has that update.
    """

    updates: int
    identical: int = 0
    arrays: tuple[str, ...] = ()

    @property
    def differs_at(self) -> int | None:
        """The first update that differs, None if none does."""
        return self.identical if self.arrays else None


def compare(store: Store, run_id: str) -> Iterator[Replay]:
    """Train a run again up to the updates that it has now, and yield how far it is; the last one is the result.

    Only as many updates as are trained at once are in memory.

    Raises:
        UnknownRun: there is no such run.
        ConfigError: this lab cannot train it.
    """
    run = store.run(run_id)
    # Read after the run: all that was in force in its updates is there.
    changes = deque(
        (request.update, request.values) for request in store.requests(run_id) if request.update is not None
    )
    replay = Replay(run.updates)
    yield replay
    prepare_tensorflow(store.folder)
    from pg_core.trainer import Trainer

    trainer = Trainer(run.config)
    try:
        trainer.compile()
        while replay.identical < replay.updates and not replay.arrays:
            trained = _advance(trainer, changes, replay)
            stored = store.updates(run_id, list(ARRAYS), replay.identical, len(trained))
            replay = _compared(replay, trained, stored)
            yield replay
    finally:
        trainer.close()


def _advance(trainer: "Trainer", changes: _Changes, replay: Replay) -> "list[Update]":
    """Train up to the next change at most, with all changes before it in force; return nothing where training ends."""
    from pg_core.learners import TrainingError

    while changes and changes[0][0] <= replay.identical:
        trainer.change(trainer.config.changed(**changes.popleft()[1]))
    until = min([replay.updates, *(update for update, _ in changes)])
    try:
        return trainer.advance(until - replay.identical)
    except TrainingError:  # the run has got beyond this update, so that is a difference like any other
        return []


def _compared(replay: Replay, trained: "Sequence[Update]", stored: Sequence[sa.Row[Any]]) -> Replay:
    """Return how far a replay is after some more updates."""
    if not trained:
        return Replay(replay.updates, replay.identical, tuple(ARRAYS))
    rows = {row.update: row for row in stored}
    for update in trained:
        row, again = rows.get(update.index), update_row("", update, seconds=0.0)
        different = tuple(name for name in ARRAYS if row is None or getattr(row, name) != again[name])
        if different:
            return Replay(replay.updates, update.index, different)
    return Replay(replay.updates, replay.identical + len(trained))
