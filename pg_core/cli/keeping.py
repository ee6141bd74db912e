"""Commands that keep runs and their store: runs, store check, store backup, store restore."""

import argparse
import json
import sys

from pg_core import lab
from pg_core.cli.output import WrongVerdictError, summary_of


def runs(options: argparse.Namespace) -> None:
    """List all runs."""
    for run in lab.runs(settled=True):
        if options.json:
            print(
                json.dumps(
                    {"name": run.name, "state": run.state, "created_at": run.created_at.isoformat(), **summary_of(run)}
                )
            )
        else:
            mean = "-" if run.mean_return is None else f"{run.mean_return:.1f}"
            print(f"{run.id}  {run.name:24} {run.state:12} {run.config.env_id:24} {run.updates:6} updates  mean {mean}")
    for reason in lab.unreadable():
        print(f"A run is kept and not listed: {reason}", file=sys.stderr)


def check_store(options: argparse.Namespace) -> None:
    """Print what is wrong with the store."""
    problems = 0
    for problem in lab.check_store():
        print(json.dumps({"problem": problem}) if options.json else problem, flush=True)
        problems += 1
    if problems:
        raise WrongVerdictError(f"The store is not as it must be; problems: {problems}.")
    if not options.json:
        print("the store has no problem")


def backup(options: argparse.Namespace) -> None:
    """Copy the store into a new file."""
    lab.backup(options.file)
    print(json.dumps({"output": str(options.file)}) if options.json else f"written: {options.file}")


def restore(options: argparse.Namespace) -> None:
    """Copy a backup into an empty store."""
    lab.restore_store(options.file)
    print(json.dumps({"input": str(options.file)}) if options.json else f"restored: {options.file}")
