"""A run as files: its config and its parameters for other programs, and one zip from which it can be restored.

Updates are read some thousand at a time, so that memory does not grow with the length of a run.
"""

import json
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, BinaryIO

import numpy as np
import sqlalchemy as sa

from pg_core.runs.exchange import archive
from pg_core.runs.exchange.archive import Manifest, RecordedChange
from pg_core.runs.store.records import Array, Run
from pg_core.runs.store.rows import from_bytes
from pg_core.runs.store.schema import ARRAYS, CHANGES, CHECKPOINTS, StoreError, read
from pg_core.runs.store.store import Store

LIBRARIES = ("gymnasium", "numpy", "tensorflow")
START_OF_TIME = (1980, 1, 1, 0, 0, 0)  # of all members: the same run gives the same bytes


class ExportError(ValueError):
    """Raised when a run has nothing to be exported, or cannot be exported here; its message says what to do."""


def updates_of(store: Store, run: Run) -> Iterator[Array]:
    """Yield the updates of a run, some thousand at a time, each as an array `[n]` of `archive.update_type`.

    Raises:
        StoreError: the run has gone back to an earlier checkpoint meanwhile, or is damaged.
    """
    dtype = archive.update_type(run.config)
    for indices in archive.update_members(run.config, run.updates).values():
        rows = store.updates(run.id, list(ARRAYS), indices.start, len(indices))
        data = b"".join(_bytes(row) for row in rows)
        if [row.update for row in rows] != list(indices) or len(data) != len(rows) * dtype.itemsize:
            raise StoreError(
                "Updates of the run are missing: if it has just been resumed, export it again; else run "
                "`python -m pg_core store check`."
            )
        yield np.frombuffer(data, dtype)


def _bytes(row: sa.Row[Any]) -> bytes:
    head = np.int64(row.update).tobytes() + np.float64(row.seconds).tobytes()
    return head + b"".join(getattr(row, name) for name in ARRAYS)


def write_config(store: Store, run: Run, file: BinaryIO) -> None:
    """Write the config as started, the changes with their updates, and the versions of what exports it, as JSON."""
    content = {
        "run": {"id": run.id, "name": run.name, "state": run.state, "updates": run.updates},
        "config": run.config.model_dump(mode="json"),
        "changes": [{"update": r.update, "values": r.values} for r in store.requests(run.id)],
        "exported_with": {name: version(name) for name in LIBRARIES},
    }
    file.write(json.dumps(content, indent=2, allow_nan=False).encode())


def newest_policy(store: Store, run: Run, update: int | None = None) -> tuple[int, dict[str, Array]]:
    """Return the last policy kept at or before `update` (None: the newest), and how many updates it had done.

    Raises:
        ExportError: none is kept.
    """
    found = store.policy(run.id, update)
    if found is None:
        raise ExportError("No policy of the run is kept yet; wait until it has begun.")
    return found


def write_params(store: Store, run: Run, file: BinaryIO, update: int | None = None) -> None:
    """Write a kept policy, see `newest_policy`, as npz: the population axis first, with the number of its updates."""
    at, policy = newest_policy(store, run, update)
    np.savez(file, update=np.int64(at), **policy)  # type: ignore[arg-type]


def write_zip(store: Store, run: Run, file: BinaryIO) -> None:
    """Write all that is needed to restore a run, as `archive` describes it.

    Raises:
        StoreError: as `updates_of`, or a checkpoint is damaged.
    """
    manifest = Manifest(
        name=run.name, note=run.note, tags=list(run.tags), state=run.state, reason=run.reason,  # type: ignore[arg-type]
        updates=run.updates, steps_per_second=run.steps_per_second, arithmetic=run.arithmetic,
    )  # fmt: skip
    changes = [change.model_dump() for change in _changes(store, run)]
    with zipfile.ZipFile(file, "w") as packed:
        _add(packed, "manifest.json", manifest.model_dump_json(indent=2).encode())
        _add(packed, "config.json", run.config.model_dump_json(indent=2).encode())
        _add(packed, "changes.json", json.dumps(changes, indent=2).encode())
        for name, updates in zip(archive.update_members(run.config, run.updates), updates_of(store, run), strict=True):
            _add_array(packed, name, updates)
        for at in [update for update in store.policies(run.id) if update <= run.updates]:
            _add_checkpoint(packed, store, run, at)


def _changes(store: Store, run: Run) -> list[RecordedChange]:
    wanted = sa.select(CHANGES).where(CHANGES.c.run_id == run.id).order_by(CHANGES.c.id)
    with read(store.engine) as connection:
        rows = connection.execute(wanted).mappings().all()
    return [
        RecordedChange(values=json.loads(row["values"]), update=row["update"], requested_at=row["requested_at"])
        for row in rows
    ]


def _add_checkpoint(packed: zipfile.ZipFile, store: Store, run: Run, at: int) -> None:
    wanted = sa.select(CHECKPOINTS.c.policy, CHECKPOINTS.c.checkpoint)
    with read(store.engine) as connection:
        row = connection.execute(wanted.where(CHECKPOINTS.c.run_id == run.id, CHECKPOINTS.c.update == at)).first()
    if row is None:
        return  # it was dropped meanwhile, to make room for newer ones
    full = row.checkpoint is not None
    try:
        checkpoint = from_bytes(row.checkpoint) if full else {}
        joined = archive.join(from_bytes(row.policy), checkpoint, archive.checkpoint_type(run.config, at, full))
    except Exception as error:  # bytes can be wrong in any way
        raise StoreError(f"What the run had learned after {at:,} updates cannot be read: {error}") from error
    _add_array(packed, archive.checkpoint_member(at, full), joined)


def _add_array(packed: zipfile.ZipFile, name: str, array: Array) -> None:
    _add(packed, name, archive.header(array.dtype, array.shape) + array.tobytes())


def _add(packed: zipfile.ZipFile, name: str, data: bytes) -> None:
    member = zipfile.ZipInfo(name, START_OF_TIME)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    packed.writestr(member, data)
