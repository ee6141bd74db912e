"""Turns in the queue, and what a visitor has in the store."""

from pg_core.runs.store import library, quotas
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
