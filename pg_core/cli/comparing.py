"""The command that compares runs."""

import argparse
import json
from typing import Any

from pg_core import lab
from pg_core.cli.output import plain, print_table, summary_of
from pg_core.config import HYPERPARAMETERS


def compare(options: argparse.Namespace) -> None:
    """Print some rows of each run's curve, the settings in which the runs differ, and what is known of the groups."""
    groups = [lab.group_of(text) for text in options.groups]
    verdicts = lab.verdicts_on(groups, options.measure) if len(groups) > 1 else ()
    found = [lab.progress(run.id) for group in groups for run in group.runs]
    runs = [progress.run for progress in found]
    columns = [lab.curve_rows(progress.curves, options.by) for progress in found]
    curves = [list(zip(*(column.tolist() for column in each), strict=True)) for each in columns]
    different = lab.differences(runs)
    if options.json:
        for run, curve in zip(runs, curves, strict=True):
            about = {"name": run.name, "state": run.state, **summary_of(run)}
            rows = [dict(zip((options.by, "iqm", "low", "high"), map(plain, row), strict=True)) for row in curve]
            settings = run.current.model_dump(mode="json", include=set(different))
            print(json.dumps({**about, "curve": rows, "settings": settings}))
        if verdicts:
            print(json.dumps({"verdicts": list(map(_said, verdicts))}))
        return
    print_table(
        ["run", options.by, "IQM of mean return", "95 % low", "95 % high"],
        [
            [run.name, f"{place:,.1f}".removesuffix(".0"), *(f"{value:.4g}" for value in values)]
            for run, curve in zip(runs, curves, strict=True)
            for place, *values in curve
        ],
    )
    print()
    if different:
        shown = [map(HYPERPARAMETERS[name].show, values) for name, values in different.items()]
        print_table(["run", *different], zip((run.name for run in runs), *shown, strict=True))
    else:
        print("their settings are the same")
    for verdict in verdicts:
        print(f"\n{verdict.sentence}")


def _said(verdict: lab.Verdict) -> dict[str, Any]:
    """Return a verdict as JSON data."""
    return {name: plain(list(each) if isinstance(each, tuple) else each) for name, each in vars(verdict).items()}
