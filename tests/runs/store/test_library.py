"""What people do with runs: label, fork, delete and restore them."""

import numpy as np
import pytest

from pg_core.config import ConfigError
from pg_core.runs.store import library
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.records import Snapshot, UnknownRun
from pg_core.runs.store.schema import ARRAYS, RUNS, write
from pg_core.runs.workers import session
from pg_core.runs.workers.worker import work


@pytest.fixture
def trained(store, small, make_update, keep) -> str:
    """A run of six updates with checkpoints after three and six, and a change in update two."""
    run_id = store.create(small, "parent", "me")
    store.transition(run_id, ["starting"], state="running")
    store.request(run_id, {"gamma": 0.5})
    [request] = store.requests(run_id)
    keep(store, run_id, [make_update(i) for i in range(3)], in_force={request.id: 2}, snapshots=[snapshot(3)])
    keep(store, run_id, [make_update(i) for i in range(3, 6)], snapshots=[snapshot(6)], summary={"updates": 6})
    store.transition(run_id, ["running"], state="stopped", process=None)
    return run_id


def snapshot(update: int) -> Snapshot:
    return Snapshot(update, {"kernel_0": np.full(3, update)}, {"update": np.int64(update)})


def stored(store, run_id: str) -> list[tuple]:
    return [tuple(row) for row in store.updates(run_id, list(ARRAYS), 0, 100)]


def test_labels_are_kept_and_what_is_not_named_stays(store, trained):
    library.label(store, trained, name="  brave new run ", note="one\ntwo", tags=["a", "b", "a"], pinned=True)
    library.label(store, trained)
    run = store.run(trained)
    assert (run.name, run.note, run.tags, run.pinned) == ("brave new run", "one\ntwo", ("a", "b"), True)
    library.label(store, trained, pinned=False, tags=[])
    run = store.run(trained)
    assert (run.name, run.note, run.tags, run.pinned) == ("brave new run", "one\ntwo", (), False)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ({"name": "   "}, "`name` must have 1 to 80 characters, got 0."),
        ({"name": "a\nb"}, "`name` must have printable characters only"),
        ({"name": "\u202eevil"}, "`name` must have printable characters only"),
        ({"note": "x" * 2001}, "`note` must have 0 to 2000 characters, got 2001."),
        ({"note": "\x1b[31m"}, "`note` must have printable characters only"),
        ({"tags": ["x" * 25]}, "`tags` must have 1 to 24 characters, got 25."),
        ({"tags": list("abcdefghi")}, "`tags` must be at most 8, got 9."),
    ],
)
def test_bad_labels_change_nothing(store, trained, labels, sentence):
    before = store.run(trained)
    with pytest.raises(ConfigError) as caught:
        library.label(store, trained, pinned=True, **labels)
    assert sentence in str(caught.value)
    assert store.run(trained) == before


def test_hostile_labels_are_nothing_but_text(store, trained):
    name = "'; DROP TABLE runs; --"
    library.label(store, trained, name=name, note="<script>alert(1)</script>", tags=["![x](http://example.org)"])
    run = store.run(trained)
    assert (run.name, run.note, run.tags) == (name, "<script>alert(1)</script>", ("![x](http://example.org)",))


def test_a_deleted_run_is_out_of_sight_until_it_is_restored(store, trained, small):
    other = store.create(small)
    library.delete(store, [trained])
    assert [run.id for run in store.runs()] == [other]
    library.restore(store, [trained])
    assert {run.id for run in store.runs()} == {trained, other}
    with pytest.raises(ConfigError, match="stop "):
        library.delete(store, [trained, other])  # which is queued
    assert len(store.runs()) == 2


def test_a_deleted_run_can_be_seen_if_asked_for_and_is_neither_changed_nor_resumed(store, trained):
    library.delete(store, [trained])
    [run] = store.runs(deleted=True)
    assert (run.id, run.deleted, run.changeable) == (trained, True, False)
    assert not store.enqueue(trained, "run")
    with pytest.raises(ConfigError, match="was deleted"):
        store.request(trained, {"gamma": 0.25})
    with pytest.raises(UnknownRun):
        library.delete(store, ["nobody"])


def test_only_what_was_deleted_long_ago_is_forgotten(store, trained, monkeypatch):
    library.delete(store, [trained])
    library.purge(store)
    store.run(trained)
    monkeypatch.setattr(library, "KEPT_SECONDS", -1.0)
    library.purge(store)
    with pytest.raises(UnknownRun):
        store.run(trained)
    assert stored(store, trained) == []  # its rows went with it


def test_a_fork_shares_the_past_up_to_its_checkpoint_and_nothing_else(store, trained):
    assert store.checkpoints(trained) == [3, 6]
    child = library.fork(store, trained, 3, "child")
    run, parent = store.run(child), store.run(trained)
    assert (run.name, run.state, run.parent_id, run.parent_update) == ("child", "stopped", trained, 3)
    assert stored(store, child) == stored(store, trained)[:3]
    assert [(r.values, r.update) for r in store.requests(child)] == [({"gamma": 0.5}, 2)]
    assert store.checkpoints(child) == [3]
    assert int(store.checkpoint(child)["update"]) == 3
    assert (run.updates, run.episodes) == (3, 3 * 2 * 3)
    last = stored(store, trained)[2]
    assert run.wall_seconds == last[1]
    assert run.config == parent.config
    store.transition(child, ["stopped"], name="renamed", updates=0)
    assert store.run(trained) == parent  # the parent is as it was


def test_a_fork_without_a_number_takes_the_newest_checkpoint_and_one_at_0_starts_afresh(store, trained, small, keep):
    assert store.run(library.fork(store, trained)).parent_update == 6
    fresh = store.create(small, process="me")
    with pytest.raises(ConfigError, match=r"\(none yet\), got None"):
        library.fork(store, fresh)
    keep(store, fresh, [], snapshots=[snapshot(0)])
    run = store.run(library.fork(store, fresh, 0))
    assert (run.updates, run.episodes, run.mean_return, run.best_return) == (0, 0, None, None)
    assert run.env_steps_to_solve == (None, None)


def test_a_twin_has_an_id_of_its_own_until_it_is_deleted(store, trained, monkeypatch):
    monkeypatch.setattr(library, "MAX_TWINS", 2)
    first = library.twin_id(store, trained, 3, "ann")
    assert library.twin_id(store, trained, 3, "ann") == first, "whether it is there or not"
    assert len({first, library.twin_id(store, trained, 6, "ann"), library.twin_id(store, trained, 3, "bob")}) == 3
    assert library.fork(store, trained, 3, "twin", child=first) == first
    library.label(store, first, name="renamed")
    assert library.fork(store, trained, 3, "late", child=first) == library.twin_id(store, trained, 3, "ann") == first
    assert store.run(first).name == "renamed"
    library.delete(store, [first])
    second = library.twin_id(store, trained, 3, "ann")
    library.fork(store, trained, 3, "twin", child=second)
    with write(store.engine) as connection:
        connection.execute(RUNS.delete().where(RUNS.c.id == first))  # as a day later
    assert first != second == library.twin_id(store, trained, 3, "ann"), "one that is there comes first"
    library.fork(store, trained, 3, "twin", child=first)
    library.delete(store, [first, second])
    with pytest.raises(ConfigError, match="2 twins of this run were deleted lately, which is the limit: restore one"):
        library.twin_id(store, trained, 3, "ann")


@pytest.mark.parametrize("update", [1, 7, -1])
def test_a_fork_where_no_checkpoint_was_kept_gets_a_sentence(store, trained, update):
    with pytest.raises(ConfigError, match=rf"must be one after which a checkpoint was kept \(3, 6\), got {update}"):
        library.fork(store, trained, update)
    assert len(store.runs()) == 1


def test_a_fork_goes_on_exactly_as_its_parent_did(store, small, monkeypatch):
    for name in ("CHECKPOINT_SECONDS", "MAX_CHECKPOINT_SECONDS", "COMMIT_SECONDS", "AT_ONCE_SECONDS"):
        monkeypatch.setattr(session, name, 0.0)  # as many checkpoints as may be
    process = process_name()
    parent = store.create(small, process=process)
    list(work(store, parent, process))
    at = store.checkpoints(parent)[1]
    assert 0 < at < small.num_updates

    def train(**changes):
        child = library.fork(store, parent, at)
        store.request(child, changes)
        store.transition(child, ["stopped"], state="starting", process=process)
        list(work(store, child, process))
        assert store.run(child).state == "finished"
        return [row[2:] for row in stored(store, child)]  # without index and seconds

    original = [row[2:] for row in stored(store, parent)]
    assert train() == original
    changed = train(learning_rate=0.5)
    assert changed[:at] == original[:at]
    assert changed != original
