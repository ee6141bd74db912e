"""What the store knows of a run, and what its worker and the store tell each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy.typing as npt

from pg_core.config import Config, ConfigError

if TYPE_CHECKING:  # the trainer imports TensorFlow, the server's store must not
    from pg_core.learning.trainer import Update

Array = npt.NDArray[Any]

# Of the trainer: a run of another is the same again until a rounding error changes an action. Of 3 were also those that
# forked workers trained without the flags of `runtime`.
ARITHMETIC = 4
MAX_CHANGES = 1_000  # of a run: whoever looks at it reads them all

ACTIVE = ("queued", "starting", "running", "paused")
WORKED_ON = ("starting", "running", "paused")
RESUMABLE = ("stopped", "interrupted")
DIVERGED = "Training diverged"  # how the reason begins for which a run that diverged has failed
REMOVED = 0.0  # when a run that is being removed was deleted: it is gone for all, its rows at the next start at last


class RunEnded(ConfigError):
    """Raised when what a run is asked for comes after its end."""


class UnknownRun(KeyError):
    """Raised when no run has the id asked for."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"No run has the id {run_id[:64]!r}; it may have been deleted.")

    def __str__(self) -> str:
        return str(self.args[0])


class NoPolicy(LookupError):
    """Raised when a policy is neither kept nor can be trained again; its message is a sentence."""


class LostRun(RuntimeError):
    """Raised when a process writes to a run that it no longer works on."""

    def __init__(self, run_id: str, process: str) -> None:
        super().__init__(f"Process {process} no longer works on run {run_id}.")


@dataclass(frozen=True)
class Run:
    """One run as the store knows it.

    Attributes:
        id: made by the store.
        state: queued, starting, running, paused, solved, finished, stopped, failed or interrupted.
        reason: a sentence, if there is something to say about the state.
        created_at: UTC.
        config: as it was started.
        current: in force, or requested and in force from the next update on.
        updates: gradient steps done.
        episodes: played by all agents together.
        env_steps: done by all agents together.
        wall_seconds: spent in training, without pauses and without waiting for the pace.
        elapsed_seconds: for which it has run: waits for the pace included, pauses not.
        steps_per_second: environment steps of all agents per second of training, over the last 50 updates.
        mean_return: over agents, each agent's mean of its last 100 episodes.
        best_return: of the best single episode.
        env_steps_to_solve: of each agent; None where not solved.
        target: what its worker is to do: run, pause or stop.
        until: updates that are to be done before it pauses, if that is its target.
        rewinds: how often updates were dropped to continue from an earlier checkpoint.
        note: what a person says of it.
        tags: by which a person finds it.
        pinned: whether it stands before the others.
        parent_id: of the run that it was forked from, None for most.
        parent_update: updates that it shares with that run.
        owner: the log-in of who controls it, None if it was started without one.
        deleted: whether it is out of sight, and can be restored.
        arithmetic: version of the trainer's, see `ARITHMETIC`.
        sweep_id: of the sweep that it belongs to, None for most.
        setting: the number of its setting in that sweep.
        processors: on what type of processor the run was trained, see `runtime.processor`, each with the first update
            for which that holds; only on one of the same type is it the same again, bit for bit.
    """

    id: str
    name: str
    state: str
    reason: str
    created_at: datetime
    config: Config
    current: Config
    updates: int
    episodes: int
    env_steps: int
    wall_seconds: float
    elapsed_seconds: float
    steps_per_second: float
    mean_return: float | None
    best_return: float | None
    env_steps_to_solve: tuple[int | None, ...]
    target: str
    until: int
    rewinds: int
    note: str = ""
    tags: tuple[str, ...] = ()
    pinned: bool = False
    parent_id: str | None = None
    parent_update: int | None = None
    owner: str | None = None
    deleted: bool = False
    arithmetic: int = ARITHMETIC
    sweep_id: str | None = None
    setting: int | None = None
    processors: tuple[tuple[int, str], ...] = ()

    def processors_of(self, first: int, end: int) -> set[str]:
        """Return the types of processor on which updates in [first, end) were trained, as far as that is known."""
        ends = [at for at, _ in self.processors[1:]] + [end]
        return {
            name for (at, name), until in zip(self.processors, ends, strict=False) if max(at, first) < min(until, end)
        }

    @property
    def active(self) -> bool:
        """Whether a worker trains it, will train it, or waits with it."""
        return self.state in ACTIVE

    @property
    def diverged(self) -> bool:
        """Whether its policy or gradient was no longer finite: a result of its settings."""
        return self.state == "failed" and self.reason.startswith(DIVERGED)

    @property
    def changeable(self) -> bool:
        """Whether live hyperparameters may be changed: it is active, or can be resumed."""
        return self.state in ACTIVE + RESUMABLE and not self.deleted

    @property
    def reward_threshold(self) -> float | None:
        """Mean return that counts as solved."""
        return self.config.environment.reward_threshold


@dataclass(frozen=True)
class Request:
    """Live values that someone asked for, and the first update in which they were in force."""

    id: int
    values: dict[str, Any]
    update: int | None


@dataclass(frozen=True)
class Orders:
    """What a worker is to do: target (run, pause or stop), updates before a pause, requests it has not seen."""

    target: str
    until: int
    requests: list[Request]


@dataclass(frozen=True)
class Snapshot:
    """A trainer's state after `update` updates: its policy, and all of it if it is to go on from there."""

    update: int
    policy: Mapping[str, Array]
    checkpoint: Mapping[str, Array] | None


@dataclass(frozen=True)
class Batch:
    """What a worker commits at once.

    Attributes:
        updates: each with the seconds of training since the start of the run.
        summary: columns of the run that follow from them.
        in_force: first update of each request that came into force, by its id.
        snapshots: to be kept, in order; the last one is that after all of the updates, unless training broke off.
        recent: updates done at the newest snapshots of the commits before, in order; see `history.RECENT`.
    """

    updates: Sequence[tuple["Update", float]]
    summary: Mapping[str, Any]
    in_force: Mapping[int, int]
    snapshots: Sequence[Snapshot]
    recent: Sequence[int] = ()


@dataclass(frozen=True)
class SweepRow:
    """A sweep as the store knows it.

    Attributes:
        id: made by who starts it.
        name: for people.
        created_at: UTC.
        declaration: as JSON.
        target: run while there are further settings to try, then done; or stop: no more are tried.
        process: that looks after it as long as it lives; None: any server does.
        owner: the log-in of who controls it, None if it was started without one.
        session: of the browser that started it.
    """

    id: str
    name: str
    created_at: datetime
    declaration: str
    target: str = "run"
    process: str | None = None
    owner: str | None = None
    session: str | None = None


class Score(NamedTuple):
    """What came of a visitor's game against the policy of an agent after `update` updates: steps until each fell."""

    update: int
    agent: int
    visitor_steps: int
    opponent_steps: int
