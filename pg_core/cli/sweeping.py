"""The command that trains sweeps, sweep."""

import argparse
import json
import math
from collections.abc import Sequence
from typing import Any

from pg_core import lab
from pg_core.cli.output import plain, print_table, progress_bar
from pg_core.config import HYPERPARAMETERS, Config, parsed
from pg_core.presets import PRESETS


def sweep(options: argparse.Namespace) -> None:
    """Train all settings of a sweep in this process, and say what each has come to."""
    given = parsed({name: str(value) for name, value in vars(options).items() if name in HYPERPARAMETERS})
    base = Config(**{**PRESETS[options.preset].values, **given})
    axes = tuple(map(lab.SweepAxis.of, options.vary))
    chosen = {"sampler": options.sampler, "trials": options.trials, "prune": options.prune}
    declared = lab.Sweep(base=base, axes=axes, seeds=options.seeds, **chosen)
    training = lab.train_sweep(declared, options.name)
    with progress_bar("settings") as bar:
        task = bar.add_task("", total=declared.most)
        for ended in training:
            bar.update(task, completed=ended)
    found = lab.sweep(training.sweep_id)
    against = lab.against_base(found)
    if options.json:
        print(json.dumps({"sweep_id": found.id, "name": found.name, "base": against.base,
                          "settings": [_said(setting, against.verdicts) for setting in found.settings]}))  # fmt: skip
    else:
        _print(found, against)


def _said(setting: lab.Setting, verdicts: dict[int, lab.Verdict]) -> dict[str, Any]:
    """Return a setting as JSON data; what is against the base is null for the base itself."""
    final, verdict = setting.measures["final_return"], verdicts.get(setting.number)
    return {
        "setting": setting.number,
        "values": setting.values,
        "run_ids": [run.id for run in setting.runs],
        "state": setting.state,
        "seeds": setting.seeds,
        "iqm": plain(final.value),
        "interval": plain([final.low, final.high]),
        "area_under_curve": plain(list(setting.measures["area_under_curve"])),
        "median_env_steps_to_solve": plain(list(setting.measures["env_steps_to_solve"])),
        "env_steps_to_solve": [steps for run in setting.runs for steps in run.env_steps_to_solve],
        "probability_of_improvement": verdict and verdict.probability,
        "probability_interval": verdict and list(verdict.interval),
        "further_seeds": verdict and verdict.further_seeds,
        "sentence": verdict and verdict.sentence,
    }


def _print(found: lab.SweepView, against: lab.AgainstBase) -> None:
    """Print a table of the settings, the best first, by the measure by which they are compared."""
    names = [axis.name for axis in found.sweep.axes]
    columns = ["setting", *names, "solved", "steps to solve", "final return", "better than the base"]
    print_table(columns, [_cells(setting, names, against) for setting in found.best(against.measure)])
    by = f"sorted by {lab.TITLES[against.measure]}, with 95 % intervals"
    print(f"\n{found.name} ({found.id}); {by}")
    for verdict in against.verdicts.values():
        if verdict.settled:
            print(verdict.sentence)


def _cells(setting: lab.Setting, names: Sequence[str], against: lab.AgainstBase) -> list[str]:
    shown = [HYPERPARAMETERS[name].show(setting.values[name]) for name in names]
    solved = setting.state if setting.state == "diverged" else f"{setting.solved} of {setting.seeds}"
    steps, final = map(_interval, (setting.measures["env_steps_to_solve"], setting.measures["final_return"]))
    verdict = against.verdicts.get(setting.number)
    better = "(base)" if setting.number == against.base else _probability(verdict)
    return [str(setting.number), *shown, solved, steps, final, better]


def _interval(measured: lab.Measured) -> str:
    if math.isnan(measured.value):
        return "–"
    value, low, high = (f"{each:,.0f}" if abs(each) >= 1000 else f"{each:.4g}" for each in measured)
    return f"{value} ({low} to {high})" if math.isfinite(measured.value) else "not reached"


def _probability(verdict: lab.Verdict | None) -> str:
    return f"{verdict.probability:.2f} ({verdict.interval[0]:.2f} to {verdict.interval[1]:.2f})" if verdict else "–"
