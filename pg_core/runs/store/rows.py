"""How records become rows of the store, and rows records."""

import functools
import io
import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from pg_core.config import Config, ConfigError
from pg_core.runs.store.records import Array, Request, Run, Snapshot
from pg_core.runs.store.schema import ARRAYS, MAX_NAME

if TYPE_CHECKING:  # the trainer imports TensorFlow, the server's store must not
    from pg_core.learning.trainer import Update


@functools.lru_cache(maxsize=4096)
def _configs(text: str, changes: tuple[str, ...]) -> tuple[Config, Config]:
    """Return a stored config, and what it is after all that was requested: each combination is validated once."""
    config = Config.from_json(text) if not changes else _configs(text, ())[0]
    requested = {name: value for change in changes for name, value in json.loads(change).items()}
    return config, config.changed(**requested) if changes else config


def request_of(row: sa.Row[Any]) -> Request:
    """Return the request in a row of `changes`."""
    return Request(row.id, json.loads(row._mapping["values"]), row.update)


def run_of(row: sa.Row[Any], changes: Sequence[str]) -> Run:
    """Return the run in a row of `runs`, with what was requested of it since: `values` of its rows of `changes`.

    Raises:
        ConfigError: this lab cannot read its config, or no lab has written such rows.
    """
    try:
        return _run_of(row, changes)
    except ConfigError:
        raise
    except Exception as error:  # a database can hold anything
        raise ConfigError(
            f"The rows of run {row.id} are damaged ({type(error).__name__}): put a backup back."
        ) from error


def _run_of(row: sa.Row[Any], changes: Sequence[str]) -> Run:
    config, current = _configs(row.config, tuple(changes))
    same = ("id", "name", "state", "reason", "updates", "episodes", "env_steps", "wall_seconds")
    time = ("elapsed_seconds", "steps_per_second", "target", "until", "rewinds")
    more = ("mean_return", "best_return", "note", "pinned", "parent_id", "parent_update", "owner", "arithmetic",
            "sweep_id", "setting")  # fmt: skip
    return Run(
        **{name: getattr(row, name) for name in (*same, *time, *more)},
        tags=tuple(json.loads(row.tags)),
        processors=tuple((update, name) for update, name in json.loads(row.processors)),
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        deleted=row.deleted_at is not None,
        config=config,
        current=current,
        env_steps_to_solve=tuple(json.loads(row.env_steps_to_solve)),
    )


def update_row(run_id: str, update: "Update", seconds: float) -> dict[str, Any]:
    """Return the row of `updates` of one update, `seconds` of training after the start of the run."""
    arrays = {name: getattr(update, name).astype(dtype).tobytes() for name, dtype in ARRAYS.items()}
    return {"run_id": run_id, "update": update.index, "seconds": seconds, **arrays}


def snapshot_row(run_id: str, snapshot: Snapshot) -> dict[str, Any]:
    """Return the row of `checkpoints` of a snapshot."""
    checkpoint = None if snapshot.checkpoint is None else to_bytes(snapshot.checkpoint)
    return {"run_id": run_id, "update": snapshot.update, "policy": to_bytes(snapshot.policy), "checkpoint": checkpoint}


def array_of(stored: Sequence[Any], name: str, *each: int) -> Array:
    """Return an array of n stored updates, `[n, *each]`."""
    data = b"".join(getattr(row, name) for row in stored)
    return np.frombuffer(data, ARRAYS[name]).reshape(len(stored), *each)


def totals(update: int, seconds: float, arrays: Mapping[str, Array], best_return: float) -> dict[str, Any]:
    """Return the columns of a run that follow from its last update, whose index is `update`."""
    return {
        "updates": update + 1,
        "episodes": (update + 1) * arrays["episodic_returns"].size,
        "env_steps": int(arrays["env_steps"].sum()),
        "wall_seconds": seconds,
        "elapsed_seconds": seconds,
        "mean_return": float(arrays["mean_return"].mean()),
        "best_return": best_return,
        "env_steps_to_solve": json.dumps([int(n) if n >= 0 else None for n in arrays["env_steps_to_solve"]]),
    }


def to_bytes(arrays: Mapping[str, Array]) -> bytes:
    """Pack arrays into the bytes of an npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def from_bytes(data: bytes) -> dict[str, Array]:
    """Unpack the arrays of an npz file; nothing in it is ever executed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return dict(archive)


def valid_text(name: str, text: str, low: int, high: int, *, lines: bool = False) -> str:
    """Return a text without the blanks around it.

    Raises:
        ConfigError: it has fewer than `low` or more than `high` characters, or some that cannot be printed.
    """
    stripped = text.strip()
    if not low <= len(stripped) <= high:
        raise ConfigError(f"`{name}` must have {low} to {high} characters, got {len(stripped)}.")
    if not (stripped.replace("\n", "") if lines else stripped).isprintable():
        raise ConfigError(f"`{name}` must have printable characters only, got {stripped[:80]!a}.")
    return stripped


def name_of(text: str | None) -> str:
    """Return a run's name, invented if none is given: such as brisk-otter-42.

    Raises:
        ConfigError: the text is no name.
    """
    if text is not None:
        return valid_text("name", text, 1, MAX_NAME)
    return f"{random.choice(_ADJECTIVES)}-{random.choice(_ANIMALS)}-{random.randint(10, 99)}"


_ADJECTIVES = (
    "agile", "brave", "brisk", "calm", "clever", "eager", "gentle", "keen", "lively", "lucid", "quick", "sunny",
)  # fmt: skip
_ANIMALS = ("badger", "crane", "falcon", "gecko", "heron", "ibex", "lynx", "marten", "otter", "owl", "raven", "wren")
