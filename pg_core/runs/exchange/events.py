"""A run's measurements as TensorBoard's event files, a folder an agent; the package `tensorboard` writes records."""

import importlib.util
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pg_core.runs.exchange.exports import ExportError, updates_of
from pg_core.runs.store.records import Array, Run
from pg_core.runs.store.store import Store

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

TAGS = {
    "mean_return": "charts/mean_return",
    **{name: f"losses/{name}" for name in ("policy_loss", "value_loss", "entropy", "approx_kl", "explained_variance")},
    **{name: f"gradient/{name}" for name in ("grad_norm", "grad_snr")},
}


def available() -> bool:
    """Return whether the package that writes event files is installed."""
    return importlib.util.find_spec("tensorboard") is not None


def write_events(store: Store, run: Run, file: BinaryIO) -> None:
    """Write a zip with a folder of events for each agent, over its environment steps.

    Raises:
        ExportError: the package `tensorboard` is not installed.
    """
    if not available():
        raise ExportError("TensorBoard's event files need the package tensorboard: `pip install tensorboard`.")
    started = run.created_at.timestamp()
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{agent:03}") for agent in range(run.config.num_agents)]
        for updates in updates_of(store, run):
            for agent, path in enumerate(paths):
                _append(path, updates, agent, started)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in filter(Path.exists, paths):
                packed.write(path, f"agent_{path.name}/events.out.tfevents.{int(started)}.lab")


def _append(path: Path, updates: Array, agent: int, started: float) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    with path.open("ab") as stream:
        writer = RecordWriter(stream)
        if stream.tell() == 0:
            writer.write(Event(wall_time=started, file_version="brain.Event:2").SerializeToString())
        for update in updates:
            writer.write(_event(update, agent, started).SerializeToString())


def _event(update: Array, agent: int, started: float) -> "Event":
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    values = {tag: float(update[name][agent]) for name, tag in TAGS.items()}
    values["charts/episodic_return"] = float(update["episodic_returns"][agent].mean())
    values["charts/episodic_length"] = float(update["episodic_lengths"][agent].mean())
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
    when = started + float(update["seconds"])
    return Event(wall_time=when, step=int(update["env_steps"][agent]), summary=summary)
