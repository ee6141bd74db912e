"""Looks after the sweeps that choose their settings as they go: asks what is next, and stops what is hopeless."""

import logging
import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from pg_core.config import HYPERPARAMETERS, ConfigError
from pg_core.runs.store import sweeps
from pg_core.runs.store.processes import is_alive
from pg_core.runs.store.records import RESUMABLE, WORKED_ON, Run, SweepRow
from pg_core.runs.store.store import Store
from pg_core.runs.store.sweeps import NewRun
from pg_core.sweeps import outcomes
from pg_core.sweeps.declaration import Sweep
from pg_core.sweeps.sampling import Tried, hopeless, next_settings
from pg_core.verdicts import interquartile_mean

_log = logging.getLogger(__name__)

BATCH = 8  # settings that are tried at once: trained together, and chosen without knowing of each other


def first_runs(sweep: Sweep, name: str) -> list[NewRun]:
    """Return the runs with which a sweep begins: all of a grid, else as many settings as are tried at once."""
    how_many = sweep.most if sweep.sampler == "grid" else BATCH
    return new_runs(sweep, name, next_settings(sweep, [], how_many), 0)


def new_runs(sweep: Sweep, name: str, settings: Sequence[dict[str, object]], first: int) -> list[NewRun]:
    """Return a run of each of some settings, whose numbers begin at `first`."""
    named = [(f"{name}: {setting_name(values)}", sweep.config(values)) for values in settings]
    return [NewRun(number, *each) for number, each in enumerate(named, first)]


def setting_name(values: Mapping[str, object]) -> str:
    """Return what a setting is called: `Learning rate 0.01, Baseline none`."""
    shown = [(HYPERPARAMETERS[axis], value) for axis, value in values.items()]
    return ", ".join(f"{parameter.label} {parameter.show(value)}" for parameter, value in shown)


def go_on(store: Store) -> None:
    """Queue the next settings of all sweeps that have room for some, but for those that another process looks after.

    One that cannot go on, since this lab cannot read it or train what comes next, is stopped: the others do.
    """
    for row in sweeps.searching(store):
        if row.process is None or not _is_at_work(store, row.process):
            try:
                prune(store, row)
                advance(store, row)
            except ConfigError as error:
                _log.warning("Sweep %s is stopped: %s", row.name, error)
                sweeps.aim(store, row.id, "stop")


def _is_at_work(store: Store, process: str) -> bool:
    """Return whether a process still looks after its sweep: one of another machine does while it works on a run."""
    return is_alive(process) or process in {each for _, _, each in store.worked_on()}


def advance(store: Store, row: SweepRow, process: str | None = None) -> None:
    """Add runs of the next settings of a sweep if few are active.

    Args:
        store: of the sweep.
        row: of the sweep.
        process: that is going to work on the new runs; None: they are queued.
    """
    sweep = Sweep.from_json(row.declaration)
    before = sweeps.settings_of(store, row.id)
    tried = _tried(store, sweep, store.runs(deleted=True, sweep_id=row.id))
    active = sum(each.score is None and not each.stopped for each, _ in tried)
    if len(tried) >= sweep.most:
        if not active:
            sweeps.aim(store, row.id, "done")
    elif active <= BATCH // 2:
        chosen = next_settings(sweep, [each for each, _ in tried], BATCH - active)
        sweeps.extend(store, row, before, new_runs(sweep, row.name, chosen, max(before, default=-1) + 1), process)


def prune(store: Store, row: SweepRow) -> None:
    """Stop the settings of a sweep that are hopeless, if it is declared to prune."""
    sweep = Sweep.from_json(row.declaration)
    if not sweep.prune:
        return
    tried = _tried(store, sweep, store.runs(deleted=True, sweep_id=row.id))
    for number in hopeless(sweep, [each for each, _ in tried]):
        for run in tried[number][1]:
            store.transition(run.id, WORKED_ON, target="stop")


def values_tried(sweep: Sweep, runs: Sequence[Run]) -> list[Tried]:
    """Return the settings of which a run was added, whatever it has come to."""
    return [Tried(sweep.values_of(run.config)) for run in {run.setting: run for run in runs}.values()]


def _tried(store: Store, sweep: Sweep, runs: Sequence[Run]) -> list[tuple[Tried, list[Run]]]:
    """Return the settings of a sweep as Optuna is told of them, each with its runs."""
    in_order = sorted(runs, key=lambda run: run.setting or 0)
    return [_told(store, sweep, list(mine)) for _, mine in groupby(in_order, key=lambda run: run.setting)]


def _told(store: Store, sweep: Sweep, runs: list[Run]) -> tuple[Tried, list[Run]]:
    values = sweep.values_of(runs[0].config)
    outcome = outcomes.of_runs(store, [run for run in runs if outcomes.counts(run)])
    if outcome is None:
        return Tried(values, stopped=not any(run.active for run in runs)), runs
    progress = outcomes.by_progress(runs[0], outcome)
    curve = {rung: float(interquartile_mean(returns)) for rung, returns in progress.items()}
    if any(run.active for run in runs):
        return Tried(values, None, curve), runs
    score = float(interquartile_mean(outcome.area_under_curve))  # NaN where one has diverged: as bad as can be
    stopped = not math.isfinite(score) or any(run.state in RESUMABLE for run in runs)
    return Tried(values, score, {} if math.isnan(score) else curve, stopped), runs
