"""How long a sweep takes from the press to the finished heat map: `python -m bench.sweep`.

12 settings × 10 seeds of CartPole, to solved or 150 updates, are trained as the pages train them: by a lab with its
supervisor and workers, whose programs have been compiled before. In turn with it, so that a slow minute hits all alike:

- one run of 120 equal agents in the same lab: the sweep is to take at most 1.5 times as long;
- the same settings as separate processes, `python -m pg_core train`, as many at a time as there are processors: 12 of
  ten agents each, and 120 of one agent each, as who has no populations would run them. Of the latter only a sample is
  run, and the time of all is that of the sample times how many samples there are in 120. The sweep is to be 20 times as
  fast.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.markdown import table
from bench.measure import ROOT, say
from pg_core import lab
from pg_core.config import Config
from pg_core.lab import state

AXES = ("learning_rate=0.01:0.04:log:4", "gamma=0.98:1:3")
SEEDS, SAMPLE = 10, 12
BASE = Config(num_updates=150, pace=0)
PROCESSORS = os.cpu_count() or 1


def sweep() -> float:
    """Return the seconds from the press to the last cell of the heat map."""
    declared = lab.Sweep(base=BASE, axes=tuple(map(lab.SweepAxis.of, AXES)), seeds=SEEDS)
    start = time.perf_counter()
    sweep_id = lab.start_sweep(declared)
    while (found := lab.sweep(sweep_id)).state == "training":
        time.sleep(0.1)
    assert all(setting.measures for setting in found.settings)
    return time.perf_counter() - start


def one_run() -> float:
    """Return the seconds from the press to the end of a run of as many equal agents."""
    start = time.perf_counter()
    run_id = lab.start(Config(**{**BASE.model_dump(), "num_agents": 12 * SEEDS}))
    while lab.run(run_id).active:
        time.sleep(0.1)
    lab.progress(run_id)
    return time.perf_counter() - start


def processes(seeds: int, count: int) -> float:
    """Return the seconds that so many processes take, each with a setting of the sweep and so many agents."""
    declared = lab.Sweep(base=BASE, axes=tuple(map(lab.SweepAxis.of, AXES)), seeds=seeds)
    settings = [values for values in declared.grid() for _ in range(SEEDS // seeds)]
    chosen = settings[:: len(settings) // count]  # evenly, of each setting as many
    start = time.perf_counter()
    with ThreadPoolExecutor(PROCESSORS) as threads:
        list(threads.map(lambda values: _train(seeds, values), chosen))
    return time.perf_counter() - start


def _train(seeds: int, values: dict[str, float]) -> None:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    more = [f"--num-agents={seeds}", f"--num-updates={BASE.num_updates}"]
    command = [sys.executable, "-m", "pg_core", "train", *more, *options]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def measured(rounds: int) -> list[tuple[str, float]]:
    """Measure all in turn; return what each is and the median of its seconds."""
    whats: list[tuple[str, Callable[[], float]]] = [
        ("sweep, 12 settings × 10 seeds", sweep),
        ("one run, 120 equal agents", one_run),
        ("12 processes of 10 agents", lambda: processes(SEEDS, 12)),
        (f"120 processes of 1 agent, from {SAMPLE} of them", lambda: processes(1, SAMPLE) * 12 * SEEDS / SAMPLE),
    ]
    seconds: dict[str, list[float]] = {what: [] for what, _ in whats}
    for number in range(rounds + 1):  # the first compiles the programs, and does not count
        for what, measure in whats:
            took = measure()
            say(f"{'warm-up' if number == 0 else f'round {number}'}: {what}: {took:.2f} s")
            seconds[what] += [took] if number else []
            _await_spare()
    return [(what, statistics.median(each)) for what, each in seconds.items()]


def _await_spare() -> None:
    """Wait until the lab's next worker has compiled its program, as where nobody has pressed anything for a while."""
    while not ((spare := state.supervisor().spare) and spare.ready):
        time.sleep(0.1)


def report(rows: Sequence[tuple[str, float]]) -> str:
    """Return the table of seconds, and of how many times as long as the sweep each takes."""
    whole = rows[0][1]
    lines = [[what, f"{seconds:,.2f}", f"{seconds / whole:.2f}"] for what, seconds in rows]
    against = f"The sweep takes {whole / rows[1][1]:.2f} times as long as one run (to reach: at most 1.5)."
    return f"{table(['', 'seconds', 'times the sweep'], lines)}\n\n{against}"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of which the medians are printed (default: 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PG_LAB_DATA"] = folder
        lab.startup()
        try:
            rows = measured(options.rounds)
        finally:
            lab.shutdown()
    print(report(rows))


if __name__ == "__main__":
    main()
