"""The command that says why a run is not learning, diagnose; and which of its policies is the best."""

import argparse
import json
import shlex
from typing import Any

from pg_core import lab
from pg_core.config import HYPERPARAMETERS, Config
from pg_core.presets import PRESETS

LAB = "python -m pg_core"
BEST = "best"


def update(text: str) -> int | str:
    """Read a number of updates, or `best`."""
    if text != BEST and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be {BEST} or a number of updates, got {text!r}")
    return text if text == BEST else int(text)


def chosen_update(run_id: str, given: int | str | None, agent: int | None = None) -> int | None:
    """Return the number of updates that an option means, None if it was not given."""
    return lab.best(run_id, agent) if given == BEST else None if given is None else int(given)


def diagnose(options: argparse.Namespace) -> None:
    """Print the causes that a run's numbers show, each with what to type next."""
    run, found = lab.run(options.run), lab.diagnose(options.run)
    if options.json:
        causes = [{**vars(finding.cause), "fork_at": finding.fork_at, "remedy": finding.values,
                   "command": command(run, finding)} for finding in found.findings]  # fmt: skip
        best = dict(zip(("update", "mean_return"), found.best, strict=True)) if found.best else None
        print(json.dumps({"run_id": run.id, "verdict": found.verdict, "causes": causes, "best": best}))
        return
    print(found.verdict)
    for number, finding in enumerate(found.findings, 1):
        cause = finding.cause
        print(f"\n{number}. {cause.sentence}\n   {cause.evidence}\n   {cause.advice}")
        print(f"   why: {LAB} check {cause.statement}; the proof is in assets/derivations/{cause.statement}.md")
        if finding.values:
            print(f"   try: {command(run, finding)}")
    if found.best:
        at, mean = found.best
        print(f"\nthe best kept policy is that after {at} updates, with a mean return of {mean:.4g} around it:")
        print(f"   {LAB} evaluate {run.id} --update best")


def command(run: lab.Run, finding: lab.Finding) -> str | None:
    """Return what to type for a remedy, None where there is none."""
    if not finding.values:
        return None
    if finding.fork_at is not None:
        settings = " ".join(f"--set {name}={shlex.quote(_text(value))}" for name, value in finding.values.items())
        return f"{LAB} fork {run.id} --update {finding.fork_at} {settings}"
    config = finding.config(run)
    differences = Config(**PRESETS["best"].values).differences(config)  # from what `train` begins with
    return " ".join([f"{LAB} train", *(_option(name, value) for name, value in differences.items() if name != "pace")])


def _option(name: str, value: Any) -> str:
    option = name.replace("_", "-")
    if HYPERPARAMETERS[name].kind is bool:
        return f"--{'' if value else 'no-'}{option}"
    return f"--{option} {shlex.quote(_text(value))}"


def _text(value: Any) -> str:
    return (",".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)
