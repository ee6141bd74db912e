"""Per-visitor quotas and admission control."""

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from pg_core.config import Config, ConfigError
from pg_core.environments import sandbox
from pg_core.lab import access, state
from pg_core.lab.access import NotAllowed, Visitor
from pg_core.learning import memory
from pg_core.runs.paths import on_cluster
from pg_core.runs.store import quotas

GB = 10**9
# By the environment variable that sets it. One person at one machine should never meet any of them.
DEFAULTS = {
    "PG_LAB_MAX_ACTIVE": 100.0,
    "PG_LAB_MAX_QUEUE": 500.0,
    "PG_LAB_MAX_STORED_GB": 10.0,
    "PG_LAB_MIN_FREE_GB": 1.0,
}
# What an import has in memory: an array as it comes, as it is stored, and as the database copies it, of which
# PostgreSQL makes four, in a process that may be of this machine; and all else.
IMPORT_COPIES, IMPORT_BYTES = {"sqlite": 3, "postgresql": 6}, 50 * 2**20
MIN_FREE_SHARE = 0.02  # of a disk, where that is less than PG_LAB_MIN_FREE_GB

coming: dict[str | None, int] = {}  # how many forks are being made, by visitor: each is a run soon
_lock = threading.Lock()  # of two that start a run at the same time, only one may get the last place


def limit(name: str) -> float:
    """Return a limit: what its environment variable says, else its default.

    Raises:
        ConfigError: it says something else than a number.
    """
    text = os.environ.get(name) or str(DEFAULTS[name])
    with contextlib.suppress(ValueError):
        if (value := float(text)) >= 0:
            return value
    raise ConfigError(f"`{name}` must be a number of at least 0, got {text!r}.")


def check_limits() -> None:
    """Check that every limit can be read, and that there can be a cluster if one is set.

    Raises:
        ValueError: as `limit`.
        StoreError: as `on_cluster`.
    """
    for name in DEFAULTS:
        limit(name)
    for name in sandbox.LIMITS:
        sandbox.limit(name)
    on_cluster()


@contextlib.contextmanager
def admission(runs: int = 1, more: int = 0) -> Iterator[Visitor]:
    """Return who may make some more runs active, while nobody else is admitted.

    Args:
        runs: how many, all or none.
        more: bytes that they will hold together, where they are known.

    Raises:
        NotAllowed: the visitor or the lab has as many as are allowed, or the visitor has not logged in.
    """
    acting = check_stored(more)  # which takes long where it makes room: others are admitted meanwhile
    with _lock:
        _check_queue(runs)
        if key := acting.id or acting.session:
            _check_active(key, runs)
        yield acting


def check_stored(more: int = 0) -> Visitor:
    """Return who may store more; their oldest deleted runs go where they are in its way.

    Args:
        more: bytes that is, where they are known.

    Raises:
        NotAllowed: the visitor's runs fill their quota, the disk is nearly full, or the visitor has not logged in.
    """
    acting = access.visitor()
    if acting.id is None and not acting.admin:
        raise NotAllowed("Log in to start runs.")
    _check_disk(state.store().folder, more)
    if key := acting.id or acting.session:
        most = limit("PG_LAB_MAX_STORED_GB") * GB
        stored = quotas.make_room(state.store(), key, most - more)
        if stored >= most - more:
            adds = f", this one would take {more / GB:.2g} GB" if more else ""
            limited = f"the limit is {most / GB:.2g} GB: delete some first."
            raise NotAllowed(f"Your runs take {stored / GB:.2g} GB of disk{adds}, and {limited}")
    return acting


def check_import(total: int, largest: int) -> None:
    """Check that a run can come in.

    Args:
        total: bytes of all its arrays.
        largest: bytes of the largest of them.

    Raises:
        NotAllowed: as `check_stored`, or there is too little memory.
    """
    check_stored(total)
    copies = IMPORT_COPIES[state.store().engine.dialect.name]
    if (left := memory.free()) < copies * largest + IMPORT_BYTES:
        raise NotAllowed(f"{left / GB:.2g} GB of memory are free, too little for this run: try again later.")


def check_memory(*configs: Config) -> None:
    """Refuse configs of which one does not fit into the free memory, unless they are trained on other machines.

    Raises:
        ConfigError: with the sizes.
    """
    if not on_cluster():
        memory.check(*configs)


def _check_disk(folder: Path, more: int) -> None:
    disk = shutil.disk_usage(folder)
    if disk.free - more < min(limit("PG_LAB_MIN_FREE_GB") * GB, MIN_FREE_SHARE * disk.total):
        raise NotAllowed(
            f"The lab's disk has only {disk.free / GB:.2g} GB left, too little to start a run: free some space."
        )


def _check_queue(runs: int) -> None:
    waiting, most = len(state.store().queue()) + sum(coming.values()), limit("PG_LAB_MAX_QUEUE")
    if waiting + runs > most:
        raise NotAllowed(f"{waiting} runs wait in the queue, which takes {most:g}: try again when some have begun.")


def _check_active(key: str, runs: int) -> None:
    active, most = quotas.usage(state.store(), key)[0] + coming.get(key, 0), limit("PG_LAB_MAX_ACTIVE")
    if active + runs > most:
        raise NotAllowed(
            f"You have {active} runs in training or in the queue, and with {runs} more there would be more than the "
            f"limit of {most:g}: stop some first."
        )
