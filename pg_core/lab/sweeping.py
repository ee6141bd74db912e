"""Sweeps: start them, see what they come to, stop them or some of it, and go on with further seeds, values or trials.

Every function that takes the id of a sweep raises UnknownSweep where there is none; if it controls one, NotAllowed
where it is someone else's.
"""

import uuid
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pg_core.config import Config
from pg_core.lab import access, control, limits, state
from pg_core.learning import memory
from pg_core.runs.store import sweeps as kept
from pg_core.runs.store.records import Run, SweepRow
from pg_core.runs.store.rows import name_of
from pg_core.runs.store.sweeps import NewRun
from pg_core.sweeps import searching
from pg_core.sweeps import view as seen
from pg_core.sweeps.declaration import MAX_SEEDS, Axis, Sweep, SweepError
from pg_core.sweeps.sampling import next_settings

ATTEMPTS = 10  # to extend a sweep while others do
STEPS_A_SECOND = {True: 1_000_000, False: 20_000}  # of one processor, by whether the engine is compiled


def start_sweep(sweep: Sweep, name: str | None = None, sweep_id: str | None = None) -> str:
    """Queue the first runs of a sweep, of a grid all, and return its id.

    Args:
        sweep: what is to be tried.
        name: None: one is invented.
        sweep_id: made by the caller, 32 hexadecimal digits: a second start with it is the same sweep, and changes
            nothing.

    Raises:
        ConfigError: the name has no or more than 80 characters, or training does not fit into the free memory.
        ValueError: `sweep_id` has another form.
        NotAllowed: with its runs the visitor, or the lab, would have more than are allowed.
    """
    control.check_id("sweep_id", sweep_id)
    row, store = declared(sweep, name, sweep_id), state.store()
    if not kept.has(store, row.id):
        runs = searching.first_runs(sweep, row.name)
        limits.check_memory(*(run.config for run in runs))
        try:
            with limits.admission(len(runs)) as visitor:
                kept.add(store, replace(row, owner=visitor.id, session=visitor.session), runs)
        except access.NotAllowed:
            if not kept.has(store, row.id):  # else the same press has taken the last places itself
                raise
    state.supervisor().wake()
    return row.id


def declared(sweep: Sweep, name: str | None, sweep_id: str | None = None) -> SweepRow:
    """Return what is kept of a sweep that is to be started.

    Raises:
        ConfigError: the name has no or more than 80 characters.
    """
    target = "done" if sweep.sampler == "grid" else "run"  # a grid has all its runs from the start
    return SweepRow(sweep_id or uuid.uuid4().hex, name_of(name), datetime.now(UTC), sweep.to_json(), target)


def sweep(sweep_id: str) -> seen.View:
    """Return a sweep as it is now: its settings, their states, curves and measures."""
    store = state.store()
    store.note_dead()
    return seen.view(store, sweep_id)


def sweep_stamp(sweep_id: str) -> tuple[Hashable, ...]:
    """Return what changes whenever anything changes that a page shows of a sweep; it takes two short reads."""
    return kept.stamp(state.store(), sweep_id)


def sweeps() -> list[SweepRow]:
    """Return all sweeps of which a run is there, newest first."""
    return kept.sweeps(state.store())


def stop_sweep(sweep_id: str) -> None:
    """Stop all runs of a sweep, keeping what they have learned, and try no further setting."""
    _controlled(sweep_id)
    kept.aim(state.store(), sweep_id, "stop")
    _each(sweep_id, control.stop)


def stop_setting(sweep_id: str, setting: int) -> None:
    """Stop the runs of one setting of a sweep, keeping what they have learned."""
    _controlled(sweep_id)
    _each(sweep_id, control.stop, setting)


def resume_sweep(sweep_id: str) -> None:
    """Have the runs of a sweep that were stopped or interrupted go on, and further settings be tried."""
    found = _controlled(sweep_id)
    more = len(set(kept.settings_of(state.store(), sweep_id))) < Sweep.from_json(found.declaration).most
    kept.aim(state.store(), sweep_id, "run" if more else "done")
    _each(sweep_id, control.resume)


def _each(sweep_id: str, order: Callable[[str], None], setting: int | None = None) -> None:
    for run in state.store().runs(sweep_id=sweep_id):
        if setting in (None, run.setting) and run.changeable:
            order(run.id)


def extend_sweep(
    sweep_id: str, *, seeds: int = 0, values: Mapping[str, Sequence[Any]] | None = None, trials: int = 0,
    settings: Collection[int] | None = None,
) -> None:  # fmt: skip
    """Queue more of a sweep: further seeds of its settings, further values of its axes, or further trials.

    Further seeds of a setting are a run of its own, whose config has the seed that follows that of the run before:
    agent k of it draws other numbers than any before, and the same as agent k of every other setting's. They are pooled
    with the others of their setting.

    Args:
        sweep_id: of the sweep.
        seeds: how many more agents of each setting.
        values: by axis; of a grid all combinations with them are queued.
        trials: how many more settings a sampler chooses.
        settings: whose seeds; None: of all settings that have a run.

    Raises:
        SweepError: there would be too many seeds or settings, or a value is not valid.
        ConfigError: there is no such setting, or training does not fit into the free memory.
        NotAllowed: with the new runs the visitor, or the lab, would have more than are allowed.
    """
    for _ in range(ATTEMPTS):
        row, store = _controlled(sweep_id), state.store()
        before, runs = kept.settings_of(store, sweep_id), store.runs(deleted=True, sweep_id=sweep_id)
        sweep = Sweep.from_json(row.declaration)
        more = extended(sweep, values or {}, trials)
        added = [*_further_seeds(row.name, runs, seeds, settings), *_further_settings(row.name, more, runs, before)]
        limits.check_memory(*(run.config for run in added))
        grown = replace(row, declaration=more.to_json(), target="run" if trials else row.target)
        with limits.admission(len(added)):
            done = kept.extend(store, grown, before, added)
        if done:
            state.supervisor().wake()
            return
    raise access.NotAllowed("Others extend this sweep at the same time: try again.")


def extended(sweep: Sweep, values: Mapping[str, Sequence[Any]], trials: int = 0) -> Sweep:
    """Return a sweep with further values of its axes, or with more trials.

    Raises:
        SweepError: a name is no axis of it, or the sweep cannot be what it then is.
    """
    if unknown := set(values) - {axis.name for axis in sweep.axes}:
        raise SweepError(f"`{min(unknown)}` is no axis of this sweep: {', '.join(axis.name for axis in sweep.axes)}.")
    axes = tuple(_longer(axis, values.get(axis.name, ())) for axis in sweep.axes)
    return Sweep(**{**dict(sweep), "axes": axes, "trials": sweep.trials + trials})


def _longer(axis: Axis, values: Sequence[Any]) -> Axis:
    longer = Axis(name=axis.name, values=[*axis.values, *values])
    return longer if axis.scale == "list" else Axis(name=axis.name, scale=axis.scale, values=sorted(longer.values))


def _further_seeds(name: str, runs: Sequence[Run], seeds: int, settings: Collection[int] | None) -> list[NewRun]:
    """Return a run of further seeds for each setting of which a run is there."""
    if not 0 <= seeds <= MAX_SEEDS:
        raise SweepError(f"`seeds` must be in [0, {MAX_SEEDS}] at a time, got {seeds}.")
    there = {run.setting for run in runs if run.setting is not None and not run.deleted}
    if settings is not None and not there.issuperset(settings):
        raise SweepError(f"`settings` must be among {sorted(there)}, got {sorted(set(settings) - there)}.")
    added = []
    for setting in sorted(there if settings is None else settings) if seeds else ():
        last = max((run for run in runs if run.setting == setting), key=lambda run: run.config.seed)
        config = type(last.config)(**{**last.config.model_dump(), "seed": last.config.seed + 1, "num_agents": seeds})
        added.append(NewRun(setting, last.name, config))
    return added


def _further_settings(name: str, sweep: Sweep, runs: Sequence[Run], before: Sequence[int]) -> list[NewRun]:
    """Return a run of each setting that a grid has and that was not tried yet; samplers choose theirs later."""
    if sweep.sampler != "grid":
        return []
    tried = searching.values_tried(sweep, runs)
    return searching.new_runs(sweep, name, next_settings(sweep, tried, sweep.most), max(before, default=-1) + 1)


class Estimate(NamedTuple):
    """What a sweep takes: how many runs, agents of all of these, and about how many seconds of this machine."""

    runs: int
    agents: int
    seconds: float


def estimate_sweep(sweep: Sweep) -> Estimate:
    """Estimate what a sweep takes before it is started.

    Of the time it is known what the newest run of such an environment took that has ended by itself: environment steps
    an update, updates, and steps a second on one processor. Where there is none, episodes are taken to be half as long
    as they may be, and nothing to be solved.
    """
    settings = [sweep.config(values) for values in (sweep.grid() if sweep.sampler == "grid" else [{}] * sweep.trials)]
    ended = [run for run in state.store().runs() if run.state in ("solved", "finished") and run.wall_seconds > 0]
    seconds = sum(_processor_seconds(config, ended) for config in settings) / memory.THREADS
    return Estimate(len(settings), len(settings) * sweep.seeds, seconds)


def _processor_seconds(config: Config, ended: Sequence[Run]) -> float:
    """Estimate the seconds that one processor takes to train a setting."""
    kind = config.env_id, config.env_kwargs, config.compiled
    alike = [run for run in ended if (run.config.env_id, run.config.env_kwargs, run.config.compiled) == kind]
    if not alike:
        steps = config.num_updates * config.episodes_per_update * config.environment.max_episode_steps / 2
        return config.num_agents * steps / STEPS_A_SECOND[config.compiled]
    run = alike[0]
    an_episode = run.env_steps / run.episodes
    solves = run.state == "solved" and config.stop_when_solved
    updates = min(config.num_updates, run.updates) if solves else config.num_updates
    steps = config.num_agents * config.episodes_per_update * updates * an_episode
    processors = min(memory.shards(run.config), memory.THREADS) if run.config.compiled else 1
    return steps * run.wall_seconds * processors / run.env_steps


def export_sweep(sweep_id: str) -> str:
    """Return the declaration of a sweep as JSON; `Sweep.from_json` reads it, here or elsewhere."""
    return kept.sweep(state.store(), sweep_id).declaration


def _controlled(sweep_id: str) -> SweepRow:
    found = kept.sweep(state.store(), sweep_id)
    if not access.controls(found.owner):
        whose = "someone else" if found.owner else "an administrator, as it was started without a log-in"
        raise access.NotAllowed(f"Sweep {found.name} belongs to {whose}; start one of your own with its declaration.")
    return found
