"""Disks that are full or read-only, databases that are gone, damaged or locked: nothing that was kept is lost."""

import contextlib
import errno
import os
import sqlite3
import subprocess
import threading

import pytest

from pg_core import lab, runtime
from pg_core.learning.trainer import Trainer
from pg_core.runs.store import maintenance
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.schema import ARRAYS, StoreError, lab_file
from pg_core.runs.store.store import Store
from pg_core.runs.workers.session import Leave
from pg_core.runs.workers.supervisor import Supervisor
from pg_core.runs.workers.worker import DISK_FULL, work
from tests.disks import fill, make_room, small_disk


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def read_only(folder):
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)


def writable(folder):
    subprocess.run(["mount", "-o", "remount,rw", folder], check=True)


def stored(store, run_id):
    return [tuple(row)[2:] for row in store.updates(run_id, list(ARRAYS), 0, 10_000)]


def trained(config):
    return [tuple(getattr(u, name).astype(t).tobytes() for name, t in ARRAYS.items()) for u in Trainer(config)]


def test_a_full_disk_ends_training_which_goes_on_once_there_is_room(disk, small, wait):
    store = Store(disk)
    run_id = store.create(small, process=process_name())
    training = work(store, run_id, process_name(), Leave())
    next(training)
    fill(disk)
    with pytest.raises(StoreError, match="the disk is full; free some space and resume the run"):
        list(training)  # there is no room for the run's state, either
    assert store.run(run_id).state == "running" and list(maintenance.problems(lab_file(disk))) == []

    store.gone[process_name()] = "The disk is full."  # as the supervisor hears from a worker
    assert (store.run(run_id).state, store.run(run_id).reason) == ("interrupted", "The disk is full.")
    assert [run.state for run in store.runs()] == ["interrupted"]
    make_room(disk)
    store.transition(run_id, ["running"], process="999999999@1.00")
    store.gone = {"999999999@1.00": "The disk is full."}
    store.interrupt_dead()
    assert (Store(disk).run(run_id).state, Store(disk).run(run_id).reason) == ("interrupted", "The disk is full.")
    assert store.gone == {}

    assert store.enqueue(run_id, "run")
    store.transition(run_id, ["queued"], state="starting", process=process_name())
    list(work(store, run_id, process_name(), Leave()))
    assert stored(store, run_id) == trained(small)


def test_a_dead_run_is_read_as_interrupted_where_that_cannot_be_written(disk, small):
    run_id = Store(disk).create(small, process="999999999@1.00")
    fill(disk)
    store = Store(disk)  # opens without room
    with pytest.raises(StoreError, match="full"):
        store.interrupt_dead()
    assert store.run(run_id).state == "interrupted" and "resume the run" in store.run(run_id).reason
    with pytest.raises(StoreError, match="the disk is full; free some space"):
        store.transition(run_id, ["starting"], target="stop")


def test_no_room_for_a_new_store(disk):
    fill(disk)
    with pytest.raises(StoreError, match="the disk is full; free some space"):
        Store(disk)


def test_programs_are_kept_only_where_there_is_room(disk, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(runtime, "_kept", None)
    read_only_flag = "--tf_xla_persistent_cache_read_only=true"
    for folder, without in ((disk, True), (tmp_path_factory.mktemp("roomy"), False)):
        monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
        runtime.keep_programs(folder)
        flags = os.environ["TF_XLA_FLAGS"]
        assert str(folder) in flags and (read_only_flag in flags) == without


def test_a_program_that_cannot_be_kept_interrupts_the_run(store, small, monkeypatch):
    def compile_without_room(self):
        raise RuntimeError(f"programs/a.pb.tmp; {os.strerror(errno.ENOSPC)}")  # in TensorFlow's words

    monkeypatch.setattr(Trainer, "compile", compile_without_room)
    run_id = store.create(small, process="me")
    list(work(store, run_id, "me", Leave()))
    assert (store.run(run_id).state, store.run(run_id).reason) == ("interrupted", DISK_FULL)


def test_a_read_only_store_is_shown_and_refuses_in_a_sentence(disk, small):
    made = Store(disk)
    run_id = made.create(small)
    made.close()
    read_only(disk)
    try:
        store = Store(disk)
        assert [run.id for run in store.runs()] == [run_id]
        for write in (lambda: store.create(small), lambda: store.enqueue(run_id, "run")):
            with pytest.raises(StoreError, match="it is read-only; make its folder writable"):
                write()
        assert list(maintenance.problems(lab_file(disk))) == []
        supervisor = Supervisor(store)
        supervisor._staff()  # workers need no log
        supervisor.shutdown()
    finally:
        writable(disk)


def test_a_database_that_is_deleted_or_replaced_is_told(store, small):
    run_id = store.create(small)
    (store.folder / "lab.db").unlink()
    for replaced in (False, True):
        if replaced:
            (store.folder / "lab.db").touch()
        with pytest.raises(StoreError, match=r"lab\.db is gone\): it was deleted or replaced .* restart the lab"):
            store.transition(run_id, ["queued"], target="pause")


def test_a_damaged_database_is_told(store, small):
    for _ in range(50):
        store.create(small)
    store.close()
    path = store.folder / "lab.db"
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(StoreError, match=r"malformed\): it is damaged; move it away and put a backup in its place"):
        store.runs()


@pytest.fixture
def locked(store):
    """Hold the store as a backup does."""
    with contextlib.closing(sqlite3.connect(store.folder / "lab.db", check_same_thread=False)) as holder:
        holder.isolation_level = None
        holder.execute("BEGIN")
        holder.execute("SELECT * FROM runs").fetchall()
        yield holder


def test_a_page_says_that_the_store_is_held_and_training_waits(store, small, locked):
    page = Store(store.folder, lock_seconds=0.05)
    with pytest.raises(StoreError, match="another program, such as a backup, holds it; wait until that has ended"):
        page.create(small)
    threading.Timer(0.3, locked.execute, ["COMMIT"]).start()
    run_id = store.create(small)
    assert page.run(run_id).state == "queued"


def test_the_lab_lists_runs_where_nothing_can_be_written(disk, small, monkeypatch):
    monkeypatch.setenv("PG_LAB_DATA", str(disk))
    run_id = Store(disk).create(small, process="999999999@1.00")
    fill(disk)
    assert [(run.id, run.state) for run in lab.runs()] == [(run_id, "interrupted")]


def test_who_looks_at_a_dead_run_changes_nothing_and_who_resumes_it_can(folder, small):
    run_id = Store(folder).create(small, process="999999999@1.00")
    assert [run.state for run in lab.runs()] == ["interrupted"]
    assert Store(folder).worked_on() == [(run_id, "starting", "999999999@1.00")]
    lab.resume(run_id)
    assert Store(folder).queue() == [run_id]
