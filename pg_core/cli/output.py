"""What the commands print, and the errors with which they end."""

import contextlib
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pg_core import lab

if TYPE_CHECKING:
    from pg_core.learning.trainer import Update


class TrainingFailedError(RuntimeError):
    """Raised when a run ended in failure; its message is the reason."""


class WrongVerdictError(RuntimeError):
    """Raised when a check did not give what it must; its message says which."""


@contextlib.contextmanager
def whole(output: Path) -> Iterator[Path]:
    """Give a path to write to: what is there takes the place of `output` once it is complete.

    Raises:
        ValueError: `output` is something else than a file: a folder, a pipe, a device.
    """
    if output.exists() and not output.is_file():
        raise ValueError(f"`--output` must be a file, or nothing yet, got {str(output)!r}, which is something else.")
    with tempfile.TemporaryDirectory(dir=output.absolute().parent, prefix=".export-") as folder:
        path = Path(folder, output.name)
        yield path
        path.replace(output)


def progress_bar(text: str) -> Progress:
    """Return a bar on standard error, silent where there is no terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(text), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def update_of(update: "Update") -> dict[str, Any]:
    """Return one update as JSON data, null for what is undefined."""
    fields = {name: value for name, value in vars(update).items() if name != "config"}
    return {name: plain(value.tolist() if hasattr(value, "tolist") else value) for name, value in fields.items()}


def plain(value: Any) -> Any:
    """Return a number, or a list of numbers, as JSON has it: null where not finite."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below the names of their columns, each column as wide as it must be."""
    lines = [names, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def summary_of(run: lab.Run) -> dict[str, Any]:
    """Return what a run has come to as JSON data."""
    return {
        "run_id": run.id,
        "env_id": run.config.env_id,
        "engine": "compiled" if run.config.compiled else "gymnasium",
        "num_agents": run.config.num_agents,
        "updates": run.updates,
        "episodes": run.episodes,
        "env_steps": run.env_steps,
        "wall_seconds": round(run.wall_seconds, 3),
        "steps_per_second": round(run.env_steps / run.wall_seconds, 1) if run.wall_seconds else None,
        "solved": [steps is not None for steps in run.env_steps_to_solve],
        "env_steps_to_solve": list(run.env_steps_to_solve),
        "final_mean_return": run.mean_return,
    }
