"""Compare runs: the numbers of their curves, and the settings in which they differ."""

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from pg_core import verdicts
from pg_core.config import HYPERPARAMETERS, ConfigError
from pg_core.lab import access, state
from pg_core.runs.curves.curves import Curves
from pg_core.runs.store.records import Array, Run
from pg_core.sweeps import outcomes, searching, view
from pg_core.verdicts import Measure, Outcomes, Verdict, compare_all

Axis = Literal["episodes", "env_steps", "seconds"]  # along which curves are compared

MAX_ROWS = 10  # of a run
SEEDS = {"seed", "num_agents", "pace"}  # in which runs may differ whose agents are pooled


def curve_rows(curves: Curves, axis: Axis) -> list[Array]:
    """Return n ≤ 10 rows of a run's curve, evenly spread over it.

    Returns:
        Four columns `[n]`: place on the axis; IQM of the mean return over agents, and both ends of its 95 % interval.
    """
    updates = len(curves.update)
    rows = np.unique(np.linspace(0, updates - 1, min(updates, MAX_ROWS)).round().astype(int))
    return [column[rows] for column in (getattr(curves, axis), *curves.iqm.T)]


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return the hyperparameters in which runs differ now, with the value of each run."""
    values = {name: [getattr(run.current, name) for run in runs] for name in HYPERPARAMETERS}
    return {name: each for name, each in values.items() if any(value != each[0] for value in each)}


class Group(NamedTuple):
    """Runs whose agents are pooled: of one setting, with seeds of their own."""

    name: str
    runs: list[Run]


def group_of(text: str) -> Group:
    """Return the runs that are meant by `SWEEP:SETTING`, by the id of a run, or by several with commas between them.

    Raises:
        UnknownRun, UnknownSweep: there is no such run or sweep.
        ConfigError: the sweep has no such setting, or the runs differ in more than their seeds.
    """
    sweep_id, colon, number = text.partition(":")
    if colon:
        return _setting_of(sweep_id, number)
    runs = [access.visible(run_id.strip()) for run_id in text.split(",")]
    settings = [run.current.model_dump(exclude=SEEDS) for run in runs]
    for name, value in settings[0].items():
        if any(each[name] != value for each in settings):
            raise ConfigError(f"Runs are pooled only if their settings agree: these differ in `{name}`.")
    return Group(" + ".join(run.name for run in runs), runs)


def _setting_of(sweep_id: str, number: str) -> Group:
    found = view.view(state.store(), sweep_id)
    settings = {str(setting.number): setting for setting in found.settings}
    if number not in settings:
        raise ConfigError(f"A setting of sweep {found.name} must be one of {', '.join(settings)}, got {number!r}.")
    setting = settings[number]
    return Group(searching.setting_name(setting.values), _counted(setting))


def _counted(setting: view.Setting) -> list[Run]:
    return [run for run in setting.runs if outcomes.counts(run)]


def compare(*groups: str, measure: Measure | None = None) -> tuple[Verdict, ...]:
    """Compare groups of seeds with the last of them, paired by the seeds that both have.

    Where there are more than two, what is said of each is corrected for their number.

    Args:
        groups: at least two, see `group_of`.
        measure: None: environment steps to solve where a return counts as solved, else the final return.

    Raises:
        ConfigError: they are fewer, or of different environments, or none of the runs of one has trained.
        VerdictError: a seed is there twice in a group, or a group twice.
    """
    return verdicts_on([group_of(text) for text in groups], measure)


def verdicts_on(groups: Sequence[Group], measure: Measure | None = None) -> tuple[Verdict, ...]:
    """Compare groups with the last of them, as `compare`."""
    if len(groups) < 2:
        raise ConfigError(f"`groups` must be at least two, got {len(groups)}.")
    runs = [run for group in groups for run in group.runs]
    if len({(run.config.env_id, json.dumps(run.config.env_kwargs)) for run in runs}) > 1:
        raise ConfigError(
            "What is compared must be of one environment: returns of different ones mean different things."
        )
    if measure is None:
        measure = "final_return" if any(run.reward_threshold is None for run in runs) else "env_steps_to_solve"
    if len({group.name for group in groups}) < len(groups):  # sentences must tell them apart
        groups = [Group(f"{group.name} ({number})", group.runs) for number, group in enumerate(groups, 1)]
    *others, base = (_outcomes(group, measure) for group in groups)
    return compare_all(base, others, measure) if len(others) > 1 else (verdicts.compare(others[0], base, measure),)


def _outcomes(group: Group, measure: Measure) -> Outcomes:
    outcome = outcomes.of_runs(state.store(), group.runs)
    if outcome is None:
        raise ConfigError(f"Nothing can be said of {group.name} yet: none of its runs has trained.")
    return outcomes.group(group.name, outcome, measure)


class AgainstBase(NamedTuple):
    """What is known of the settings of a sweep against one of them.

    Attributes:
        base: its number.
        measure: by which they are compared.
        verdicts: by the number of the other setting, corrected for how many they are.
    """

    base: int
    measure: Measure
    verdicts: dict[int, Verdict]


def against_base(found: view.View, measure: Measure | None = None) -> AgainstBase:
    """Compare all settings of a sweep that have trained with its base, or the first where the base is none of them."""
    own = found.sweep.values_of(found.sweep.base)
    base = next((setting for setting in found.settings if setting.values == own), found.settings[0])
    if measure is None:
        threshold = base.config.environment.reward_threshold
        measure = "final_return" if threshold is None else "env_steps_to_solve"
    others = [setting for setting in found.settings if setting.curve and setting is not base]
    if not (others and base.curve):
        return AgainstBase(base.number, measure, {})
    groups = [Group(searching.setting_name(setting.values), _counted(setting)) for setting in (*others, base)]
    against = verdicts_on(groups, measure)
    return AgainstBase(base.number, measure, dict(zip((each.number for each in others), against, strict=True)))
