"""Episodes as CSV and updates as Parquet, of one run or of several, a batch of rows at a time."""

import json
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pg_core.config import HYPERPARAMETERS, Config
from pg_core.runs.exchange.exports import updates_of
from pg_core.runs.store.records import Array, Run
from pg_core.runs.store.store import Store

EPISODES = pa.schema({
    "update": pa.int32(), "agent": pa.int16(), "episode": pa.int32(), "episodic_return": pa.float32(),
    "episodic_length": pa.int32(), "env_steps": pa.int64(), "seconds": pa.float64(),
})  # fmt: skip
MEASURED = {  # of each agent in each update: unit and meaning
    "policy_loss": ("", "surrogate loss; no measure of performance"),
    "value_loss": ("return²", "half the mean squared error of the value network"),
    "entropy_loss": ("nats", "minus the entropy of the steps, reduced as the policy loss"),
    "entropy": ("nats", "of the policy, mean over the steps played"),
    "grad_norm": ("", "of the policy's gradient, before the limit"),
    "grad_snr": ("", "signal-to-noise ratio of the gradient"),
    "approx_kl": ("nats", "from the policy before to the one after the step"),
    "explained_variance": ("", "of the returns by the baseline"),
    "mean_return": ("return", "of the agent's last 100 episodes at most"),
    "cut": ("", "share of the episodes that the time limit ended, not the environment"),
    "at_bounds": ("", "share of the actions' components at an edge of their box, or beyond"),
    "max_reward": ("reward", "highest of a single step"),
}
COUNTED = {
    "update": ("", "index of the update", pa.int32()),
    "agent": ("", "index in the population", pa.int16()),
    "seconds": ("s", "of training since the start of the run", pa.float64()),
    "episodes": ("episodes", "of the agent since the start of the run", pa.int64()),
    "env_steps": ("steps", "of the agent since the start of the run", pa.int64()),
    "env_steps_to_solve": ("steps", "null where not solved", pa.int64()),
    "episodic_return": ("return", "mean over the episodes of this update", pa.float32()),
    "episodic_length": ("steps", "mean over the episodes of this update", pa.float32()),
}
POPULATION = {
    "iqm": ("return", "interquartile mean of mean_return over the agents"),
    "iqm_low": ("return", "lower end of its 95 % bootstrap interval"),
    "iqm_high": ("return", "upper end of its 95 % bootstrap interval"),
}
RUN = pa.field("run", pa.string(), metadata={"unit": "", "description": "id of the run; only where there are several"})
TYPES = {
    int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string(), tuple: pa.string(), dict: pa.string()
}  # fmt: skip


def write_episodes(store: Store, run: Run, file: BinaryIO, *others: Run) -> None:
    """Write a row an episode: update, agent, number of the agent's episode, return, length, steps, seconds.

    Those of other runs follow, and `run` comes first.
    """
    schema = pa.schema([RUN, *EPISODES]) if others else EPISODES
    options = pa.csv.WriteOptions(quoting_style="none", quoting_header="none")
    with pa.csv.CSVWriter(file, schema, write_options=options) as writer:
        for each in (run, *others):
            for updates in updates_of(store, each):
                rows = {RUN.name: np.array(each.id), **_episodes(updates)}
                writer.write_batch(batch_of(rows, updates["episodic_returns"].shape, schema))


def _episodes(updates: Array) -> dict[str, Array]:
    lengths = updates["episodic_lengths"].astype(np.int64)  # [n, P, B]
    before = updates["env_steps"] - lengths.sum(axis=2)  # [n, P]
    _, agents, batch = lengths.shape
    return {
        "update": updates["update"][:, None, None],
        "agent": np.arange(agents)[:, None],
        "episode": updates["update"][:, None, None] * batch + np.arange(batch),
        "episodic_return": updates["episodic_returns"],
        "episodic_length": lengths,
        "env_steps": before[:, :, None] + lengths.cumsum(axis=2),
        "seconds": updates["seconds"][:, None, None],
    }


def write_updates(store: Store, run: Run, file: BinaryIO, *others: Run) -> None:
    """Write a row an update and agent: all that was measured, and the hyperparameters that were in force.

    Those of other runs follow, `run` comes first, and the file's metadata has the runs' names by their ids.
    """
    about = {"run": run.id, "name": run.name, "config": run.config.model_dump_json()}
    schema = pa.schema(fields(), metadata=about)
    if others:
        names = {each.id: each.name for each in (run, *others)}
        schema = pa.schema([RUN, *fields()], metadata={"names": json.dumps(names)})
    with pa.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for each in (run, *others):
            configs = in_force(store, each)
            for updates in updates_of(store, each):
                rows = {RUN.name: np.array(each.id), **rows_of(updates, configs)}
                writer.write_batch(batch_of(rows, updates["env_steps"].shape, schema))


def fields() -> Iterator[pa.Field]:
    """Return the columns of a table of updates: what was counted and measured, and the settings in force."""

    def field(name: str, dtype: pa.DataType, unit: str, description: str) -> pa.Field:
        return pa.field(name, dtype, metadata={"unit": unit, "description": description})

    for name, (unit, description, dtype) in COUNTED.items():
        yield field(name, dtype, unit, description)
    for name, (unit, description) in {**MEASURED, **POPULATION}.items():
        yield field(name, pa.float32(), unit, f"{description}; NaN where undefined")
    for name, parameter in HYPERPARAMETERS.items():
        yield field(name, TYPES[parameter.kind], "", f"{parameter.label}, in force in this update")


def rows_of(updates: Array, configs: list[tuple[int, Config]]) -> dict[str, Array | pa.Array]:
    """Return some updates of a run as columns, each broadcast to a row an update and agent."""
    batch = updates["episodic_returns"].shape[2]
    rows: dict[str, Array | pa.Array] = {
        "update": updates["update"][:, None],
        "agent": np.arange(updates["env_steps"].shape[1]),
        "seconds": updates["seconds"][:, None],
        "episodes": (updates["update"][:, None] + 1) * batch,
        "env_steps": updates["env_steps"],
        "episodic_return": updates["episodic_returns"].mean(axis=2),
        "episodic_length": updates["episodic_lengths"].mean(axis=2),
        **{name: updates[name] for name in MEASURED},
        **{name: updates["iqm"][:, None, i] for i, name in enumerate(POPULATION)},
    }
    solved = updates["env_steps_to_solve"].reshape(-1)
    rows["env_steps_to_solve"] = pa.array(solved, mask=solved < 0)
    each = np.searchsorted([first for first, _ in configs], updates["update"], side="right") - 1  # [n]
    each = np.repeat(each, updates["env_steps"].shape[1])
    for name, parameter in HYPERPARAMETERS.items():
        values = [getattr(config, name) for _, config in configs]
        shown = list(map(parameter.show, values)) if parameter.kind in (tuple, dict) else values
        rows[name] = pa.array(shown, TYPES[parameter.kind]).take(each)
    return rows


def in_force(store: Store, run: Run) -> list[tuple[int, Config]]:
    """Return the configs of a run, each with the first update in which it was in force."""
    configs = [(0, run.config)]
    for request in store.requests(run.id):
        if request.update is not None:
            configs.append((request.update, configs[-1][1].changed(**request.values)))
    return configs


def batch_of(columns: Mapping[str, Array | pa.Array], shape: tuple[int, ...], schema: pa.Schema) -> pa.RecordBatch:
    """Return columns, of `shape` or broadcast to it, as rows."""

    def flat(values: Array | pa.Array) -> pa.Array:
        return pa.array(np.broadcast_to(values, shape).reshape(-1)) if isinstance(values, np.ndarray) else values

    return pa.record_batch([flat(columns[field.name]).cast(field.type) for field in schema], schema=schema)
