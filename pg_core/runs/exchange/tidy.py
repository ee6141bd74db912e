"""Many runs as one tidy table: a row an agent, or a row an update and agent, with the settings as columns."""

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pg_core.config import HYPERPARAMETERS
from pg_core.runs.exchange.exports import updates_of
from pg_core.runs.exchange.tables import RUN, TYPES, batch_of, fields, in_force, rows_of
from pg_core.runs.store.records import Run
from pg_core.runs.store.store import Store

NAME = pa.field("name", pa.string())
RESULTS = [
    pa.field("state", pa.string()), pa.field("tags", pa.string()), pa.field("note", pa.string()),
    pa.field("started", pa.timestamp("us", "UTC")), pa.field("agent", pa.int16()), pa.field("updates", pa.int64()),
    pa.field("run_mean_return", pa.float64()), pa.field("env_steps_to_solve", pa.int64()),
]  # fmt: skip
FORMULA = tuple("=+-@\t\r＝＋－＠")  # with what begins with these, spreadsheets calculate


def write_updates(store: Store, runs: Sequence[Run], file: BinaryIO, format: str) -> None:
    """Write a row an update and agent of each run as "parquet" or "csv": its id and name, then as `write_updates`."""
    schema = pa.schema([RUN, NAME, *fields()])
    with _writer(file, schema, format) as writer:
        for run in runs:
            configs = in_force(store, run)
            for updates in updates_of(store, run):
                rows = {
                    RUN.name: np.array(run.id),
                    NAME.name: np.array(_cell(run.name, format)),
                    **rows_of(updates, configs),
                }
                writer.write_batch(batch_of(rows, updates["env_steps"].shape, schema))


def write_agents(runs: Sequence[Run], file: BinaryIO, format: str) -> None:
    """Write a row an agent of each run as "parquet" or "csv": what the run is, its settings now, and its results.

    A setting that was changed on the way has the value it ended with; that it began with is in the column beside it.
    """
    schema = pa.schema([RUN, NAME, *RESULTS, *_settings()])
    with _writer(file, schema, format) as writer:
        for run in runs:
            agents = run.config.num_agents
            columns = _results(run, format) | _settings_of(run)
            repeated = {name: value if isinstance(value, list) else [value] * agents for name, value in columns.items()}
            arrays = [pa.array(repeated[field.name], field.type) for field in schema]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _results(run: Run, format: str) -> dict[str, Any]:
    return {
        RUN.name: run.id, NAME.name: _cell(run.name, format), "state": run.state,
        "tags": _cell(", ".join(run.tags), format), "note": _cell(run.note, format),
        "started": run.created_at, "agent": list(range(run.config.num_agents)), "updates": run.updates,
        "run_mean_return": run.mean_return, "env_steps_to_solve": list(run.env_steps_to_solve),
    }  # fmt: skip


def _settings() -> Iterator[pa.Field]:
    for name, parameter in HYPERPARAMETERS.items():
        yield pa.field(name, TYPES[parameter.kind])
        if parameter.live:
            yield pa.field(f"{name}_at_start", TYPES[parameter.kind])


def _settings_of(run: Run) -> dict[str, Any]:
    now = {name: _flat(name, value) for name, value in run.current}
    return now | {f"{name}_at_start": _flat(name, value) for name, value in run.config}


def _flat(name: str, value: Any) -> Any:
    return HYPERPARAMETERS[name].show(value) if HYPERPARAMETERS[name].kind in (tuple, dict) else value


def _cell(text: str, format: str) -> str:
    """Return text in which a spreadsheet sees no formula, where it is for one."""
    return f"'{text}" if format == "csv" and text.startswith(FORMULA) else text


def _writer(file: BinaryIO, schema: pa.Schema, format: str) -> Any:
    if format == "csv":
        return pa.csv.CSVWriter(file, schema)
    return pa.parquet.ParquetWriter(file, schema, compression="zstd")
