"""Who works on a run, and whether they still do: for each run that is worked on the store has a lease that expires.

Who works renews it, with each commit and by a thread of its own. A process of this machine is known by its id, and
judged by that: whoever looks here renews the lease of one that lives, however little it gets to do. One of another
machine is judged by its lease, and that by the database's clock.

A lease that has expired is not enough: the database may have been away, or its clock set. So whoever judges must see it
expired look by look for a while, in which the database answers and whoever lives renews.
"""

import contextlib
import threading
import time
from collections.abc import Collection, Iterable
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from pg_core.runs.store.processes import is_alive, is_here, is_of_cluster
from pg_core.runs.store.records import WORKED_ON
from pg_core.runs.store.schema import RUNS, StoreError, read, touch, write

LEASE_SECONDS = 20.0
RENEW_SECONDS = 2.0  # between two renewals
LATE_SECONDS = 5.0  # after the last one, when others of its machine vouch for a process
DOUBT_SECONDS = 5.0  # for which an expired lease must be seen
LOOK_SECONDS = 1.0  # that the time between two looks counts at most, however long the database did not answer
MAX_TAKEN_UP = 3  # times that a run is taken up without having been trained an update further

DIED = "Its worker process ended unexpectedly; resume the run to continue it from its last checkpoint."
TAKEN_UP = "Its worker on the cluster ended unexpectedly; it continues from its last checkpoint."
GIVEN_UP = (
    f"Its workers on the cluster ended unexpectedly {MAX_TAKEN_UP + 1} times without an update; "
    "resume the run to try once more."
)


class _Now(sa.ColumnElement[float]):
    """Seconds since 1970 by the clock of the database."""

    inherit_cache = True
    type = sa.Double()


@compiles(_Now)
def _now(*_: object, **__: object) -> str:
    return "EXTRACT(EPOCH FROM clock_timestamp())"


@compiles(_Now, "sqlite")
def _now_of_sqlite(*_: object, **__: object) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


def lease() -> sa.ColumnElement[float]:
    """Return until when a lease is that is made or renewed now."""
    return _Now() + LEASE_SECONDS


def _is_held(seconds: float) -> sa.ColumnElement[bool]:
    """Return whether a run's lease is still held in some seconds; one of a clock that was set back since is none."""
    return sa.func.coalesce(RUNS.c.lease_until.between(_Now() + seconds, lease()), sa.false())


class Leases:
    """Leases of all runs; every method raises StoreError as those of `Store` do.

    Attributes:
        gone: why processes have ended whose runs could not be marked yet, on a full disk say; their runs are read as
            interrupted.
    """

    engine: sa.Engine

    def __init__(self) -> None:
        self.gone: dict[str, str] = {}
        self._doubts: dict[tuple[str, str], float] = {}  # run and process: for how long its lease was seen expired
        self._late: set[str] = set()  # processes that live here, and have not renewed their leases for long
        self._looked = 0.0
        self._looking = threading.Lock()

    def worked_on(self) -> list[tuple[str, str, str]]:
        """Return id, state and process of each run that a process works on."""
        return [(row.id, row.state, row.process) for row in self._worked_on()]

    def renew(self, process: str) -> None:
        """Renew the leases of all runs that a process works on, but for those that it has renewed lately."""
        own = RUNS.c.process == process, RUNS.c.state.in_(WORKED_ON)
        stale = sa.not_(_is_held(LEASE_SECONDS - RENEW_SECONDS))
        with read(self.engine) as connection:
            found = list(connection.scalars(sa.select(RUNS.c.id).where(*own, stale)))
        for run_id in found:
            with touch(self.engine) as connection:
                connection.execute(RUNS.update().where(RUNS.c.id == run_id, *own).values(lease_until=lease()))

    def note_dead(self) -> None:
        """Have the runs whose process is gone read as interrupted; nothing is written."""
        self._note_gone(self._dead().values())

    def interrupt_dead(self, alive: Collection[str] = (), run_id: str | None = None) -> None:
        """Mark runs whose process is gone as interrupted, or queue them again if it was one of a cluster.

        This is for who looks after them, or acts on one of them: whoever only looks changes nothing.

        Args:
            alive: processes that are known to run.
            run_id: None: of all runs.
        """
        dead = self._dead(alive, run_id)
        try:
            for process in self._late:
                self.renew(process)
            for found, process in dead.items():
                self._release(found, process)
        except StoreError:  # not before: what is read as interrupted can be resumed
            self._note_gone(dead.values())
            raise
        for process in dead.values():
            self.gone.pop(process, None)

    def settle(self) -> None:
        """Look until it is known of every expired lease whether its process is gone: who looks but once must wait."""
        self._dead()
        while any(seconds < DOUBT_SECONDS for seconds in self._doubts.values()):
            time.sleep(LOOK_SECONDS / 4)
            self._dead()

    def _note_gone(self, processes: Iterable[str]) -> None:
        for process in processes:
            if not is_of_cluster(process):  # whose runs are taken up again
                self.gone.setdefault(process, DIED)

    def _worked_on(self) -> "list[sa.Row[Any]]":
        held, fresh = _is_held(0.0).label("held"), _is_held(LEASE_SECONDS - LATE_SECONDS).label("fresh")
        wanted = sa.select(RUNS.c.id, RUNS.c.state, RUNS.c.process, held, fresh).where(RUNS.c.state.in_(WORKED_ON))
        with read(self.engine) as connection:
            return list(connection.execute(wanted))

    def _dead(self, alive: Collection[str] = (), run_id: str | None = None) -> dict[str, str]:
        """Return the processes that are gone, by the runs that they worked on; arguments as of `interrupt_dead`."""
        with self._looking:
            try:
                worked_on = self._worked_on()
            except StoreError:
                self._doubts.clear()  # whoever lives could not renew, either
                raise
            expired = self._seen_expired([(row.id, row.process) for row in worked_on if not row.held])
            self._late = {
                row.process for row in worked_on if not row.fresh and is_here(row.process) and is_alive(row.process)
            }
        return {
            row.id: row.process
            for row in worked_on
            if run_id in (None, row.id) and row.process not in alive
            if (not is_alive(row.process) if is_here(row.process) else (row.id, row.process) in expired)
        }

    def _seen_expired(self, now_expired: list[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return which leases of those that are expired now have been so for long enough."""
        now = time.monotonic()
        more, self._looked = min(now - self._looked, LOOK_SECONDS), now
        self._doubts = {run: self._doubts[run] + more if run in self._doubts else 0.0 for run in now_expired}
        return {run for run, seconds in self._doubts.items() if seconds >= DOUBT_SECONDS}

    def _release(self, run_id: str, process: str) -> None:
        """Take a run from a process that is gone, unless that has renewed its lease meanwhile."""
        here = [RUNS.c.id == run_id, RUNS.c.process == process, RUNS.c.state.in_(WORKED_ON)]
        here += [] if is_here(process) else [sa.not_(_is_held(0.0))]
        with write(self.engine, run_id) as connection:
            row = connection.execute(sa.select(RUNS.c.target, RUNS.c.taken_up).where(*here)).first()
            if row:
                values = self._after_death(process, row.target, row.taken_up)
                connection.execute(RUNS.update().where(*here).values(**values))

    def _after_death(self, process: str, target: str, taken_up: int) -> dict[str, Any]:
        """Return the columns of a run whose process is gone: it is taken up again if that was one of a cluster."""
        if not is_of_cluster(process) or process in self.gone:
            return {"state": "interrupted", "reason": self.gone.get(process, DIED)}
        if target == "stop":
            return {"state": "stopped", "reason": ""}
        if taken_up >= MAX_TAKEN_UP:
            return {"state": "interrupted", "reason": GIVEN_UP, "taken_up": 0}
        return {"state": "queued", "reason": TAKEN_UP, "taken_up": taken_up + 1}


class Heart:
    """Renews the leases of all runs that a process works on, until it is stopped.

    Args:
        store: of the runs.
        process: that works on them.
    """

    def __init__(self, store: Leases, process: str) -> None:
        self._stopped = threading.Event()
        threading.Thread(target=_beat, args=(store, process, self._stopped), name="heart", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Renew no more."""
        self._stopped.set()


def _beat(store: Leases, process: str, stopped: threading.Event) -> None:
    while not stopped.wait(RENEW_SECONDS):
        with contextlib.suppress(StoreError):  # it may be there again at the next beat
            store.renew(process)
