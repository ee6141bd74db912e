"""What this process has only once: the open store, the supervisor of its workers, the studio, the provers."""

import atexit
import contextlib
import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import sqlalchemy as sa

from pg_core.runs.curves.curves import CurveCache
from pg_core.runs.curves.outlines import Sparks
from pg_core.runs.paths import data_folder, database, on_cluster
from pg_core.runs.store import library
from pg_core.runs.store.schema import StoreError
from pg_core.runs.store.store import Store
from pg_core.runs.workers.episodes import Episodes
from pg_core.runs.workers.helper import Helper
from pg_core.runs.workers.prover import Prover
from pg_core.runs.workers.supervisor import Supervisor
from pg_core.sweeps import searching

P = ParamSpec("P")

_lock = threading.Lock()  # of all below
_supervisor: Supervisor | None = None
_studio: Helper | None = None
_cinema: Helper | None = None
_provers: dict[str, Prover] = {}  # by what they are for


def startup() -> None:
    """Start this process's supervisor and its studio; without this, each starts when it is needed."""
    supervisor()
    studio().start()
    with contextlib.suppress(StoreError):  # what was deleted may as well go at the next start
        library.purge(store())


def shutdown() -> None:
    """End all workers; runs that were active can be resumed later."""
    global _supervisor, _studio, _cinema
    with _lock:
        for helper in (_studio, _cinema):
            if helper:
                helper.close()  # films wait for their turn to ask it
        for each in _provers.values():
            each.shutdown()
        _provers.clear()
        if _supervisor:
            _supervisor.shutdown()
        _supervisor = _studio = _cinema = None


def store() -> Store:
    """Return the store in the folder and the database that are set now."""
    return _open(data_folder(), database())


@functools.cache
def _open(folder: Path, url: sa.URL) -> Store:
    return Store(folder, url)


@functools.cache
def curve_cache(store: Store) -> CurveCache:
    """Return what all viewers of a store share."""
    return CurveCache(store)


@functools.cache
def sparks(store: Store) -> Sparks:
    """Return what all viewers of a store share."""
    return Sparks(store)


def supervisor() -> Supervisor:
    """Return the supervisor; start it if it is not."""
    global _supervisor
    with _lock:
        if _supervisor is None:
            _supervisor = Supervisor(
                store(), search=functools.partial(searching.go_on, store()), on_cluster=on_cluster()
            )
            _supervisor.start()
            atexit.register(shutdown)
        return _supervisor


def insisting(order: Callable[P, None]) -> Callable[P, None]:
    """Have an order carried out as `Supervisor.insist` does, where this process has workers."""

    @functools.wraps(order)
    def insist(*arguments: P.args, **options: P.kwargs) -> None:
        carried_out = functools.partial(order, *arguments, **options)
        if _supervisor:
            _supervisor.insist(carried_out)
        else:
            carried_out()

    return insist


@functools.cache
def seen(store: Store, kind: str) -> Episodes:
    """Return what all viewers of a store share, of a kind, see `Episodes`."""
    return Episodes(kind)


def studio() -> Helper:
    """Return the studio, where episodes are played; its process starts with the first question."""
    global _studio
    with _lock:
        if _studio is None:
            _studio = Helper(store().folder, "studio")
            atexit.register(shutdown)
        return _studio


def cinema() -> Helper:
    """Return a second studio, where films are made: who watches an episode does not wait for them."""
    global _cinema
    with _lock:
        if _cinema is None:
            _cinema = Helper(store().folder, "studio")
            atexit.register(shutdown)
        return _cinema


def prover(purpose: str = "checks") -> Prover:
    """Return the prover for a purpose, a process of its own, which starts with the first question."""
    with _lock:
        if purpose not in _provers:
            _provers[purpose] = Prover(store().folder)
            atexit.register(shutdown)
        return _provers[purpose]


def laboratory() -> Prover:
    """Return a second prover, which measures estimators and robustness: no episode and no check waits for that."""
    return prover("laboratory")
