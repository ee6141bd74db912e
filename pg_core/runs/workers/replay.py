"""Trains a run again from its config and its changes: to compare it with what is stored, or for a policy it had."""

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from pg_core import runtime
from pg_core.policies.in_numpy import MEAN, VARIANCE
from pg_core.runs.store.records import ARITHMETIC, Array, NoPolicy, Snapshot
from pg_core.runs.store.rows import update_row
from pg_core.runs.store.schema import ARRAYS, MEASURED_LATER
from pg_core.runs.store.store import Store
from pg_core.runs.workers.again import advance, again
from pg_core.runs.workers.worker import prepare_tensorflow

if TYPE_CHECKING:
    from pg_core.engines import Trajectories
    from pg_core.learning.dissection import Dissection
    from pg_core.learning.trainer import Update


@dataclass(frozen=True)
class Replay:
    """How far a run was trained again.

    Attributes:
        updates: of the run.
        identical: of these, from the first on, as far as they were compared.
        arrays: names of those that differ in the next one; all if only one of the two has that update.
        arithmetic: version of the trainer's with which the run began.
        elsewhere: whether another type of processor than this one trained some of these updates.
    """

    updates: int
    identical: int = 0
    arrays: tuple[str, ...] = ()
    arithmetic: int = ARITHMETIC
    elsewhere: bool = False

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
    elsewhere = bool(run.processors_of(0, run.updates) - {runtime.processor()})
    replay = Replay(run.updates, arithmetic=run.arithmetic, elsewhere=elsewhere)
    yield replay
    prepare_tensorflow(store.folder)
    from pg_core.learning.trainer import Trainer

    trainer = Trainer(run.config)
    try:
        trainer.compile()
        while replay.identical < replay.updates and not replay.arrays:
            trained = advance(trainer, changes, replay.identical, replay.updates)
            stored = store.updates(run_id, list(ARRAYS), replay.identical, len(trained))
            replay = _compared(replay, trained, stored)
            yield replay
    finally:
        trainer.close()


def kept_policy(store: Store, run_id: str, update: int) -> dict[str, Array]:
    """Return the policy of a run after `update` updates, if it is kept; this never trains.

    Raises:
        NoPolicy: it is not.
    """
    kept = store.policy(run_id, update)
    if kept is None or kept[0] != update:
        raise NoPolicy(f"The policy at update {update:,} was thinned meanwhile; ask again.")
    return kept[1]


def policy_at(store: Store, run_id: str, update: int) -> dict[str, Array]:
    """Return the policy of a run after `update` updates, bit for bit.

    It is the one that was kept, or trained again from the last checkpoint before it, with the recorded changes.

    Raises:
        UnknownRun: there is no such run.
        NoPolicy: the run has not come so far, or cannot be trained so far again, as by another arithmetic.
        ConfigError: this lab cannot train it.
    """
    with contextlib.suppress(NoPolicy):
        return kept_policy(store, run_id, update)
    with again(store, run_id, update) as trainer:
        return trainer.policy()


def value_at(store: Store, run_id: str, update: int) -> dict[str, Array]:
    """Return the value networks of a run after `update` updates, bit for bit, and what normalises their inputs.

    They are those of the checkpoint there, or trained again from the last one before it.

    Raises:
        UnknownRun, ConfigError: as `policy_at`.
        NoPolicy: as there, or the run learns no value network.
    """
    checkpoint = store.checkpoint(run_id, update)
    if checkpoint is None or checkpoint["update"] != update:
        with again(store, run_id, update) as trainer:
            checkpoint = trainer.checkpoint()
    value = {name.removeprefix("value/"): array for name, array in checkpoint.items() if name.startswith("value/")}
    if not value:
        raise NoPolicy('This run learns no value network: only runs with `baseline` "value" do.')
    seen = {name: checkpoint[f"policy/{name}"] for name in (MEAN, VARIANCE) if f"policy/{name}" in checkpoint}
    return value | seen


def snapshot_at(store: Store, run_id: str, update: int) -> Snapshot:
    """Return all that the trainer of a run was after `update` updates, bit for bit.

    Raises:
        UnknownRun, NoPolicy, ConfigError: as `policy_at`.
    """
    with again(store, run_id, update) as trainer:
        return Snapshot(update, trainer.policy(), trainer.checkpoint())


def dissection_at(store: Store, run_id: str, update: int, agent: int) -> "tuple[Update, Trajectories, Dissection]":
    """Take an update of a run apart for one of its agents: it is trained again, from the very same episodes.

    Args:
        store: of the run.
        run_id: of the run.
        update: index of the update, in [0, updates of the run - 1].
        agent: in [0, P-1].

    Returns:
        Its record, what that agent played, `[T, 1, B, ...]`, and what each step was given credit for.

    Raises:
        UnknownRun, ConfigError: as `policy_at`.
        NoPolicy: as there, or the update cannot be done exactly again.
    """
    differs = NoPolicy(f"Update {update:,} of this run cannot be done exactly again here, so it is not taken apart.")
    stored = store.updates(run_id, list(ARRAYS), update, 1)
    with again(store, run_id, update) as trainer:
        from pg_core.learning.dissection import dissect_next
        from pg_core.learning.learners import TrainingError

        trainer.change(store.config_after(run_id, update + 1))  # what came into force in this very update
        try:
            record, played, dissection = dissect_next(trainer, agent)
        except TrainingError as error:
            raise differs from error
    same = _compared(Replay(update + 1, update), [record], stored).identical > update
    if not (same and np.array_equal(played.mask[:, 0].sum(axis=0), record.episodic_lengths[agent])):
        raise differs
    return record, played, dissection


def estimators_at(store: Store, run_id: str, update: int, agent: int, batches: int) -> bytes:
    """Measure all estimators with the policy that an agent of a run had, on fresh batches.

    Args:
        store: of the run.
        run_id: of the run.
        update: number of updates done, in [0, updates of the run].
        agent: in [0, P-1].
        batches: N, at least 3.

    Returns:
        The bytes of a JSON object, see `estimators.to_json`.

    Raises:
        UnknownRun, NoPolicy: as `policy_at`.
        ConfigError: as there, or so many batches do not fit into the memory that is free.
    """
    with again(store, run_id, update) as trainer:
        from pg_core.learning import estimators

        trainer.change(store.config_after(run_id, update + 1))  # what comes into force with the next update
        found = estimators.compare(trainer.config, trainer.state, agent, update, batches)
        return estimators.to_json(trainer.config, agent, update, batches, found)


def _compared(replay: Replay, trained: "Sequence[Update]", stored: Sequence[sa.Row[Any]]) -> Replay:
    """Return how far a replay is after some more updates."""
    if not trained:
        return replace(replay, arrays=tuple(ARRAYS))
    rows = {row.update: row for row in stored}
    for update in trained:
        row, again = rows.get(update.index), update_row("", update, seconds=0.0)
        different = tuple(name for name in ARRAYS if row is None or _differs(name, getattr(row, name), again[name]))
        if different:
            return replace(replay, identical=update.index, arrays=different)
    return replace(replay, identical=replay.identical + len(trained))


def _differs(name: str, stored: bytes, again: bytes) -> bool:
    """Return whether an array is another; what an earlier lab did not measure is not."""
    unknown = name in MEASURED_LATER and np.isnan(np.frombuffer(stored, ARRAYS[name])).all()
    return stored != again and not unknown
