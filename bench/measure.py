"""Measures rows, each repeat in a process of its own, in turn: a slow minute of the machine hits all rows alike."""

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.peers.installation import NotInstalled, python_of

ROOT = Path(__file__).parents[1]
BEGIN = time.monotonic()
QUICK, SLOW = 3, 2  # repeats; rows that take about a minute have fewer


@dataclass(frozen=True)
class Row:
    """One trainer at one size."""

    label: str
    command: tuple[str, ...]  # for the Python that runs it
    trained: str  # how long, in words
    num_agents: int = 1
    episodes_per_update: int | None = None  # None if it updates after a number of steps
    hidden_layers: str = "64"
    peer: str | None = None  # who must be installed; None for the lab itself
    repeats: int = QUICK


@dataclass
class Result:
    """What the repeats of one row gave: one object each, or the reason why there are none."""

    repeats: list[dict[str, Any]] = field(default_factory=list)
    reason: str = ""

    def add(self, command: Iterable[str | Path]) -> None:
        """Run a process and keep what it measured: the JSON object in the last line that it printed.

        If it fails, the row has no repeats from then on.
        """
        if self.reason:
            return
        ended = subprocess.run([*command], cwd=ROOT, capture_output=True, text=True)
        if ended.returncode:
            said = ended.stderr.strip().splitlines() or [f"ended with code {ended.returncode}"]
            self.repeats, self.reason = [], f"failed: {said[-1].strip()}"
        else:
            self.repeats.append(json.loads(ended.stdout.splitlines()[-1]))

    def values(self, name: str) -> list[float]:
        """Return a measurement of all repeats; what was not reached would have taken for ever."""
        return [math.inf if repeat[name] is None else repeat[name] for repeat in self.repeats]

    def median(self, name: str) -> float | None:
        """Return the median over the repeats, None if there is none."""
        median = statistics.median(self.values(name)) if self.repeats else math.inf
        return median if math.isfinite(median) else None


def say(text: str) -> None:
    """Tell on standard error what happens, and how many seconds after the start."""
    print(f"[{time.monotonic() - BEGIN:6.0f} s] {text}", file=sys.stderr, flush=True)


def install(peers: Iterable[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """Install the peers; return the Python of each that is there, and the reason for each that is not."""
    pythons, reasons = {}, {}
    for peer in peers:
        say(f"installing {peer}, if it is not there")
        try:
            pythons[peer] = python_of(peer)
        except NotInstalled as error:
            reasons[peer] = f"not installed: {error}"
    return pythons, reasons


def measure(
    rows: Iterable[Row], pythons: Mapping[str, Path], reasons: Mapping[str, str], programs: Path
) -> dict[Row, Result]:
    """Measure every row with as many seeds as there are repeats.

    Args:
        rows: what to measure.
        pythons: of the peers that are installed.
        reasons: why the others are not.
        programs: folder where the lab keeps compiled programs.
    """
    results = {row: Result(reason=reasons.get(row.peer or "", "")) for row in rows}
    for seed in range(QUICK):
        for row, result in results.items():
            if seed < row.repeats and not result.reason:
                result.add([*_command(row, pythons, programs), "--seed", str(seed)])
                rate = result.reason or f"{result.repeats[-1]['steps_per_second']:,.0f} steps/s"
                size = f"({row.num_agents}, {row.episodes_per_update}, {row.hidden_layers})"
                say(f"round {seed + 1}: {row.label} {size}: {rate}")
    return results


def _command(row: Row, pythons: Mapping[str, Path], programs: Path) -> list[str | Path]:
    if row.peer:
        return [pythons[row.peer], *row.command]
    return [sys.executable, *row.command, "--programs", programs]
