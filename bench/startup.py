"""Measures how long the lab takes to start, and, once it has, to solve CartPole-v1."""

import sys
import tempfile
import time
from pathlib import Path

from bench.measure import QUICK, Result, say

COLD, WARM = "cold: nothing kept", "warm: programs kept by an earlier process"
SEEDS = 20


def measure_starts() -> dict[str, Result]:
    """Start twice in each repeat: with an empty folder of programs, then with what that left there."""
    results = {COLD: Result(), WARM: Result()}
    for index in range(QUICK):
        with tempfile.TemporaryDirectory() as programs:
            for name, result in results.items():
                say(f"round {index + 1}: start, {name}")
                started = str(time.monotonic())
                _run(result, "bench.first_update", "--started", started, "--programs", programs)
    return results


def measure_solving(rows: dict[int, str], programs: Path) -> dict[str, Result]:
    """Solve with twenty seeds at each population size; return one object for each name."""
    results = {}
    for num_agents, name in rows.items():
        say(f"time to solve, {name}")
        result = results[name] = Result()
        arguments = ("--num-agents", str(num_agents), "--seeds", str(SEEDS), "--programs", str(programs))
        _run(result, "bench.time_to_solve", *arguments)
    return results


def _run(result: Result, module: str, *arguments: str) -> None:
    result.add([sys.executable, "-m", module, *arguments])
    if result.reason:
        say(result.reason)
