"""Turns in the queue, and what a visitor has in the store."""

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from pg_core.runs.store import library, quotas
from pg_core.runs.store.records import REMOVED, Snapshot, UnknownRun
from pg_core.runs.store.rows import to_bytes
from pg_core.runs.store.schema import ARRAYS
from tests.runs.store.test_store import snapshot


def test_visitors_take_turns(store, small):
    a = [store.create(small, session="a") for _ in range(3)]
    b = [store.create(small, session="b") for _ in range(2)]
    c = store.create(small, owner="c", session="b")
    assert store.queue() == [a[0], b[0], c, a[1], b[1], a[2]]


def test_whoever_has_runs_in_training_waits_for_the_others(store, small):
    a = [store.create(small, session="a") for _ in range(4)]
    for run_id in a[:2]:
        store.transition(run_id, ["queued"], state="running", process="me")
    b = [store.create(small, session="b") for _ in range(3)]
    assert store.queue() == [b[0], b[1], a[2], b[2], a[3]]
    assert quotas.usage(store, "a")[0] == 4 and quotas.usage(store, "nobody") == (0, 0)


def test_usage_is_what_the_rows_hold(store, small, make_update, keep):
    run_id = store.create(small, process="me", session="a")
    updates = [make_update(index) for index in range(3)]
    keep(store, run_id, updates, snapshots=[snapshot(3)], summary={"updates": 3})
    store.transition(run_id, ["starting"], state="stopped", process=None)
    store.create(small, session="b")
    arrays = sum(getattr(update, name).nbytes for update in updates for name in ARRAYS)
    kept = sum(len(to_bytes(part)) for part in (snapshot(3).policy, snapshot(3).checkpoint))
    assert quotas.usage(store, "a") == (0, arrays + kept)
    library.delete(store, [run_id])
    assert quotas.usage(store, "a") == (0, arrays + kept)  # until it is gone
    store.transition(run_id, ["stopped"], deleted_at=None)
    store.request(run_id, {"gamma": 0.5})
    assert quotas.usage(store, "a") == (0, arrays + kept + len('{"gamma": 0.5}'))


def test_a_run_is_removed_some_rows_at_a_time(store, small, make_update, keep, monkeypatch):
    run_id = store.create(small, process="me", session="a")
    keep(store, run_id, [make_update(index) for index in range(5)], snapshots=[snapshot(at) for at in range(3)])
    store.transition(run_id, ["starting"], state="stopped", process=None)
    assert not library.remove(store, run_id) and store.has(run_id)  # it is not deleted
    library.delete(store, [run_id])
    monkeypatch.setattr(library, "ROWS", 2)
    gone: list[int] = []

    def note(connection, cursor, statement, *_):
        if statement.startswith("DELETE"):
            gone.append(cursor.rowcount)

    sa.event.listen(store.engine, "after_cursor_execute", note)
    assert library.remove(store, run_id)
    assert gone == [1, 1, 1, 0, 2, 2, 1, 1]
    assert not store.has(run_id) and quotas.usage(store, "a") == (0, 0)


def test_a_run_that_is_being_removed_is_gone(store, small, keep):
    run_id = store.create(small, process="me", session="a")
    keep(store, run_id, [], snapshots=[snapshot(0)])
    store.transition(run_id, ["starting"], state="stopped", process=None, deleted_at=REMOVED)
    library.restore(store, [run_id])
    assert store.runs(deleted=True) == []
    for act in (store.run, lambda run_id: library.delete(store, [run_id]), lambda run_id: library.fork(store, run_id)):
        with pytest.raises(UnknownRun):
            act(run_id)
    library.purge(store)  # where its removal was interrupted
    assert not store.has(run_id)


def test_what_a_fork_shares_is_not_removed_meanwhile(store, small, make_update, keep, monkeypatch):
    run_id, checkpoints = store.create(small, process="me", session="a"), store.checkpoints
    keep(store, run_id, [make_update(0)], snapshots=[snapshot(1)])
    store.transition(run_id, ["starting"], state="stopped", process=None, deleted_at=1.0)

    def begin_removal(run_id):
        kept = checkpoints(run_id)
        store.transition(run_id, ["stopped"], deleted_at=REMOVED)
        return kept

    monkeypatch.setattr(store, "checkpoints", begin_removal)
    with pytest.raises(UnknownRun):
        library.fork(store, run_id)


def test_what_was_deleted_twice_was_deleted_once(store, small):
    run_id = store.create(small, process="me")
    store.transition(run_id, ["starting"], state="stopped", process=None, deleted_at=1.0)
    library.delete(store, [run_id])
    library.purge(store)
    assert not store.has(run_id)


def test_the_space_of_a_run_that_is_removed_is_used_again(store, database, small, keep):
    in_file = database.get_backend_name() == "sqlite"
    plain = sa.create_engine(database, isolation_level="AUTOCOMMIT")
    noise = {"kernel_0": np.random.default_rng(0).random(2**17)}  # 1 MiB, which nothing makes smaller

    def bytes_with_a_run() -> int:
        run_id = store.create(small, process="me")
        keep(store, run_id, [], snapshots=[Snapshot(0, noise, noise)])
        store.transition(run_id, ["starting"], state="stopped", process=None, deleted_at=1.0)
        with plain.connect() as connection:
            if in_file:
                held = Path(database.database).stat().st_size
            else:
                held = connection.scalar(sa.text("SELECT pg_total_relation_size('checkpoints')"))
            library.purge(store)
            if not in_file:
                connection.exec_driver_sql("VACUUM checkpoints")  # as its autovacuum does
        return held

    first = bytes_with_a_run()
    assert first > 2 * 2**20 and all(bytes_with_a_run() < 1.1 * first for _ in range(2))
    plain.dispose()


def test_what_was_deleted_first_goes_first_and_no_more_than_must(store, small, keep):
    def stopped(deleted: float | None, session: str = "a", state: str = "stopped") -> str:
        run_id = store.create(small, process="me", session=session)
        keep(store, run_id, [], snapshots=[snapshot(0)])
        store.transition(run_id, ["starting"], state=state, process=None, deleted_at=deleted)
        return run_id

    kept, second, first, third = stopped(None), stopped(2.0), stopped(1.0), stopped(3.0)
    others, coming = stopped(0.5, session="b"), stopped(0.5, state="starting")
    one = quotas.usage(store, "b")[1]
    everyone = {kept, first, second, third, others, coming}
    for most, held, gone in (
        (5 * one + 1, 5, set()),
        (2 * one, 5, set()),
        (5 * one, 4, {first}),
        (3 * one, 2, everyone),
    ):
        assert quotas.make_room(store, "a", most) == held * one
        left = {run_id for run_id in everyone if store.has(run_id)}
        assert left == everyone - gone if gone != everyone else {kept, others, coming}


def test_two_who_make_room_at_once_remove_no_more_than_must(store, small, keep, monkeypatch):
    runs = [store.create(small, process="me", session="a") for _ in range(3)]
    for deleted, run_id in enumerate(runs, start=1):
        keep(store, run_id, [], snapshots=[snapshot(0)])
        store.transition(run_id, ["starting"], state="stopped", process=None, deleted_at=float(deleted))
    most, remove = quotas.usage(store, "a")[1], library.remove

    def second(*run):
        monkeypatch.setattr(library, "remove", remove)
        assert quotas.make_room(store, "a", most) < most  # the other one is quicker
        return remove(*run)

    monkeypatch.setattr(library, "remove", second)
    assert quotas.make_room(store, "a", most) == most // 3 * 2
    assert [store.has(run_id) for run_id in runs] == [False, True, True]
