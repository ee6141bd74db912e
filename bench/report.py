"""Makes the tables of docs/performance.md from what was measured."""

import datetime
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.markdown import number, ratio, significant, table
from bench.measure import Result, Row
from bench.rows import GROWTH, TF_EXAMPLE, Size
from bench.startup import SEEDS

PACKAGES = {
    "the lab": ("tensorflow", "gymnasium", "numpy"),
    "stable_baselines3": ("stable-baselines3", "torch", "gymnasium"),
    "tf_agents": ("tf-agents", "tensorflow", "gym"),
    "jax": ("jax", "gymnax", "optax"),
}
SPEED = ["", "P", "B", "steps/s", "lowest – highest", "seconds to solve", "peak MiB", f"× {TF_EXAMPLE}", "trained"]
SOLVING = [
    "",
    "solved",
    "seconds",
    "most",
    "environment steps",
    "most",
    "first run of this shape in a warm worker, seconds",
]
VERSIONS = """
import importlib.metadata, json, platform, sys
print(json.dumps([platform.python_version(), *map(importlib.metadata.version, sys.argv[1:])]))
"""


def speed(results: Mapping[Row, Result]) -> str:
    """Return the table of environment steps a second."""
    example = next(result for row, result in results.items() if row.label == TF_EXAMPLE)
    return table(SPEED, [_speed_row(row, result, example) for row, result in results.items()])


def _speed_row(row: Row, result: Result, example: Result) -> list[str]:
    sizes = [str(row.num_agents), str(row.episodes_per_update or "–")]
    if result.reason:
        return [row.label, *sizes, *["–"] * 5, result.reason]
    rate, rates = result.median("steps_per_second"), result.values("steps_per_second")
    spread = f"{number(min(rates))} – {number(max(rates))}"
    seconds, peak = significant(result.median("seconds_to_solve")), number(result.median("peak_mib"))
    times = significant(ratio(rate, example.median("steps_per_second")))
    return [row.label, *sizes, number(rate), spread, seconds, peak, times, row.trained]


def growth(results: Mapping[Size, Result]) -> str:
    """Return one table for each of the sizes that grow."""
    header = ["P", "B", "H", "steps/s", "ns a step", "mean steps of an episode", "peak MiB"]
    parts = []
    for name, sizes in GROWTH.items():
        rows = [[*map(str, size), *_cost(results[size])] for size in sizes]
        parts += [f"More {name}:", table(header, rows)]
    return "\n\n".join(parts)


def _cost(result: Result) -> list[str]:
    rate = result.median("steps_per_second")
    length, peak = result.median("mean_episode_length"), result.median("peak_mib")
    return [result.reason or number(rate), number(ratio(1e9, rate)), number(length), number(peak)]


def starts(results: Mapping[str, Result]) -> str:
    """Return the table of what happens before the first update is there."""
    names = ("import_seconds", "compile_seconds", "update_seconds", "first_update_seconds")
    rows = [
        [name, *(significant(result.median(part)) for part in names), result.reason] for name, result in results.items()
    ]
    return table(["start", "import", "trace, compile", "update", "in all", ""], rows)


def solving(results: Mapping[str, Result]) -> str:
    """Return the table of what a worker that has compiled the shape needs to solve."""
    return table(SOLVING, [[name, *_solved(result)] for name, result in results.items()])


def _solved(result: Result) -> list[str]:
    if not result.repeats:
        return [result.reason, *["–"] * 5]
    found = result.repeats[0]
    seconds, steps = found["seconds"], found["env_steps_to_solve"]
    solved = f"{len(steps)} of {SEEDS * found['num_agents']}"
    if not seconds:
        return [solved, *["–"] * 5]
    times = significant(statistics.median(seconds)), significant(max(seconds))
    needed = number(statistics.median(steps)), number(max(steps))
    return [solved, *times, *needed, significant(found["compiling_seconds"])]


def machine(pythons: Mapping[str, Path], reasons: Mapping[str, str]) -> str:
    """Return what was run, on what, and when."""
    versions = {name: _versions(python, PACKAGES[name]) for name, python in pythons.items()}
    lab = {"the lab": _versions(Path(sys.executable), PACKAGES["the lab"])}
    where = {
        "processors": str(len(os.sched_getaffinity(0))),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    return table(["", ""], (lab | versions | dict(reasons) | where).items())


def _versions(python: Path, packages: tuple[str, ...]) -> str:
    printed = subprocess.run([python, "-c", VERSIONS, *packages], capture_output=True, text=True, check=True).stdout
    named = zip(("Python", *packages), json.loads(printed), strict=True)
    return ", ".join(f"{name} {version}" for name, version in named)
