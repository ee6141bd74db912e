"""Measures what grows with machines, runs and viewers, in PostgreSQL: `python -m bench.growth`.

The tables of docs/scale.md. PostgreSQL writes to the disk at each commit here, as it does by default.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import sqlalchemy as sa

from bench.markdown import number, table
from bench.measure import say
from pg_core.config import Config
from pg_core.runs.store.records import Array, Batch, Snapshot
from pg_core.runs.store.rows import totals
from pg_core.runs.store.schema import read, write
from pg_core.runs.store.store import Store
from tests import postgresql
from tests.updates import arrays_of

SECONDS = 4.0
CONFIG = Config()
RUNS = (1, 8, 32)  # that commit at once
UPDATES_EACH = (1, 20)  # in a commit: of a run at a pace, and of one as fast as possible
CONNECTIONS = 80


def invented(index: int) -> SimpleNamespace:
    """Return an update of the default population that nobody has trained."""
    return SimpleNamespace(index=index, **arrays_of(np.random.default_rng(index), index, CONFIG))


def policy() -> dict[str, Array]:
    """Return as many numbers as the policies of the default population have."""
    return {"parameters": np.zeros((CONFIG.num_agents, CONFIG.parameters), np.float32)}


def rate(threads: int, work: Callable[[int], None]) -> float:
    """Return how often a second some threads together do their work, each one after the other."""
    done, end = [0] * threads, time.monotonic() + SECONDS

    def repeat(number: int) -> None:
        while time.monotonic() < end:
            work(number)
            done[number] += 1

    workers = [threading.Thread(target=repeat, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(done) / SECONDS


def commits(url: sa.URL, folder: Path, runs: int, each: int) -> float:
    """Return how many commits a second a database takes from some runs that do nothing else."""
    stores = [Store(folder, url) for _ in range(runs)]  # a connection each, as workers have
    ids = [store.create(CONFIG, process="bench") for store in stores]
    done = [0] * runs

    def commit(number: int) -> None:
        first, done[number] = done[number], done[number] + each
        updates = [(invented(index), float(index)) for index in range(first, done[number])]
        summary = totals(done[number] - 1, float(done[number]), vars(updates[-1][0]), 500.0)
        snapshot = Snapshot(done[number], policy(), None)
        stores[number].commit(ids[number], "bench", Batch(updates, summary, {}, [snapshot]))

    try:
        return rate(runs, commit)
    finally:
        for store in stores:
            store.close()


def size(store: Store) -> int:
    """Return the bytes that the tables of a database take, once what was removed has made room."""
    wanted = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname IN ('runs', 'updates', 'checkpoints')"
    with read(store.engine) as connection:
        return int(connection.scalar(sa.text(wanted)) or 0)


def bytes_an_update(store: Store) -> float:
    """Return the bytes of a stored update of the default population, without policies."""
    run_id, before, count = store.create(CONFIG, process="bench"), size(store), 2_000
    rows = [(invented(index), float(index)) for index in range(count)]
    store.commit(run_id, "bench", Batch(rows, {"updates": count}, {}, []))
    return (size(store) - before) / count


def main() -> None:
    """Measure, and print the tables."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    postgresql.OPTIONS = (  # as it comes, but for where it listens
        "listen_addresses=127.0.0.1", "unix_socket_directories=", "log_min_messages=log",
        "log_min_error_statement=panic", f"max_connections={CONNECTIONS + 20}",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, postgresql.PostgreSQL() as server:
        store = Store(Path(folder), server.empty())
        say("commits")
        rows = [
            [str(runs), *(number(commits(store.engine.url, Path(folder), runs, each), 0) for each in UPDATES_EACH)]
            for runs in RUNS
        ]
        print(table(["runs at once", *(f"commits a second, {each} updates each" for each in UPDATES_EACH)], rows))
        run_id = store.create(CONFIG, process="elsewhere")
        say("the rest")
        more = {
            "renewals of a lease a second": rate(4, lambda _: renew(store, run_id)),
            "looks of a viewer at a run a second": rate(4, lambda _: looked(store, run_id)),
            "looks of a supervisor a second": rate(4, lambda _: supervised(store)),
            "bytes of an update": bytes_an_update(store),
            "bytes of a policy": float(sum(array.nbytes for array in policy().values())),
        }
        print(table(["what", "measured"], [[what, number(value)] for what, value in more.items()]))


def renew(store: Store, run_id: str) -> None:
    """Have a lease expire and be renewed."""
    with write(store.engine, run_id) as connection:
        connection.execute(sa.text("UPDATE runs SET lease_until = 0 WHERE id = :id"), {"id": run_id})
    store.renew("elsewhere")


def looked(store: Store, run_id: str) -> None:
    """Ask what a page asks while nothing is new."""
    store.stamp(run_id)


def supervised(store: Store) -> None:
    """Ask what a supervisor asks at each tick."""
    store.queue()
    store.worked_on()
    store.told_to_stop()


if __name__ == "__main__":
    main()
