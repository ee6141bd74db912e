"""What a run was is trained again from the nearest that is kept, and is the same wherever that is."""

import numpy as np
import pytest

from pg_core.runs.store.records import NoPolicy
from pg_core.runs.store.schema import CHECKPOINTS, RUNS
from pg_core.runs.workers import again as module
from pg_core.runs.workers import session
from pg_core.runs.workers.again import STRIDE, again, ahead
from tests.runs.workers.test_replay import edit, train

pytestmark = pytest.mark.usefixtures("sixteen_at_once")


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(module, "_kept", type(module._kept)())


@pytest.fixture(autouse=True)
def _look_before_each_update(monkeypatch):
    monkeypatch.setattr(session, "AT_ONCE_SECONDS", 0)


@pytest.fixture
def changed(store, small):
    """A run of 40 updates with a change that is in force from update 21 on; of its checkpoints three are left.

    A run keeps more of them the longer it takes.
    """
    run_id = store.create(small, process="me")
    train(store, run_id, {20: {"learning_rate": 0.5}})
    edit(store, CHECKPOINTS.update().where(CHECKPOINTS.c.update.not_in([0, 21, 40])).values(checkpoint=None))
    assert store.checkpoints(run_id) == [0, 21, 40]
    return run_id


def at(store, run_id, update):
    with again(store, run_id, update) as trainer:
        return trainer.config.learning_rate, trainer.checkpoint()


def kept():
    return [done for _, _, done in module._kept]


def test_it_is_the_same_from_what_is_kept_as_from_the_store(store, changed, monkeypatch):
    updates = [8, 20, 21, 22, 24, 39]
    from_store = {}
    for update in updates:
        module._kept.clear()
        from_store[update] = at(store, changed, update)
    for update in range(41):
        at(store, changed, update)
    assert sorted(kept()) == list(range(4, 40, 4))  # the last one is the store's
    monkeypatch.setattr(store, "checkpoint", lambda *_: first)
    first = from_store[8][1]
    for update in updates:
        rate, checkpoint = at(store, changed, update)
        assert rate == from_store[update][0]
        for name, array in checkpoint.items():
            np.testing.assert_array_equal(array, from_store[update][1][name])


def test_what_follows_an_update_is_kept_up_to_the_next_checkpoint(store, changed):
    assert list(ahead(store, changed, 3)) == list(range(4, 22))
    assert kept() == [4, 8, 12, 16, 20]
    assert list(ahead(store, changed, 40)) == []


def test_what_follows_is_not_more_than_eight_strides(store, changed, monkeypatch):
    monkeypatch.setattr(store, "checkpoints", lambda _: [0])
    assert list(ahead(store, changed, 3)) == list(range(4, 3 + 8 * STRIDE + 1))


def test_what_nobody_has_asked_for_yet_gives_way_to_training(store, changed, small):
    steps = ahead(store, changed, 20)
    assert next(steps) == 21
    other = store.create(small, process="another")
    assert next(steps, None) is None
    assert list(ahead(store, changed, 20)) == []
    for state in ("starting", "running"):
        store.transition(other, [state], "another", state="running" if state == "starting" else "paused")
    assert next(ahead(store, changed, 20)) == 21, "a paused run takes no time"


def test_what_was_kept_first_goes_if_there_is_no_room(store, changed, monkeypatch):
    at(store, changed, 16)
    monkeypatch.setattr(module, "MAX_KEPT_BYTES", sum(map(len, module._kept.values())))
    at(store, changed, 32)
    assert kept()[-3:] == [24, 28, 32]
    assert not {4, 8, 12} & {*kept()}


def test_what_a_run_was_before_it_was_rewound_is_not_taken(store, changed):
    at(store, changed, 39)
    edit(store, RUNS.update().values(rewinds=1))
    at(store, changed, 39)
    assert kept() == [24, 28, 32, 36] * 2


def test_beyond_the_end_there_is_nothing(store, changed):
    with pytest.raises(NoPolicy, match=r"`update` must be in \[0, 40\]"):
        at(store, changed, 41)
