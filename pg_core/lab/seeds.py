"""Groups of seeds, as they are named in a shell, and verdicts on them."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from pg_core.config import ConfigError
from pg_core.lab import access, settings, state
from pg_core.lab.comparing import Group, group
from pg_core.lab.judging import judge
from pg_core.sweeps import outcomes, searching, view
from pg_core.verdicts import Measure, Verdict


def group_of(text: str) -> Group:
    """Return the runs that are meant by `SWEEP:SETTING`, by the id of a run, or by several with commas between them.

    Raises:
        UnknownRun, UnknownSweep: there is no such run or sweep.
        ConfigError: the sweep has no such setting, or the runs differ in more than their seeds, or not in those.
    """
    sweep_id, colon, number = text.partition(":")
    if colon:
        return _setting_of(sweep_id, number)
    runs = [access.visible(run_id.strip()) for run_id in text.split(",")]
    if len({settings.key(run) for run in runs}) > 1:
        names = settings.differing(runs)
        what = f"in `{next(iter(names))}`" if names else "in the updates at which they were changed"
        raise ConfigError(f"Runs are pooled only if their settings agree: these differ {what}.")
    if len({run.config.seed for run in runs}) < len(runs):
        seeds = ", ".join(str(run.config.seed) for run in runs)
        raise ConfigError(f"Runs are pooled only if they differ in their seeds, got {seeds}.")
    return group(" + ".join(run.name for run in runs), runs)


def _setting_of(sweep_id: str, number: str) -> Group:
    found = view.view(state.store(), sweep_id)
    numbered = {str(setting.number): setting for setting in found.settings}
    if number not in numbered:
        raise ConfigError(f"A setting of sweep {found.name} must be one of {', '.join(numbered)}, got {number!r}.")
    setting = numbered[number]
    return _group(setting)


def _group(setting: view.Setting) -> Group:
    return group(searching.setting_name(setting.values), [run for run in setting.runs if outcomes.counts(run)])


def compare(*groups: str, measure: Measure | None = None) -> tuple[Verdict, ...]:
    """Compare groups of seeds with the last of them, paired by the seeds that both have.

    Where there are more than two, what is said of each is corrected for their number.

    Args:
        groups: at least two, see `group_of`.
        measure: None: environment steps to solve where a return counts as solved, else the final return.

    Raises:
        ConfigError: they are fewer, or of different environments, or none of the runs of one has trained.
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
    for each in groups:
        if not any(run.updates for run in each.runs):
            raise ConfigError(f"Nothing can be said of {each.label} yet: none of its runs has trained.")
    if measure is None:
        measure = "final_return" if any(run.reward_threshold is None for run in runs) else "env_steps_to_solve"
    if len({each.label for each in groups}) < len(groups):  # sentences must tell them apart
        groups = [group(f"{each.label} ({number})", each.runs) for number, each in enumerate(groups, 1)]
    return tuple(judge(groups, measure, base=len(groups) - 1).values())


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
    against = verdicts_on(list(map(_group, (*others, base))), measure)
    return AgainstBase(base.number, measure, dict(zip((each.number for each in others), against, strict=True)))
