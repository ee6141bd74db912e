"""Who works on a run keeps it, on whatever machine; who is gone does not. The clocks are the tests' own."""

import gc
import json
import shutil
import subprocess
import sys
import threading
import uuid

import pytest
import sqlalchemy as sa

from pg_core.runs.paths import ROOT
from pg_core.runs.store import history, leases, library
from pg_core.runs.store.leases import DIED, DOUBT_SECONDS, GIVEN_UP, LEASE_SECONDS, MAX_TAKEN_UP, TAKEN_UP, Heart
from pg_core.runs.store.processes import is_alive, is_here, process_name
from pg_core.runs.store.records import LostRun
from pg_core.runs.store.schema import RUNS, StoreError, read, write
from pg_core.runs.store.store import Store
from tests.runs.store.conftest import forget_leases

ELSEWHERE = f"7@{uuid.uuid4()}+42"  # a process of another machine
ON_CLUSTER = f"ray:{ELSEWHERE}"
LOOKS = int(DOUBT_SECONDS) + 1  # a second apart: the first finds a lease expired, the last knows


@pytest.fixture(autouse=True)
def tick(monkeypatch):
    """Let time pass between looks only: `tick(seconds)`; so that no test waits for it."""
    now = [1000.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])

    def pass_by(seconds=1.0):
        now[0] += seconds

    return pass_by


def expires_in(store, run_id):
    """Return for how many seconds a run is still held, by the database's clock."""
    left = RUNS.c.lease_until - (leases.lease() - LEASE_SECONDS)
    with read(store.engine) as connection:
        return connection.scalar(sa.select(left).where(RUNS.c.id == run_id))


def set_lease(store, run_id, seconds):
    """Have a lease expire in some seconds, as if it had been renewed when the clock was another."""
    with write(store.engine) as connection:
        until = leases.lease() - LEASE_SECONDS + seconds
        connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(lease_until=until))


def look(store, tick, times=LOOKS, seconds=1.0):
    for _ in range(times):
        store.interrupt_dead()
        tick(seconds)


def test_who_renews_on_another_machine_lives(store, small, tick):
    run_id = store.create(small, process=ELSEWHERE)
    for _ in range(3 * LOOKS):
        look(store, tick, 1)
        store.renew(ELSEWHERE)
    assert store.run(run_id).state == "starting"


@pytest.mark.parametrize("seconds", [-0.001, -3600.0, 2 * LEASE_SECONDS])  # the last as if the clock was set back
def test_who_does_not_is_gone_within_seconds(store, small, tick, seconds):
    run_id = store.create(small, process=ELSEWHERE)
    set_lease(store, run_id, seconds)
    look(store, tick, LOOKS - 1)
    assert store.run(run_id).state == "starting"
    look(store, tick, 1)
    assert (store.run(run_id).state, store.run(run_id).reason) == ("interrupted", DIED)
    with pytest.raises(LostRun):
        store.rewind(run_id, ELSEWHERE, 0)


def test_who_renews_late_is_not_gone(store, small, tick):
    """The database was away, or its clock was set, or all of a machine stood still: every lease has expired."""
    run_id = store.create(small, process=ELSEWHERE)
    for _ in range(3):
        set_lease(store, run_id, -3600.0)
        look(store, tick, LOOKS - 1)
        store.renew(ELSEWHERE)
        look(store, tick, 1)
    assert store.run(run_id).state == "starting"


def test_time_in_which_the_database_did_not_answer_does_not_count(store, small, tick, monkeypatch):
    run_id = store.create(small, process=ELSEWHERE)
    set_lease(store, run_id, -1.0)
    look(store, tick, LOOKS - 1, seconds=60.0)  # each took a minute, which counts as a second
    assert store.run(run_id).state == "starting"
    with monkeypatch.context() as away:
        away.setattr(store, "_worked_on", lambda: (_ for _ in ()).throw(StoreError("away")))
        with pytest.raises(StoreError):
            store.interrupt_dead()
    look(store, tick, LOOKS - 1)  # from the beginning
    assert store.run(run_id).state == "starting"
    look(store, tick, 1)
    assert store.run(run_id).state == "interrupted"


def test_who_renews_between_a_look_and_what_follows_keeps_the_run(store, small):
    run_id = store.create(small, process=ELSEWHERE)
    store._release(run_id, ELSEWHERE)
    assert store.run(run_id).state == "starting"


def test_processes_of_this_machine_are_judged_by_their_ids_alone(store, small, tick):
    living, dead = store.create(small, process=process_name()), store.create(small, process="999999999@1.00")
    set_lease(store, living, -3600.0)
    store.interrupt_dead()
    assert (store.run(living).state, store.run(dead).state) == ("starting", "interrupted")
    assert expires_in(store, living) > LEASE_SECONDS - 5, "who looks here vouches for it to other machines"
    set_lease(store, living, LEASE_SECONDS - 0.5)
    store.interrupt_dead()
    assert expires_in(store, living) <= LEASE_SECONDS - 0.5, "it is not late"
    look(store, tick, 3 * LOOKS)
    assert store.run(living).state == "starting"


def test_leases_begin_and_are_renewed_with_what_is_written_anyway(store, small, make_update, keep):
    run_id, waiting = store.create(small, process=ELSEWHERE), store.create(small)
    assert expires_in(store, waiting) is None
    assert LEASE_SECONDS - 5 < expires_in(store, run_id) <= LEASE_SECONDS
    for renews in (
        lambda: keep(store, run_id, [make_update(0)], ELSEWHERE),
        lambda: store.transition(run_id, ["starting"], ELSEWHERE, state="running"),
        lambda: store.renew(ELSEWHERE),
    ):
        set_lease(store, run_id, 1.0)
        renews()
        assert expires_in(store, run_id) > LEASE_SECONDS - 5
    assert store.transition(waiting, ["queued"], state="starting", process=ELSEWHERE)
    assert expires_in(store, waiting) > LEASE_SECONDS - 5


def test_only_who_works_on_a_run_renews_its_lease_and_only_if_it_was_not_renewed_lately(store, small):
    run_id = store.create(small, process=ELSEWHERE)
    set_lease(store, run_id, 1.0)
    store.renew("another")
    assert expires_in(store, run_id) <= 1.0
    set_lease(store, run_id, LEASE_SECONDS - 0.5)
    store.renew(ELSEWHERE)
    assert expires_in(store, run_id) <= LEASE_SECONDS - 0.5
    store.transition(run_id, ["starting"], state="stopped")
    set_lease(store, run_id, 1.0)
    store.renew(ELSEWHERE)
    assert expires_in(store, run_id) <= 1.0


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_lease_is_renewed_during_a_commit_however_long_that_takes(store, small, make_update, keep, monkeypatch):
    run_id, renewed = store.create(small, process="me"), []

    def keep_slowly(connection, found, *_):
        set_by = RUNS.update().where(RUNS.c.id == found).values(lease_until=leases.lease() - LEASE_SECONDS - 1)
        with leases.touch(store.engine) as other:
            other.execute(set_by)
        store.renew("me")  # waits for no lock, or this test ends after `LOCK_SECONDS` with an error
        renewed.append(expires_in(store, found))

    monkeypatch.setattr(history, "_keep", keep_slowly)
    keep(store, run_id, [make_update(0)], snapshots=[None])
    assert renewed[0] > LEASE_SECONDS - 5


def test_a_heart_beats_until_it_is_stopped(store, small, monkeypatch):
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.01)
    beats, failing = threading.Semaphore(0), [StoreError("away")]

    def renew(*_):
        beats.release()
        if failing:
            raise failing.pop()

    monkeypatch.setattr(store, "renew", renew)
    with Heart(store, "me"):
        for _ in range(3):  # also after it has failed
            beats.acquire()
        [thread] = [thread for thread in threading.enumerate() if thread.name == "heart"]
    thread.join()


def test_a_run_that_nobody_begins_to_train_is_held_as_long_as_somebody_may(store, small):
    from pg_core.runs.workers.worker import work

    updates = work(store, store.create(small, process=process_name()), process_name())
    [thread] = [thread for thread in threading.enumerate() if thread.name == "heart"]
    assert thread.is_alive()
    del updates
    gc.collect()
    thread.join()


@pytest.mark.parametrize("target", ["run", "pause"])
def test_a_run_of_a_cluster_is_queued_again_with_its_orders(store, small, tick, make_update, keep, target):
    run_id = store.create(small, process=ON_CLUSTER)
    keep(store, run_id, [make_update(0)], ON_CLUSTER)
    store.transition(run_id, ["starting"], target=target, until=7)
    for _ in range(MAX_TAKEN_UP):
        set_lease(store, run_id, -1.0)
        store.note_dead()  # who only looks does not have it read as interrupted
        look(store, tick)
        run = store.run(run_id)
        assert (run.state, run.reason, run.target, run.until) == ("queued", TAKEN_UP, target, 7)
        assert store.transition(run_id, ["queued"], state="starting", process=ON_CLUSTER)
    keep(store, run_id, [make_update(1)], ON_CLUSTER)  # it gets on, so it may be taken up as often again
    for last in range(MAX_TAKEN_UP + 1):
        set_lease(store, run_id, -1.0)
        look(store, tick)
        if last < MAX_TAKEN_UP:
            assert store.transition(run_id, ["queued"], state="starting", process=ON_CLUSTER)
    assert (store.run(run_id).state, store.run(run_id).reason) == ("interrupted", GIVEN_UP)


def test_a_run_of_a_cluster_that_was_to_stop_is_stopped(store, small, tick):
    run_id = store.create(small, process=ON_CLUSTER)
    store.transition(run_id, ["starting"], target="stop")
    set_lease(store, run_id, -1.0)
    look(store, tick)
    assert store.run(run_id).state == "stopped"


def test_who_looks_but_once_waits_until_it_is_known(store, small, tick, monkeypatch):
    monkeypatch.setattr(leases.time, "sleep", tick)
    held, dead = store.create(small, process=ELSEWHERE), store.create(small, process=ELSEWHERE)
    set_lease(store, dead, -1.0)
    store.settle()
    store.note_dead()
    assert [store.run(run_id).state for run_id in (held, dead)] == ["interrupted"] * 2  # they had one process
    assert store.worked_on() != []  # and nothing is written


def test_processors_are_noted_where_they_change(store, small, make_update, keep):
    run_id = store.create(small, process="me")
    for update, processor in ((0, "a"), (5, "a"), (7, "b"), (9, "c"), (8, "b")):  # the last after a rewind
        store.note_processor(run_id, "me", update, processor)
    run = store.run(run_id)
    assert run.processors == ((0, "a"), (7, "b"))
    ranges = {(0, 7): {"a"}, (6, 8): {"a", "b"}, (7, 99): {"b"}, (3, 3): set()}
    assert {each: run.processors_of(*each) for each in ranges} == ranges
    assert store.run(store.create(small)).processors_of(0, 9) == set()
    with pytest.raises(LostRun):
        store.note_processor(run_id, "you", 9, "d")


def test_a_fork_knows_what_trained_the_past_that_it_shares(store, small, make_update, keep):
    from pg_core.runs.store.records import Snapshot

    run_id = store.create(small, process=ELSEWHERE)
    shots = [Snapshot(update, {}, {}) for update in (0, 4)]
    keep(store, run_id, [make_update(index) for index in range(6)], ELSEWHERE, snapshots=shots)
    for update, processor in ((0, "a"), (4, "b")):
        store.note_processor(run_id, ELSEWHERE, update, processor)
    assert store.run(library.fork(store, run_id, 4)).processors == ((0, "a"),)


def test_runs_of_an_earlier_store_get_leases(store, small):
    run_id = store.create(small)
    with write(store.engine) as connection:
        forget_leases(connection)
    again = Store(store.folder, store.engine.url)
    assert again.run(run_id).processors == () and expires_in(again, run_id) is None
    again.close()


def test_a_container_is_a_machine_of_its_own(tmp_path):
    inside = ["unshare", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("There can be no process ids of its own here.")
    names = "from pg_core.runs.store.processes import *; import json, sys; "
    look = f"{names} print(json.dumps([process_name(), is_here({process_name()!r}), is_here(process_name())]))"
    name, *found = json.loads(subprocess.check_output([*inside, sys.executable, "-c", look], cwd=ROOT, text=True))
    assert found == [False, True] and not is_here(name) and not is_alive(name)
    assert len(f"ray:{name}") <= RUNS.c.process.type.length and is_here(f"ray:{process_name()}")
    assert is_alive(f"ray:{process_name()}")
