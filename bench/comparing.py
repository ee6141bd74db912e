"""Measures how long a thousand runs of sweeps take to be listed, and to be grouped: `python -m bench.comparing`.

It times what the Runs page asks the lab for, without browser and server: the list with its curves, and a chart on which
all of these runs are lines of equal settings. Seconds are those of the processor, which others at work do not lengthen.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.measure import say
from pages.widgets import run_lines, run_table
from pg_core import lab
from pg_core.config import Config
from pg_core.lab import sweeping
from pg_core.runs.store import sweeps
from pg_core.runs.store.store import Store
from pg_core.sweeps import searching
from tests.updates import add_updates

SWEEPS, UPDATES, REPEATS = 84, 60, 5  # of 12 settings each: 1,008 runs
AXES = "learning_rate=0.003:0.03:log:4", "baseline=none,batch_mean,leave_one_out"


def fill(store: Store) -> None:
    """Add sweeps of the same settings with different seeds, whose runs have ended."""
    for seed in range(SWEEPS):
        sweep = lab.Sweep(base=Config(seed=seed), axes=tuple(map(lab.SweepAxis.of, AXES)), seeds=5)
        row = sweeping.declared(sweep, f"sweep {seed}")
        sweeps.add(store, row, searching.first_runs(sweep, row.name))
    for run in store.runs():
        add_updates(store, run.id, run.config, 0, UPDATES)
        store.transition(run.id, ["queued"], state="finished")


def listed() -> None:
    """Find out what the list draws, a line a sweep."""
    run_lines.lines(run_table.unfolded(lab.runs(deleted=True), []), {})


def grouped() -> int:
    """Find out what the chart of all runs draws, and return how many lines it has."""
    groups = lab.groups(lab.runs())
    lab.courses(groups, "mean_return", "env_steps")
    return len(groups)


def seconds(act: Callable[[], object]) -> list[float]:
    """Return the seconds of the processor that it takes, the first time and each later one."""
    found = []
    for _ in range(1 + REPEATS):
        start = time.process_time()
        act()
        found.append(time.process_time() - start)
    return found


def main() -> None:
    """Fill a store, measure, print."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PG_LAB_DATA"] = folder
        say("filling the store")
        fill(Store(Path(folder)))
        for what, act in {"list": listed, "group": grouped}.items():
            first, *others = seconds(act)
            print(f"{what} {12 * SWEEPS:,} runs: {first:.2f} s the first time, then {statistics.median(others):.2f} s")


if __name__ == "__main__":
    main()
