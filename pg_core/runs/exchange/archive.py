"""What the zip of an exported run holds: names, types and shapes of all its arrays follow from the run's config.

`manifest.json`, `config.json` and `changes.json` say what the run is; `updates/NNNNNNN.npy` are its updates, some
thousand a file, from update N on; `checkpoints/NNNNNNN.npy` is the trainer's state after N updates. Every array is of a
structured type, so that `numpy.load` gives its parts by name.
"""

import io
import itertools
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pg_core.config import Config
from pg_core.policies.in_numpy import MEAN, VARIANCE
from pg_core.runs.store.leaves import leaf_names, named
from pg_core.runs.store.records import ARITHMETIC, Array
from pg_core.runs.store.schema import ARRAYS, MEASURED_LATER

MAX_FILE = 200 * 2**20  # bytes of a zip; `server.maxUploadSize` in .streamlit/config.toml is the same in MB
MAX_BYTES = 2 * 2**30  # of all that is in it
MAX_ARRAY = 256 * 2**20  # of one array: what is trained hardly gets smaller in a zip; a transaction writes it at once
MAX_MEMBERS = 1_500  # at most 720 files of updates, 512 policies and the newest, 128 checkpoints
MAX_JSON = 4 * 2**20
MAX_CHUNK, CHUNK_BYTES = 4_096, 2**22  # updates of a file, and bytes, unless a single update has more
RECENT = 100  # episodes of each agent that a checkpoint remembers


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Manifest(_Strict):
    """What a run is beside its config, its changes and its arrays."""

    format: Literal["policy-gradient-lab run"] = "policy-gradient-lab run"
    # 1: a checkpoint's arrays have numbers; 1, 2: without `MEASURED_LATER`; 1 to 3: of an environment, only its id
    format_version: Literal[1, 2, 3, 4] = 4
    name: str
    note: str
    tags: list[str]
    state: Literal[
        "queued", "starting", "running", "paused", "solved", "finished", "stopped", "failed", "interrupted"
    ]  # fmt: skip
    reason: str
    updates: Annotated[int, Field(ge=0, le=1_000_000)]
    steps_per_second: Annotated[float, Field(ge=0)]
    arithmetic: Annotated[int, Field(ge=1, le=ARITHMETIC)] = 1


class RecordedChange(_Strict):
    """Live values that someone asked for; `update` is the first in which they were in force."""

    values: dict[str, Any]
    update: Annotated[int, Field(ge=0, le=1_000_000)] | None
    requested_at: Annotated[float, Field(ge=0)]


def update_type(config: Config, version: int = 3) -> np.dtype[Any]:
    """Return the type of one update in archives of a version: index, seconds of training, arrays of an `Update`."""
    agents, batch = config.num_agents, config.episodes_per_update
    shapes = dict.fromkeys(("episodic_returns", "episodic_lengths"), (agents, batch)) | {"iqm": (3,)}
    arrays = [(name, dtype, shapes.get(name, (agents,))) for name, dtype in ARRAYS.items()]
    if version < 3:
        arrays = [array for array in arrays if array[0] not in MEASURED_LATER]
    return np.dtype([("update", "<i8"), ("seconds", "<f8"), *arrays])


def update_members(config: Config, count: int, version: int = 3) -> dict[str, range]:
    """Return which of `count` updates are in which file of an archive of a version."""
    most = max(1, min(MAX_CHUNK, CHUNK_BYTES // update_type(config, version).itemsize))
    starts = range(0, count, most)
    return {f"updates/{first:07}.npy": range(first, min(first + most, count)) for first in starts}


def completed(updates: Array, config: Config) -> Array:
    """Return updates of any version in the type of this one: what was not measured is undefined."""
    result = np.zeros(updates.shape, update_type(config))
    for name in result.dtype.names or ():
        result[name] = updates[name] if name in (updates.dtype.names or ()) else np.nan
    return result


def checkpoint_member(update: int, full: bool) -> str:
    """Return the name of the file of a checkpoint, or of a policy that was kept without the rest of it."""
    return f"{'checkpoints' if full else 'policies'}/{update:07}.npy"


def checkpoint_type(config: Config, update: int, full: bool, numbered: bool = False) -> np.dtype[Any]:
    """Return the type of a kept policy, or of the whole state of a trainer, after `update` updates.

    Args:
        config: of the run.
        update: number of updates done.
        full: whether it is the whole state.
        numbered: whether the arrays of the state have numbers for names, as in archives of version 1.
    """
    spec, agents = config.environment, config.num_agents
    policy = _parameters(config, spec.action_size)
    if not spec.discrete:
        policy["log_std"] = (agents, 1, spec.action_size)
    if config.normalize_observations:
        policy |= dict.fromkeys((MEAN, VARIANCE), (agents, 1, spec.observation_size))
    fields: list[Any] = [(f"policy.{name}", "<f4", shape) for name, shape in policy.items()]
    if full:
        value = _parameters(config, 1) if config.baseline == "value" else {}
        shapes = {"policy": policy, "value": value, "policy_slots": policy, "value_slots": value}
        leaves = [(path, _shape(shapes, path)) for path in leaf_names(policy, value)]
        if numbered:
            leaves = [(f"state_{i}", shape) for i, (_, shape) in enumerate(leaves)]
        recent = (agents, min(RECENT, update * config.episodes_per_update))
        fields += [("update", "<i8"), ("env_steps", "<i8", (agents,)), ("env_steps_to_solve", "<i8", (agents,))]
        fields += [("recent_returns", "<f4", recent), *((path, "<f4", s) for path, s in leaves)]
    return np.dtype(fields)


def _shape(shapes: dict[str, dict[str, tuple[int, ...]]], path: str) -> tuple[int, ...]:
    part, _, name = path.partition("/")
    return shapes[part][name.partition("/")[0]] if name else ()


def _parameters(config: Config, outputs: int) -> dict[str, tuple[int, ...]]:
    sizes = itertools.pairwise((config.environment.observation_size, *config.hidden_layers, outputs))
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (fan_in, fan_out) in enumerate(sizes):
        shapes |= {f"kernel_{i}": (config.num_agents, fan_in, fan_out), f"bias_{i}": (config.num_agents, 1, fan_out)}
    return shapes


def join(policy: dict[str, Array], checkpoint: dict[str, Array] | None, dtype: np.dtype[Any]) -> Array:
    """Put the arrays of a checkpoint into one of a structured type, of shape `()`."""
    parts = {f"policy.{name}": array for name, array in policy.items()} | (checkpoint or {})
    if {name: (a.dtype.str, a.shape) for name, a in parts.items()} != {
        name: (field[0].base.str, field[0].shape) for name, field in (dtype.fields or {}).items()
    }:
        raise ValueError("The arrays of the checkpoint are not those of the run's config.")
    record = np.zeros((), dtype)
    for name, array in parts.items():
        record[name] = array
    return record


def split(record: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """Undo `join`: return the policy, and the checkpoint, empty if there is none."""
    parts = {name: np.asarray(record[name]) for name in record.dtype.names or ()}
    kept = [name for name in parts if name.startswith("policy.")]
    policy = {name.removeprefix("policy."): parts[name] for name in kept}
    num_layers = sum(name.startswith("kernel") for name in policy)
    return policy, named({name: array for name, array in parts.items() if name not in kept}, num_layers)


def header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the bytes with which an npy file of an array begins."""
    buffer = io.BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()
