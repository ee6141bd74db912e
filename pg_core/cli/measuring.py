"""The command that compares estimators of the policy gradient, estimators."""

import argparse
import json
import math
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


def _with_error(value: float | None, low: float | str | None, high: float | str | None) -> str:
    """Return a value and half the width of its interval, or the ends of one that is not as wide on either side.

    A dash is what is undefined.
    """
    known = "–" if value is None else f"{round(value, 9):.3g}"  # the reference is along itself, but for rounding errors
    if low is None or high is None:
        return known
    if value is None or isinstance(low, str) or isinstance(high, str):
        return f"{known} ({_between(low, high)})"
    if math.isclose(high - value, value - low, rel_tol=0.01, abs_tol=1e-9):
        return f"{known} ± {round((high - low) / 2, 9):.2g}"
    return f"{known} ({_between(low, high)})"


def _between(low: float | str, high: float | str) -> str:
    """Return the ends of an interval in words; texts are ends that are none."""
    if isinstance(low, str):
        return "unknown" if isinstance(high, str) else f"≤ {high:.3g}"
    return f"≥ {low:.3g}" if isinstance(high, str) else f"{low:.3g} to {high:.3g}"
