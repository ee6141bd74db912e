"""Cuts the power of a cluster's machines, and loads two servers of one database: `python -m bench.cluster`.

Every machine is one of this machine's, with process ids of its own (`tests.machines`), and PostgreSQL is the system's.
Of what is committed nothing may be lost, whatever is struck, and no run that lives may be marked as interrupted.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa

from bench.measure import say
from pg_core.config import Config
from pg_core.runs.paths import database
from pg_core.runs.store.records import ACTIVE, Run
from pg_core.runs.store.rows import update_row
from pg_core.runs.store.schema import ARRAYS, PATIENT_LOCK_SECONDS
from pg_core.runs.store.store import Store
from pg_core.runs.workers.supervisor import Supervisor
from tests.machines import INSIDE, Machines, missing, supervising
from tests.postgresql import PostgreSQL

CONFIG = Config(
    num_agents=2, episodes_per_update=3, hidden_layers=(16,), num_updates=150, pace=10, stop_when_solved=False
)
Rows = list[tuple[bytes, ...]]
LOOK_SECONDS = 0.25
STILL_SECONDS = 8.0  # for which a server and its workers are suspended
WAITING = 4  # runs that two servers always find in the queue


def reference() -> Rows:
    """Return the updates of a run that nothing disturbs, as the store has them."""
    from pg_core.learning.trainer import Trainer

    rows = [update_row("", update, seconds=0.0) for update in Trainer(CONFIG)]
    return [tuple(row[name] for name in ARRAYS) for row in rows]


def rows_of(store: Store, run_id: str) -> Rows:
    """Return the updates of a run that are committed."""
    return [tuple(row)[2:] for row in store.updates(run_id, list(ARRAYS), 0, CONFIG.num_updates + 1)]


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    while not condition():
        time.sleep(LOOK_SECONDS)


def cut(machines: Machines, number: int, patience: float) -> None:
    """Cut the power of a machine, and later replace it; without its head a cluster is gone, and is made anew."""
    machines.end(number)
    time.sleep(patience)  # in which the others train on, whether or not they have a head
    if number == 0:
        others = machines.numbers()
        machines.start_head()
        for other in others:
            machines.end(other)
            machines.start(other)
    else:
        machines.start(number)


def strike(runs: int, rounds: int, seed: int) -> int:
    """Train runs on three machines, and cut the power of one after the other; return how much is wrong."""
    rng, expected, wrong = random.Random(seed), reference(), 0
    with tempfile.TemporaryDirectory() as folder, PostgreSQL() as server, Machines(3) as machines:
        store = Store(Path(folder), server.empty())
        ids = [store.create(CONFIG) for _ in range(runs)]

        def at_work() -> list[Run]:
            return [run for run in map(store.run, ids) if run.state == "running" and run.updates]

        committed: dict[str, Rows] = {}
        with supervising(store, machines.address):
            for number in range(rounds):
                until(lambda: bool(at_work()) or not any(store.run(run_id).active for run_id in ids))
                time.sleep(rng.uniform(0, 5))
                victim = rng.choice([1, 2]) if number % 2 == 0 else 0
                say(f"strike {number + 1} of {rounds}: machine {victim}, {[run.updates for run in at_work()]} at work")
                begin = time.monotonic()
                committed = {run_id: rows_of(store, run_id) for run_id in ids}
                cut(machines, victim, rng.uniform(0, 20))
                for run_id, rows in committed.items():
                    wrong += rows[: len(found := rows_of(store, run_id))] != found[: len(rows)]
                say(f"the machine was replaced after {time.monotonic() - begin:.0f} s; wrong so far: {wrong}")
            until(lambda: not any(store.run(run_id).active for run_id in ids))
        for run_id in ids:
            run = store.run(run_id)
            fine = run.state in ("finished", "solved") and rows_of(store, run_id) == expected
            wrong += not fine
            say(f"{run.name}: {run.state} {run.reason}, {run.rewinds} times rewound, identical: {fine}")
        store.close()
    return wrong


@contextlib.contextmanager
def servers(folder: Path, url: sa.URL, count: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Start what looks after the runs of a database and trains them, each on a machine of its own."""
    text = url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [*INSIDE, sys.executable, "-m", "bench.cluster", "--serve"]
    started = []
    try:
        for number in range(count):
            environment = {**os.environ, "PG_LAB_DATABASE_URL": text, "PG_LAB_DATA": str(folder / str(number))}
            started.append(subprocess.Popen(command, env=environment, start_new_session=True))
        yield started
    finally:
        for server in started:
            server.kill()
            server.wait()


def serve() -> None:
    """Be such a server until somebody ends it."""
    supervisor = Supervisor(Store(Path(os.environ["PG_LAB_DATA"]), database()), max_training=2)
    supervisor.start()
    signal.pause()


def load(minutes: float, seed: int) -> int:
    """Have two servers train runs of one database under load; return how many were marked as interrupted."""
    rng, ids, seen = random.Random(seed), [], set()
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        with tempfile.TemporaryDirectory() as folder, PostgreSQL() as server:
            store = Store(Path(folder), server.empty(), PATIENT_LOCK_SECONDS)
            with servers(Path(folder), store.engine.url, 2) as started:
                end, still = time.monotonic() + 60 * minutes, 0.0
                while time.monotonic() < end:
                    runs = store.runs()
                    seen |= {(run.id, run.reason) for run in runs if run.state not in (*ACTIVE, "finished", "solved")}
                    ids += [store.create(CONFIG) for _ in range(WAITING - len(store.queue()))]
                    if time.monotonic() >= still:  # another machine stands still, for a while and now and then
                        suspend(rng.choice(started))
                        still = time.monotonic() + rng.uniform(10, 30)
                    time.sleep(LOOK_SECONDS)
                done = sum(run.updates for run in store.runs())
            say(f"{len(ids)} runs, {done} updates in {minutes:g} minutes; interrupted though they lived: {len(seen)}")
            for run_id, reason in seen:
                say(f"{run_id}: {reason}")
            store.close()
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    return len(seen)


def suspend(server: "subprocess.Popen[bytes]") -> None:
    """Have all processes of a machine stand still for a while."""
    family = family_of(server.pid)
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if number == signal.SIGSTOP:
            time.sleep(STILL_SECONDS)


def family_of(pid: int) -> Sequence[int]:
    """Return the ids of all processes below one."""
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def main() -> None:
    """Strike, then load; the exit status is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30, help="on the cluster (default: 30)")
    parser.add_argument("--rounds", type=int, default=10, help="of power cuts, every second one of the head's")
    parser.add_argument("--minutes", type=float, default=10.0, help="that two servers are loaded (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of what is struck, and when")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve()
    if reason := missing() or PostgreSQL.missing():
        sys.exit(reason)
    wrong = strike(options.runs, options.rounds, options.seed) if options.rounds else 0
    wrong += load(options.minutes, options.seed) if options.minutes else 0
    print(f"wrong: {wrong}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
