"""A sweep as it is seen: its settings, what state they are in, and what they have come to."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from pg_core.config import Config
from pg_core.runs.store import sweeps
from pg_core.runs.store.records import Run, SweepRow
from pg_core.runs.store.store import Store
from pg_core.sweeps import outcomes
from pg_core.sweeps.declaration import Sweep
from pg_core.sweeps.outcomes import Outcome
from pg_core.sweeps.pooling import Array, iqm
from pg_core.verdicts import Measure, summarise

BETTER: dict[Measure, int] = {"env_steps_to_solve": -1, "final_return": 1, "area_under_curve": 1}  # more, or less
TITLES: dict[Measure, str] = {
    "env_steps_to_solve": "environment steps to solve",
    "final_return": "final return",
    "area_under_curve": "area under the curve",
}


class Measured(NamedTuple):
    """A number over seeds, and both ends of its 95 % interval.

    NaN where there is none yet, ∞ where it is not reached, -∞ of seeds that have diverged.
    """

    value: float
    low: float
    high: float


SCORES: tuple[Measure, ...] = ("final_return", "area_under_curve")
NOTHING: dict[Measure, Measured] = dict.fromkeys(BETTER, Measured(*3 * (math.nan,)))


@dataclass(frozen=True)
class SettingCurve:
    """The learning curve of a setting, n points.

    Attributes:
        update: `[n]` index.
        episodes: `[n]` of each agent, cumulative.
        env_steps: `[n]` mean over agents, cumulative.
        iqm: `[n, 3]` interquartile mean over the setting's agents of the mean return, and its 95 % interval.
    """

    update: Array
    episodes: Array
    env_steps: Array
    iqm: Array


@dataclass(frozen=True)
class Setting:
    """One setting of a sweep.

    Attributes:
        number: within the sweep; it stays what it is.
        values: by axis.
        config: with the first seeds.
        runs: that are not deleted: the first, then those of further seeds.
        state: queued, training, paused, solved, finished, diverged, stopped, interrupted or failed.
        seeds: agents that are pooled.
        solved: how many of these have solved their environment.
        left_out: runs that are not pooled, since they were changed on the way or have failed.
        curve: None before the first update.
        measures: by name, see `verdicts.MEASURES`: median steps to solve, interquartile means of the others; of what
            there is so far, while it is being trained.
    """

    number: int
    values: dict[str, Any]
    config: Config
    runs: tuple[Run, ...]
    state: str
    seeds: int
    solved: int
    left_out: int
    curve: SettingCurve | None
    measures: dict[Measure, Measured]

    @property
    def active(self) -> bool:
        """Whether a run of it waits, or is being trained."""
        return any(run.active for run in self.runs)


@dataclass(frozen=True)
class View:
    """A sweep as it is seen.

    Attributes:
        id: of the sweep.
        name: for people.
        created_at: UTC.
        owner: the log-in of who controls it, None if it was started without one.
        sweep: its declaration, with what it was extended by.
        state: training, stopped or done.
        settings: by number; those of which a run is there.
    """

    id: str
    name: str
    created_at: datetime
    owner: str | None
    sweep: Sweep
    state: str
    settings: tuple[Setting, ...]

    def best(self, measure: Measure) -> list[Setting]:
        """Return the settings by a measure, the best first, those without one last."""
        values = [-BETTER[measure] * setting.measures[measure].value for setting in self.settings]
        return [self.settings[place] for place in np.argsort(values, kind="stable")]  # NaN is last


def view(store: Store, sweep_id: str) -> View:
    """Return a sweep as it is now.

    Raises:
        UnknownSweep: there is none.
        ConfigError: this lab cannot read its declaration.
    """
    row = sweeps.sweep(store, sweep_id)
    sweep = Sweep.from_json(row.declaration)
    runs = sorted(store.runs(sweep_id=sweep_id), key=lambda run: (run.setting or 0, run.config.seed))
    by_setting = groupby(runs, key=lambda run: run.setting or 0)
    settings = tuple(_setting(store, sweep, number, tuple(mine)) for number, mine in by_setting)
    return View(row.id, row.name, row.created_at, row.owner, sweep, _state(row, settings), settings)


def pooled(store: Store, setting: Setting) -> Outcome | None:
    """Return what the agents of a setting have come to, of all its runs that count; None where none has trained."""
    return outcomes.of_runs(store, setting.runs)


def _state(row: SweepRow, settings: Sequence[Setting]) -> str:
    if row.target == "run" or any(setting.active for setting in settings):
        return "training"
    halted = {"stopped", "interrupted"}
    return "stopped" if row.target == "stop" or any(setting.state in halted for setting in settings) else "done"


def _setting(store: Store, sweep: Sweep, number: int, runs: tuple[Run, ...]) -> Setting:
    counted = [run for run in runs if outcomes.counts(run)]
    found = _summary(store, _Counted.of(counted)) if counted else (None, NOTHING)
    solved = sum(steps is not None for run in counted for steps in run.env_steps_to_solve)
    seeds = sum(run.config.num_agents for run in counted)
    left_out = sum(run.updates > 0 or run.state == "failed" for run in runs) - len(counted)
    values = sweep.values_of(runs[0].config)
    return Setting(number, values, runs[0].config, runs, _state_of(runs), seeds, solved, left_out, *found)


def _state_of(runs: Sequence[Run]) -> str:
    """Return the state of a setting: of its runs, that which is of most interest."""
    more = {"starting": "training", "running": "training"}
    states = ["diverged" if run.diverged else more.get(run.state, run.state) for run in runs]
    order = ("training", "queued", "paused", "failed", "diverged", "interrupted", "stopped", "finished", "solved")
    return min(states, key=order.index)


@dataclass(frozen=True)
class _Counted:
    """Runs that count, equal to others as long as what follows from them is the same."""

    key: tuple[tuple[str, int, int, str], ...]
    runs: Sequence[Run] = field(compare=False)

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "_Counted":
        return cls(tuple((run.id, run.updates, run.rewinds, run.state) for run in runs), runs)


@functools.lru_cache(maxsize=512)
def _summary(store: Store, counted: _Counted) -> tuple[SettingCurve | None, dict[Measure, Measured]]:
    """Return curve and measures of the runs of a setting that count."""
    outcome = outcomes.of_runs(store, counted.runs)
    assert outcome is not None
    curve = SettingCurve(
        outcome.update,
        (outcome.update + 1) * counted.runs[0].config.episodes_per_update,
        outcome.env_steps.mean(axis=1),
        iqm(outcome.mean_return),
    )
    groups = {measure: summarise(outcomes.group("", outcome, measure)) for measure in SCORES}
    steps = groups["final_return"]
    measures = {measure: Measured(each.iqm, *each.iqm_interval) for measure, each in groups.items()}
    measures["env_steps_to_solve"] = Measured(steps.median_steps, *steps.median_interval)
    return curve, measures
