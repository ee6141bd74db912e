"""Makes a run from an exported one and believes nothing in it: what the lab would not have written is refused.

All of it is arrays, JSON and text; nothing is executed, and nothing is written but rows of the store.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from pydantic import TypeAdapter, ValidationError

from pg_core.config import HYPERPARAMETERS, Config, ConfigError
from pg_core.environments import UnsupportedEnvironmentError
from pg_core.environments.registration import check_named
from pg_core.runs.exchange import archive, derived
from pg_core.runs.exchange.archive import Manifest, RecordedChange
from pg_core.runs.exchange.plausibility import check_checkpoint, check_updates
from pg_core.runs.exchange.untrusted import ImportRefused, Members
from pg_core.runs.store import library
from pg_core.runs.store.earlier import config_of_today
from pg_core.runs.store.leases import Heart
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.records import MAX_CHANGES, Array
from pg_core.runs.store.rows import to_bytes, totals, valid_text
from pg_core.runs.store.schema import ARRAYS, CHANGES, CHECKPOINTS, UPDATES, write
from pg_core.runs.store.store import Store

ENDED = ("solved", "finished", "failed")
MAX_REASON = 2_000


def import_run(
    store: Store, file: BinaryIO, owner: str | None = None, session: str | None = None,
    admit: Callable[[int, int], object] | None = None,
) -> str:  # fmt: skip
    """Add the run in an exported zip, and return its new id.

    It has ended as it had when it was exported, or is stopped and can be resumed. It is written in many short
    transactions, since others train meanwhile, and is out of sight until the last of them.

    Args:
        store: where it is to be kept.
        file: seekable.
        owner: whose it becomes: the id of a log-in.
        session: of the browser that it came from.
        admit: is told before any array is unpacked how many bytes all of them have, and the largest; raises if they
            must not come in.

    Raises:
        ImportRefused: the file is no exported run, or not one that this lab can keep; the store is as before.
    """
    members = Members(file)
    manifest: Manifest = _read(members, "manifest.json", Manifest)
    config = _config(members, manifest.format_version)
    changes = _changes(members, config)
    sizes = _sizes(members, config, manifest)
    if name := next((name for name, size in sizes.items() if size > archive.MAX_ARRAY), None):
        raise ImportRefused(
            f"`{name}` must have at most {archive.MAX_ARRAY:,} bytes, and for such a config has {sizes[name]:,}: "
            "move such runs by `store backup`."
        )
    if admit:
        admit(sum(sizes.values()), max(sizes.values(), default=0))
    with _naming("manifest.json"):
        valid_text("reason", manifest.reason, 0, MAX_REASON, lines=True)
        process = process_name()
        run_id = store.create(config, manifest.name, process, owner, session, deleted_at=time.time())
    try:
        with Heart(store, process):
            with _naming("manifest.json"):
                library.label(store, run_id, note=manifest.note, tags=manifest.tags)
            _add_changes(store, run_id, changes)
            summary = _add_updates(store, run_id, members, config, manifest)
            _add_checkpoints(store, run_id, members, config, manifest)
            ended = manifest.state in ENDED
            summary |= {"state": manifest.state, "reason": manifest.reason} if ended else {"state": "stopped"}
            summary |= {"arithmetic": manifest.arithmetic, "process": None, "deleted_at": None}
            store.transition(run_id, ["starting"], process, **summary)
    except BaseException:
        library.remove(store, run_id)
        raise
    return run_id


@contextlib.contextmanager
def _naming(member: str) -> Iterator[None]:
    """Have the sentence that refuses something in a member name that member."""
    try:
        yield
    except ImportRefused:
        raise
    except (ConfigError, UnsupportedEnvironmentError) as error:
        raise ImportRefused(f"`{member}`: {error}") from None


def _read(members: Members, name: str, kind: Any) -> Any:
    """Return what a JSON file says, as a `kind`."""
    try:
        return TypeAdapter(kind).validate_python(members.json(name))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(ascii(part)[:40].strip("'") for part in first["loc"])
        raise ImportRefused(f"`{name}`: `{place}` is not as an export writes it: {first['msg']}.") from None


def _config(members: Members, format_version: int) -> Config:
    values = _read(members, "config.json", dict[str, Any])
    values = config_of_today(values) if format_version < 4 else values
    with _naming("config.json"):
        check_named(str(values.get("env_id")))  # before a config would import the module
        return Config.from_json(json.dumps(values))


def _changes(members: Members, config: Config) -> list[RecordedChange]:
    """Return the changes, each of which could be made where it was."""
    changes: list[RecordedChange] = _read(members, "changes.json", list[RecordedChange])
    with _naming("changes.json"):
        if len(changes) > MAX_CHANGES:
            raise ConfigError(f"There must be at most {MAX_CHANGES:,} changes, got {len(changes):,}.")
        for i, change in enumerate(changes):  # names first: `changed` takes them as arguments
            if not change.values or not change.values.keys() <= HYPERPARAMETERS.keys():
                raise ConfigError("Each change must name hyperparameters only, and one at least.")
            config = config.changed(**change.values)
            # As the lab writes them: 1.0 where somebody has written "1".
            values = config.model_dump(mode="json", include=set(change.values))
            changes[i] = change.model_copy(update={"values": values})
        # In the order in which they were asked for; those that wait for the next update come last.
        for one, after in pairwise(change.update for change in changes):
            if after is not None and (one is None or one > after):
                raise ConfigError("The changes are not in the order of their updates.")
    return changes


def _sizes(members: Members, config: Config, manifest: Manifest) -> dict[str, int]:
    """Return the bytes that each array must have: they follow from the config, not from what the zip says of itself."""
    version = manifest.format_version
    update = archive.update_type(config, version).itemsize
    files = archive.update_members(config, manifest.updates, version)
    sizes = {name: update * len(indices) for name, indices in files.items()}
    for name, (at, full) in _kept(members, manifest.updates).items():
        sizes[name] = archive.checkpoint_type(config, at, full, numbered=version == 1).itemsize
    return sizes


def _kept(members: Members, count: int) -> dict[str, tuple[int, bool]]:
    """Return after how many updates each policy or checkpoint was kept, and whether it is a whole checkpoint."""
    kept: dict[str, tuple[int, bool]] = {}
    for name in sorted(name for name in members.names if not name.startswith("updates/") and name.endswith(".npy")):
        folder, _, file = name.partition("/")
        at = int(file.removesuffix(".npy"))
        if at > count or at in {known for known, _ in kept.values()}:
            raise ImportRefused(f"`{name}` is beyond the run's {count:,} updates, or a second of its update.")
        kept[name] = at, folder == "checkpoints"
    return kept


def _add_changes(store: Store, run_id: str, changes: list[RecordedChange]) -> None:
    rows = [{"run_id": run_id, **change.model_dump(), "values": json.dumps(change.values)} for change in changes]
    if rows:
        with write(store.engine, run_id) as connection:
            connection.execute(CHANGES.insert(), rows)


def _add_updates(store: Store, run_id: str, members: Members, config: Config, manifest: Manifest) -> dict[str, Any]:
    """Keep the updates, a file at a time, and return the columns of the run that follow from them."""
    count, stored = manifest.updates, archive.update_type(config, manifest.format_version)
    files = archive.update_members(config, count, manifest.format_version)
    if superfluous := {name for name in members.names - files.keys() if name.startswith("updates/")}:
        raise ImportRefused(f"`{min(superfluous)}` holds none of the run's {count:,} updates.")
    last, best_return = np.zeros((), archive.update_type(config)), -np.inf
    last["update"], last["env_steps_to_solve"] = -1, -1
    recent = np.zeros((config.num_agents, derived.WINDOW), ARRAYS["episodic_returns"])
    for name, indices in files.items():
        updates = archive.completed(members.array(name, stored, (len(indices),)), config)
        with _naming(name):
            check_updates(config, last, recent, updates)
        with write(store.engine, run_id) as connection:
            connection.execute(UPDATES.insert(), [_row(run_id, update) for update in updates])
        recent = derived.following(recent, updates)[:, -derived.WINDOW :]
        last, best_return = updates[-1], max(best_return, float(updates["episodic_returns"].max()))
    if not count:
        return {}
    timed = store.updates(run_id, ["env_steps"], max(0, count - derived.RATE_UPDATES - 1), count)
    arrays = {name: last[name] for name in ARRAYS}
    rate = {"steps_per_second": derived.steps_per_second(timed)}
    return totals(count - 1, float(last["seconds"]), arrays, best_return) | rate


def _row(run_id: str, update: Array) -> dict[str, Any]:
    arrays = {name: update[name].tobytes() for name in ARRAYS}
    return {"run_id": run_id, "update": int(update["update"]), "seconds": float(update["seconds"]), **arrays}


def _add_checkpoints(store: Store, run_id: str, members: Members, config: Config, manifest: Manifest) -> None:
    """Keep policies and checkpoints, one at a time."""
    for name, (at, full) in _kept(members, manifest.updates).items():
        dtype = archive.checkpoint_type(config, at, full, numbered=manifest.format_version == 1)
        policy, checkpoint = archive.split(members.array(name, dtype, ()))
        first = max(0, at - math.ceil(derived.WINDOW / config.episodes_per_update))
        before = store.updates(run_id, ["env_steps", "env_steps_to_solve", "episodic_returns"], first, at - first)
        with _naming(name):
            check_checkpoint(config, at, policy, checkpoint, before)
        data = {"policy": to_bytes(policy), "checkpoint": to_bytes(checkpoint) if full else None}
        del policy, checkpoint  # the database makes a copy of its own
        with write(store.engine, run_id) as connection:
            connection.execute(CHECKPOINTS.insert(), {"run_id": run_id, "update": at, **data})
