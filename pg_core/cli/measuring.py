"""The command that compares estimators of the policy gradient, estimators."""

import argparse
import json
from typing import Any

from pg_core import lab
from pg_core.cli.output import print_table

COLUMNS = {
    "cosine": "cosine", "length": "length", "relative_variance": "variance", "snr": "SNR", "along": "along ∇J",
    "across": "across",
}  # fmt: skip


def estimators(options: argparse.Namespace) -> None:
    """Print what all estimators show on the same batches, those first of which a single one points best."""
    update = lab.run(options.run).updates if options.update is None else options.update
    found = lab.estimators(options.run, update, options.agent, options.batches).result().decode()
    if options.json:
        print(found)
        return
    said = json.loads(found)
    print(f"{said['batches']} batches of agent {said['agent']} after {said['update']} updates; * the run's own\n")
    rows = [_row(each, each["name"] == said["own"]) for each in said["estimators"]]
    print_table(["estimator", *COLUMNS.values(), "biased by"], rows)


def _row(estimator: dict[str, Any], own: bool) -> list[str]:
    cells = [_with_error(*estimator["measured"][name]) for name in COLUMNS]
    return [estimator["name"] + " *" * own, *cells, ", ".join(estimator["biases"]) or "nothing"]


def _with_error(value: float | None, low: float | None, high: float | None) -> str:
    """Return a value and half the width of its interval, a dash for what is undefined."""
    if value is None:
        return "–"
    if low is None or high is None:
        return f"{value:.3g}"
    # The reference is along itself, but for rounding errors.
    return f"{round(value, 9):.3g} ± {round((high - low) / 2, 9):.2g}"
