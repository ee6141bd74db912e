"""Commands that carry runs out of the lab and in: export, import."""

import argparse
import json
from pathlib import Path

from pg_core import lab
from pg_core.cli.diagnosing import chosen_update
from pg_core.cli.output import summary_of, whole


def export(options: argparse.Namespace) -> None:
    """Write one run or several to a file."""
    kind = options.format or _format_of(options.output)
    with whole(options.output) as path, path.open("wb") as file:
        if len(options.runs) > 1:
            lab.export_together(options.runs, kind, file)
        else:
            [run] = options.runs
            lab.export(run, kind, file, options.agent, chosen_update(run, options.update, options.agent))
    print(json.dumps({"output": str(options.output)}) if options.json else f"written: {options.output}")


def _format_of(path: Path) -> str:
    """Return the first format whose files end as this one does."""
    suffix = path.suffix.lower()
    fitting = [kind for kind, (ending, _) in lab.FORMATS.items() if suffix and ending.endswith(suffix)]
    if not fitting:
        raise ValueError(f"`--format` must be one of {', '.join(lab.FORMATS)}: {path.name!r} does not say which.")
    return fitting[0]


def import_run(options: argparse.Namespace) -> None:
    """Add an exported run."""
    if options.file.exists() and not options.file.is_file():  # a pipe or a device may give bytes for ever, or none
        raise ValueError(f"`FILE` must be a file, got {str(options.file)!r}, which is something else.")
    try:
        file = options.file.open("rb")
    except OSError as error:
        raise ValueError(f"The file cannot be read: {error}.") from error
    with file:
        run = lab.run(lab.import_run(file))
    if options.json:
        print(json.dumps({"name": run.name, "state": run.state, **summary_of(run)}))
    else:
        print(f"imported: {run.name} ({run.id}), {run.state} after {run.updates} updates")
