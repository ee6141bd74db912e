"""What the runs of a setting have come to, agent by agent."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pg_core.runs.store.records import Run
from pg_core.runs.store.rows import array_of
from pg_core.runs.store.store import Store
from pg_core.sweeps.pooling import Array
from pg_core.verdicts import MEASURES, Measure, Outcomes

MAX_POINTS = 100  # of a curve
RUNGS = range(10, 100, 10)  # percent of the updates, at which a setting may be found hopeless
CHANGED_FREELY = {"pace"}  # of a run: nothing that it learns depends on it


@dataclass(frozen=True)
class Outcome:
    """What S agents of one setting have come to, of one run or of several.

    Attributes:
        seeds: `[S]` by which agents of different settings are paired: they draw the same random numbers.
        final_return: `[S]` mean of the last 100 episodes; NaN of a run that diverged, whose agents have no policy left.
        area_under_curve: `[S]` mean of the learning curve over the updates that the run may do; one that has solved its
            environment has its final return in those that are left. NaN of a run that diverged.
        env_steps_to_solve: `[S]` ∞ where not solved.
        censored_at: `[S]` environment steps that were done, the most of any agent of the run: how long agents were
            watched must not depend on how well they did.
        update: `[n]` ascending indices.
        mean_return: `[n, S]` of the last 100 episodes.
        env_steps: `[n, S]` since the start.
    """

    seeds: Array
    final_return: Array
    area_under_curve: Array
    env_steps_to_solve: Array
    censored_at: Array
    update: Array
    mean_return: Array
    env_steps: Array


def counts(run: Run) -> bool:
    """Return whether a run shows what its setting comes to: it has trained, with nothing changed on the way."""
    changed = run.config.differences(run.current).keys() - CHANGED_FREELY
    return run.updates > 0 and not (run.deleted or changed) and (run.state != "failed" or run.diverged)


def of_runs(store: Store, runs: Sequence[Run]) -> Outcome | None:
    """Return what the agents of some runs have come to together; None where none of them has trained."""
    each = [_of_run(store, run) for run in runs if run.updates]
    if len(each) < 2:
        return each[0] if each else None
    longest = max(each, key=lambda outcome: int(outcome.update[-1]))
    at = [np.searchsorted(outcome.update, longest.update, "right") - 1 for outcome in each]
    joined = {name: np.concatenate([getattr(outcome, name) for outcome in each]) for name in
              ("seeds", *MEASURES, "censored_at")}  # fmt: skip
    along = {name: np.concatenate([getattr(one, name)[rows] for one, rows in zip(each, at, strict=True)], axis=1) for
             name in ("mean_return", "env_steps")}  # fmt: skip
    return Outcome(**joined, **along, update=longest.update)


def group(name: str, outcome: Outcome, measure: Measure) -> Outcomes:
    """Return the agents of one setting, with the scores that a measure compares, to be summarised."""
    scores = outcome.final_return if measure == "final_return" else outcome.area_under_curve
    return Outcomes(name, tuple(outcome.seeds.tolist()), scores, outcome.env_steps_to_solve, outcome.censored_at)


def by_progress(run: Run, outcome: Outcome) -> dict[int, Array]:
    """Return the mean returns `[S]` at each rung that a run has passed, by percent of its updates."""
    done = 100 * (outcome.update[-1] + 1) / run.current.num_updates
    indices = {rung: rung * run.current.num_updates // 100 for rung in RUNGS if rung <= done}
    rows = {rung: int(np.searchsorted(outcome.update, at, "right")) - 1 for rung, at in indices.items()}
    return {rung: outcome.mean_return[row] for rung, row in rows.items()}


def _of_run(store: Store, run: Run) -> Outcome:
    update, mean_return, env_steps = _curve(store, run.id, run.updates, run.rewinds, run.config.num_agents)
    final = np.full_like(mean_return[-1], np.nan) if run.diverged else mean_return[-1]
    left = 0 if run.active or run.state in ("stopped", "interrupted") else max(0, run.current.num_updates - run.updates)
    area = (mean_return.mean(axis=0) * run.updates + final * left) / (run.updates + left)
    steps = np.array([np.inf if steps is None else steps for steps in run.env_steps_to_solve], np.float64)
    seeds = run.config.seed * 2**10 + np.arange(run.config.num_agents)
    watched = np.full(len(seeds), env_steps[-1].max())
    return Outcome(seeds, final, area, steps, watched, update, mean_return, env_steps)


@functools.lru_cache(maxsize=512)
def _curve(store: Store, run_id: str, updates: int, rewinds: int, agents: int) -> tuple[Array, Array, Array]:
    """Return at most `MAX_POINTS` updates of a run, evenly spread, the first and the last among them."""
    wanted = np.unique(np.linspace(0, updates - 1, min(updates, MAX_POINTS)).round().astype(int))
    rows = store.updates_at(run_id, ["mean_return", "env_steps"], wanted.tolist())
    columns = [array_of(rows, name, agents).astype(np.float64) for name in ("mean_return", "env_steps")]
    return np.array([row.update for row in rows], np.int64), columns[0], columns[1]
