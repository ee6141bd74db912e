"""Workers that are suspended amid a transaction: nobody waits for them for ever, and no other program is ended."""

import contextlib
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from pg_core import lab
from pg_core.lab import state
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.store import Store
from pg_core.runs.workers import children
from pg_core.runs.workers.supervisor import SUSPENDED
from tests.postgresql import on_both

# Amid a commit, as long as its standard input is open.
HOLD = """
import sys
import sqlalchemy as sa
from pg_core.runs.store.schema import RUNS, open_engine, write
url, run_id, *statements = sys.argv[1:]
sys.stdin.readline()
with write(open_engine(sa.make_url(url)), run_id) as connection:
    for statement in statements:
        connection.exec_driver_sql(statement)
    connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(updates=7))
    print("{}", flush=True)
    sys.stdin.read()
"""
NO_READERS = "COMMIT", "BEGIN EXCLUSIVE"  # as at the end of a commit on SQLite
ORDERS = {
    "change": (lambda run_id: lab.change(run_id, gamma=0.5), "interrupted", SUSPENDED),
    "pause": (lab.pause, "interrupted", SUSPENDED),
    "resume": (lab.resume, "queued", ""),
    "step": (lambda run_id: lab.step(run_id, 1), "queued", ""),
    "stop": (lab.stop, "interrupted", SUSPENDED),
}


@pytest.fixture
def page(folder, database, monkeypatch):
    """The store as pages have it, with less patience."""
    store = Store(folder, database, lock_seconds=0.2)
    monkeypatch.setattr(state, "store", lambda: store)
    yield store
    store.close()


@pytest.fixture
def suspended(page, database, small):
    """Return a run and the process that works on it, suspended while it holds the store."""
    url = database.render_as_string(hide_password=False)
    with contextlib.ExitStack() as at_the_end:

        def hold(*statements):
            run_id = page.create(small, process="me")
            command = [sys.executable, "-c", HOLD, url, run_id, *statements]
            holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            at_the_end.callback(holder.communicate)
            at_the_end.callback(holder.kill)
            page.transition(run_id, ["starting"], state="running", process=process_name(holder.pid))
            holder.stdin.write(b"\n")
            holder.stdin.flush()
            assert holder.stdout.readline() == b"{}\n"
            psutil.Process(holder.pid).suspend()
            return run_id, holder

        yield hold


@pytest.fixture
def employ(page, monkeypatch, wait):
    """Make a process a worker of this server."""

    def make(process):
        monkeypatch.setattr(children, "_start", lambda *_: (process, lambda: process_name(process.pid)))
        child = children.Child(page.folder, lambda _: None)
        wait(lambda: child.name)
        state.supervisor()._training.append(child)

    return make


@on_both
@pytest.mark.parametrize("order", ORDERS)
def test_no_order_waits_for_a_suspended_worker(page, suspended, employ, order):
    run_id, worker = suspended(*NO_READERS if page.engine.dialect.name == "sqlite" else ())
    employ(worker)
    give, state_after, reason = ORDERS[order]
    give(run_id)
    assert worker.poll() is not None
    assert (page.run(run_id).state, page.run(run_id).reason, page.run(run_id).updates) == (state_after, reason, 0)


@on_both
def test_all_orders_that_wait_at_once_are_carried_out(page, suspended, employ):
    held, worker = suspended()
    employ(worker)
    with ThreadPoolExecutor(4) as pages:
        list(pages.map(lab.stop, [held] * 4))
    assert (page.run(held).state, page.run(held).reason) == ("interrupted", SUSPENDED)


@on_both
def test_what_is_no_order_waits_for_no_suspended_worker_either(page, suspended, employ, small):
    held, worker = suspended()
    employ(worker)
    supervisor = state.supervisor()
    supervisor._not_before = math.inf  # it needs no spare
    with pytest.raises(lab.StoreError, match="another program"):
        page.create(small)
    supervisor.insist(supervisor._tend)
    assert page.run(page.create(small)).state == "queued"
    assert (page.run(held).state, page.run(held).reason) == ("interrupted", SUSPENDED)


@on_both
def test_another_program_that_holds_the_store_is_left_alone(page, suspended, employ):
    run_id, other = suspended()
    state.supervisor()
    with pytest.raises(lab.StoreError, match=r"another program.* holds it; wait until that has ended"):
        lab.stop(run_id)
    assert other.poll() is None
