"""Strikes a lab at work, at moments that hurt, and looks for what is lost: `python -m bench.kills`.

A real server, a real browser that trains, and a fault: the worker is killed, the server is killed or told to end, the
browser is closed; while episodes are collected, inside of a commit's transaction, or while a checkpoint is being
written. Afterwards the run must go on to its end with the same bits as one that was never disturbed.
"""

import argparse
import itertools
import random
import shutil
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench.markdown import number, table
from bench.measure import say
from bench.moments import MOMENTS, Missed, caught
from bench.victim import CONFIG, Lab
from pg_core.runs.store.maintenance import problems
from pg_core.runs.store.rows import update_row
from pg_core.runs.store.schema import ARRAYS, lab_file

FAULTS = ("kill the worker", "kill the server", "end the server", "close the browser")
MAX_SECONDS = 5.0  # after which no process may be left
MAX_DELAY = 2.0  # seconds of training before the moment is looked for

Cell = tuple[str, str]


@dataclass
class Tally:
    """What the trials of one fault at one moment found."""

    times: int = 0
    lost: int = 0  # trials in which the page had shown an update that the store did not have
    different: int = 0  # trials in which the run ended with other bits
    damaged: int = 0
    left: int = 0  # trials in which a process was still there after five seconds
    longest: float = 0.0  # seconds until all were gone

    @property
    def wrong(self) -> int:
        """How much of it must not be."""
        return self.lost + self.different + self.damaged + self.left


def reference() -> list[tuple[bytes, ...]]:
    """Return the updates of a run that nothing disturbs, as the store has them."""
    from pg_core.learning.trainer import Trainer

    rows = [update_row("", update, seconds=0.0) for update in Trainer(CONFIG)]
    return [tuple(row[name] for name in ARRAYS) for row in rows]


def strike(lab: Lab, fault: str, moment: str, delay: float) -> tuple[str, int, float]:
    """Train a run and strike; return its id, the highest update shown by then, and the seconds until all was gone."""
    run_id, worker = lab.train(delay)
    with caught(worker, lab.folder, moment):
        shown = lab.shown()
        if fault == "kill the worker":
            worker.kill()
        elif fault == "close the browser":
            lab.close_browser()
        else:
            lab.strike_server(kill=fault == "kill the server")
    if fault == "close the browser":
        return run_id, shown, 0.0
    seconds = lab.wait_until_gone(worker if fault == "kill the worker" else None)
    return run_id, max(shown, lab.shown()), seconds


def trial(lab: Lab, cell: Cell, delay: float, expected: list[tuple[bytes, ...]], tally: Tally) -> None:
    """Strike once, look at what is left, let the run go on to its end, and count what is wrong."""
    run_id, shown, seconds = strike(lab, *cell, delay)
    tally.times += 1
    tally.lost += lab.stored(run_id) < shown
    found = list(problems(lab_file(lab.folder)))
    tally.left += seconds > MAX_SECONDS
    tally.longest = max(tally.longest, seconds)
    lab.finish(run_id)
    same = lab.rows(run_id) == expected
    tally.different += not same
    found.extend(problems(lab_file(lab.folder)))
    tally.damaged += bool(found)
    say(f"{', '.join(cell)}: update {shown} was shown, gone after {seconds:.1f} s, identical: {same} {found or ''}")


def strike_all(cells: list[Cell], times: int, seed: int, tallies: dict[Cell, Tally]) -> None:
    """Strike in rounds of one trial each, every round in a folder of its own; programs are compiled only once."""
    rng, expected = random.Random(seed), reference()
    with tempfile.TemporaryDirectory() as folders, sync_playwright() as playwright:
        for index in range(times):
            folder = Path(folders) / str(index)
            folder.mkdir()
            if index:
                (folder.parent / str(index - 1) / "programs").rename(folder / "programs")
                shutil.rmtree(folder.parent / str(index - 1))
            lab = Lab(folder, playwright.chromium)
            try:
                for cell in cells:
                    say(f"round {index + 1} of {times}: {', '.join(cell)}")
                    while tallies[cell].times <= index:
                        try:
                            trial(lab, cell, rng.uniform(0, MAX_DELAY), expected, tallies[cell])
                        except Missed:
                            say("the run ended before that moment came; once more")
            finally:
                lab.close()


def report(tallies: dict[Cell, Tally]) -> str:
    """Return the table."""
    header = ("fault", "moment", "times", "shown updates lost", "not identical", "damaged", "processes left")
    rows = []
    for cell, tally in tallies.items():
        counts = tally.times, tally.lost, tally.different, tally.damaged, tally.left
        rows.append((*cell, *map(str, counts), number(tally.longest, 1)))
    return table((*header, "longest, s"), rows)


def main() -> None:
    """Strike and print the table; the exit status is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="trials of each fault at each moment (default: 20)")
    parser.add_argument("--fault", nargs="+", choices=FAULTS, default=FAULTS, metavar="NAME", help="; ".join(FAULTS))
    parser.add_argument(
        "--moment", nargs="+", choices=MOMENTS, default=MOMENTS, metavar="NAME", help=", ".join(MOMENTS)
    )
    parser.add_argument("--seed", type=int, default=0, help="of the delays before each strike")
    options = parser.parse_args()
    tallies: dict[Cell, Tally] = defaultdict(Tally)
    try:
        strike_all(list(itertools.product(options.fault, options.moment)), options.times, options.seed, tallies)
    finally:  # also of an hour that was cut short
        print(report(tallies))
    sys.exit(any(tally.wrong for tally in tallies.values()))


if __name__ == "__main__":
    main()
