"""Say why a run is not learning, and what to try."""

from dataclasses import dataclass
from typing import Any

from pg_core.config import Config
from pg_core.lab import state
from pg_core.lab.viewing import run
from pg_core.runs.diagnosis import MIN_UPDATES, Cause, causes, verdict
from pg_core.runs.diagnosis.best import best_kept
from pg_core.runs.diagnosis.measured import Measured
from pg_core.runs.store.records import Run
from pg_core.runs.store.store import Store

MAX_UPDATES = 1_000_000


@dataclass(frozen=True)
class Finding:
    """A cause, and the run that has its remedy.

    Attributes:
        cause: that the numbers show.
        values: hyperparameters to be set, empty where none helps.
        fork_at: updates that a fork with these values shares with the run; None: it takes a new run.
    """

    cause: Cause
    values: dict[str, Any]
    fork_at: int | None

    def config(self, of: Run) -> Config:
        """Return what a new run is trained with."""
        return Config(**{**dict(of.current), **self.values})


@dataclass(frozen=True)
class Diagnosis:
    """Why a run is not learning.

    Attributes:
        verdict: a sentence.
        findings: the most certain first; empty if it learns, or if nothing known shows.
        best: updates done at the best policy that is kept, and the mean return around it; None before the first update.
    """

    verdict: str
    findings: list[Finding]
    best: tuple[int, float] | None


def diagnose(run_id: str) -> Diagnosis:
    """Say what the numbers of a run show; it may be in training."""
    found, store = run(run_id), state.store()
    if found.updates < MIN_UPDATES:
        done = f"{found.updates} update{'s' * (found.updates != 1)}"
        return Diagnosis(f"It is too early to tell: {done} of at least {MIN_UPDATES}.", [], None)
    seen = Measured.of(store, found)
    findings = [_finding(store, found, cause) for cause in causes(seen)]
    return Diagnosis(verdict(seen, bool(findings)), findings, best_kept(store, found, store.policies(run_id)))


def _finding(store: Store, found: Run, cause: Cause) -> Finding:
    kept, values = store.checkpoints(found.id), dict(cause.remedy)
    if not kept or not all(found.current.is_live(name, value) for name, value in values.items()):
        return Finding(cause, values, None)
    at = _shared(store, found, cause, kept)
    if values and 2 * at > found.current.num_updates:  # or the fork would end before anything shows
        values["num_updates"] = min(MAX_UPDATES, at + found.current.num_updates)
    return Finding(cause, values, at)


def _shared(store: Store, found: Run, cause: Cause, kept: list[int]) -> int:
    if cause.name == "collapse":
        return best_kept(store, found, kept)[0]
    return max((at for at in kept if cause.until is None or at <= cause.until), default=kept[0])
