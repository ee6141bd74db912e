import numpy as np
import orjson
import pytest
import sqlalchemy as sa

from pg_core.config import Config, ConfigError
from pg_core.learning.learners import TrainingError
from pg_core.learning.trainer import Trainer
from pg_core.policies.in_numpy import MEAN, VARIANCE
from pg_core.runs.store import library
from pg_core.runs.store.records import ARITHMETIC, NoPolicy, UnknownRun
from pg_core.runs.store.schema import ARRAYS, CHECKPOINTS, RUNS, UPDATES, write
from pg_core.runs.workers import questions, session
from pg_core.runs.workers.replay import Replay, compare, dissection_at, estimators_at, policy_at, value_at
from pg_core.runs.workers.session import Leave
from pg_core.runs.workers.worker import work
from tests.postgresql import on_both
from tests.runs.environments import One

pytestmark = pytest.mark.usefixtures("sixteen_at_once")


@pytest.fixture(autouse=True)
def _look_before_each_update(monkeypatch):
    monkeypatch.setattr(session, "AT_ONCE_SECONDS", 0)


def train(store, run_id, changes=(), leave_after=None):
    """Train a run with live values requested after the updates that they are given for; leave it after an update."""
    changes, leave = dict(changes), Leave()
    if store.enqueue(run_id, "run"):
        store.transition(run_id, ["queued"], state="starting", process="me")
    for update in work(store, run_id, "me", leave):
        if update.index in changes:
            store.request(run_id, changes[update.index])
        if update.index == leave_after:
            leave.set()


def result(store, run_id):
    *_, last = compare(store, run_id)
    return last


@pytest.fixture
def trained(store, small):
    run_id = store.create(small, process="me")
    train(store, run_id)
    return run_id


def edit(store, statement):
    with write(store.engine) as connection:
        assert connection.execute(statement).rowcount


def test_a_run_is_identical_and_its_changes_divide_what_is_trained_at_once(store, small):
    run_id = store.create(small, process="me")
    train(store, run_id, {4: {"learning_rate": 0.5}, 24: {"gamma": 0.5, "learning_rate": 0.01}, 39: {"gamma": 0.9}})
    assert [request.update for request in store.requests(run_id)] == [5, 25, None]
    # 5 up to the first change, 16 + 4 up to the second, 15 to the end.
    assert [replay.identical for replay in compare(store, run_id)] == [0, 5, 21, 25, 40]
    assert result(store, run_id) == Replay(updates=40, identical=40) and result(store, run_id).differs_at is None


def test_only_what_is_trained_at_once_is_read_at_once(store, trained, monkeypatch):
    pages, read = [], store.updates
    monkeypatch.setattr(store, "updates", lambda *arguments: pages.append(arguments[2:]) or read(*arguments))
    assert result(store, trained).identical == 40
    assert pages == [(0, 16), (16, 16), (32, 8)]


@on_both
def test_a_run_that_was_left_resumed_and_rewound_is_identical(store, small):
    run_id = store.create(small, process="me")
    train(store, run_id, {3: {"learning_rate": 0.5}}, leave_after=9)
    train(store, run_id, {13: {"learning_rate": 0.001}}, leave_after=19)
    # As after a SIGKILL, updates are ahead of the newest checkpoint; and someone has asked for more meanwhile.
    edit(store, CHECKPOINTS.delete())
    store.request(run_id, {"gamma": 0.5})
    train(store, run_id, leave_after=29)
    assert store.run(run_id).rewinds == 1 and [request.update for request in store.requests(run_id)] == [4, 14, 14]
    assert result(store, run_id) == Replay(updates=30, identical=30)


def test_a_fork_is_identical(store, small):
    parent = store.create(small, process="me")
    train(store, parent, {3: {"learning_rate": 0.5}}, leave_after=9)
    child = library.fork(store, parent)
    store.request(child, {"gamma": 0.5})
    train(store, child, leave_after=19)
    assert [request.update for request in store.requests(child)] == [4, 10]
    assert result(store, child) == Replay(updates=20, identical=20)


@pytest.mark.parametrize("at", [5, 6, 9])  # the update of a change, the one after it, and one before one that waits
def test_forks_of_a_race_go_on_with_what_was_in_force_in_the_next_update(store, small, at):
    parent = store.create(small, process="me")
    train(store, parent, {4: {"gamma": 0.5}, 9: {"ent_coef": 0.25}}, leave_after=9)
    race = {
        "0" * 32: {"name": "own", "settings": {}},
        "1" * 32: {"name": "mean", "settings": {"baseline": "leave_one_out"}},
    }
    questions.answer("forks", store, True, {"run_id": parent, "update": at, "forks": race})
    own, mean = (store.run(child) for child in race)
    assert (own.state, mean.state) == ("queued", "queued") and store.queue() == list(race)
    assert own.current == store.config_after(parent, at + 1) == small.changed(gamma=0.5)
    assert mean.current == own.current.changed(baseline="leave_one_out")
    store.transition(own.id, ["queued"], state="starting", process="me")
    train(store, own.id, leave_after=9)

    def learned(run_id):
        return [row.grad_norm for row in store.updates(run_id, ["grad_norm"], 0, 10)]

    assert learned(own.id) == learned(parent)


def test_a_run_that_went_on_after_it_had_solved_is_identical(store, small, register):
    register("Lab/Easy-v0", One, max_episode_steps=5, reward_threshold=1.0)
    values = {"env_id": "Lab/Easy-v0", "num_updates": 500, "stop_when_solved": True}
    run_id = store.create(Config(**{**small.model_dump(), **values}), process="me")
    train(store, run_id, leave_after=33)  # solved, as 100 episodes of each agent are judged
    store.request(run_id, {"stop_when_solved": False})
    train(store, run_id, leave_after=43)
    assert result(store, run_id) == Replay(updates=44, identical=44)


def test_bytes_that_were_changed_are_found_with_update_and_arrays(store, trained):
    changed = {"entropy": b"\0" * 8, "mean_return": b"short"}
    edit(store, UPDATES.update().where(UPDATES.c.update == 17).values(changed))
    edit(store, UPDATES.update().where(UPDATES.c.update == 30).values(iqm=b""))
    found = result(store, trained)
    assert found == Replay(updates=40, identical=17, arrays=("mean_return", "entropy")) and found.differs_at == 17


def test_a_change_that_was_not_recorded_is_found(store, small):
    run_id = store.create(small, process="me")
    train(store, run_id, {4: {"learning_rate": 0.5}})
    edit(store, sa.text("DELETE FROM changes"))
    found = result(store, run_id)
    assert found.differs_at == 5 and "approx_kl" in found.arrays and "episodic_returns" not in found.arrays


@pytest.mark.parametrize("update", [0, 20, 39])
def test_an_update_that_is_missing_is_found(store, trained, update):
    edit(store, UPDATES.delete().where(UPDATES.c.update == update))
    assert result(store, trained) == Replay(updates=40, identical=update, arrays=tuple(ARRAYS))


def test_an_update_beyond_the_end_of_training_is_found(store, trained, small):
    edit(store, RUNS.update().values(config=small.changed(num_updates=30).model_dump_json()))
    assert result(store, trained) == Replay(updates=40, identical=30, arrays=tuple(ARRAYS))


def test_training_that_fails_where_the_run_did_not_is_found(store, trained, monkeypatch):
    advance = Trainer.advance

    def failing(self, num_updates):
        if self.checkpoint()["update"] == 16:
            raise TrainingError("diverged")
        return advance(self, num_updates)

    monkeypatch.setattr(Trainer, "advance", failing)
    assert result(store, trained).differs_at == 16


@pytest.mark.parametrize("engine", ["compiled", "gymnasium"])
def test_the_policy_of_any_update_is_the_one_that_was_kept(store, small, engine):
    config = Config(**{**small.model_dump(), "num_updates": 12, "engine": engine})
    run_id = store.create(config, process="me")
    train(store, run_id, {4: {"learning_rate": 0.5}, 7: {"gamma": 0.5}})
    kept = {update: store.policy(run_id, update)[1] for update in store.policies(run_id)}
    assert list(kept) == list(range(13))
    # Thinned: what is left are the policies after 0 and 8 updates, and the states before the changes.
    edit(store, CHECKPOINTS.update().where(CHECKPOINTS.c.update.not_in([0, 5])).values(checkpoint=None))
    edit(store, CHECKPOINTS.delete().where(CHECKPOINTS.c.update.not_in([0, 5, 8])))
    for update, policy in kept.items():
        again = policy_at(store, run_id, update)
        assert all(again[name].tobytes() == policy[name].tobytes() for name in policy), update


@pytest.mark.parametrize("normalized", [False, True])
def test_the_value_network_of_any_update_is_the_trainers_with_what_normalises_its_inputs(store, small, normalized):
    values = {"num_updates": 6, "baseline": "value", "normalize_observations": normalized}
    config = Config(**{**small.model_dump(), **values})
    run_id = store.create(config, process="me")
    train(store, run_id)
    edit(store, CHECKPOINTS.update().where(CHECKPOINTS.c.update.not_in([0, 4])).values(checkpoint=None))
    trainer, seen = Trainer(config), (MEAN, VARIANCE) if normalized else ()
    for update in range(7):
        found = value_at(store, run_id, update)
        expected = {name: array.numpy() for name, array in trainer.state.value.items()}
        expected |= {name: trainer.policy()[name] for name in seen}
        assert found.keys() == expected.keys(), update
        assert all(found[name].tobytes() == expected[name].tobytes() for name in found), update
        assert found["kernel_1"].shape == (config.num_agents, *small.hidden_layers, 1)
        trainer.advance(1)


def test_without_a_value_network_it_says_which_runs_have_one(store, trained):
    with pytest.raises(NoPolicy, match='only runs with `baseline` "value" do'):
        value_at(store, trained, 3)


def test_a_policy_that_cannot_be_had_gets_a_sentence(store, small, trained):
    edit(store, CHECKPOINTS.delete().where(CHECKPOINTS.c.update.not_in([0])))
    edit(store, RUNS.update().values(config=small.changed(num_updates=30).model_dump_json()))
    with pytest.raises(NoPolicy, match=r"`update` must be in \[0, 40\], of which a policy can be had, got 41"):
        policy_at(store, trained, 41)
    with pytest.raises(NoPolicy, match="ended after 30 updates, before update 35"):
        policy_at(store, trained, 35)
    edit(store, CHECKPOINTS.delete())
    with pytest.raises(NoPolicy):
        policy_at(store, trained, 0)


def test_a_run_of_another_arithmetic_shows_what_it_kept_and_nothing_that_only_resembles_it(store, trained):
    edit(store, CHECKPOINTS.delete().where(CHECKPOINTS.c.update.not_in([0])))
    edit(store, RUNS.update().values(arithmetic=1))
    assert policy_at(store, trained, 0).keys() == store.policy(trained, 0)[1].keys()
    with pytest.raises(NoPolicy, match="An earlier lab trained this run"):
        policy_at(store, trained, 5)
    assert [found.arithmetic for found in compare(store, trained)][-1] == 1
    forked = library.fork(store, trained, 0)  # nothing that was trained is shared
    assert store.run(forked).arithmetic == ARITHMETIC


def test_a_run_without_updates_has_nothing_that_differs(store, small):
    assert result(store, store.create(small)) == Replay(updates=0)


def test_a_run_that_is_unknown_or_cannot_be_trained_is_refused(store, trained):
    with pytest.raises(UnknownRun, match="No run has the id 'nothing'"):
        result(store, "nothing")
    edit(store, RUNS.update().values(config='{"env_id": "Gone-v0"}'))
    with pytest.raises(ConfigError, match="Gone-v0"):
        result(store, trained)


def test_an_update_is_taken_apart_from_the_episodes_that_it_learned_from(store, small):
    run_id = store.create(small, process="me")
    train(store, run_id, {9: {"learning_rate": 0.5, "gamma": 0.5}})  # in force from update 10 on
    for update in (9, 10, 39):
        record, played, apart = dissection_at(store, run_id, update, agent=1)
        assert record.config.gamma == (1.0 if update == 9 else 0.5)
        [stored] = store.updates(run_id, ["episodic_returns", "grad_norm"], update, 1)
        assert record.episodic_returns.tobytes() == stored.episodic_returns
        np.testing.assert_array_equal(played.rewards[:, 0].sum(axis=0), record.episodic_returns[1])
        np.testing.assert_allclose(apart.losses.sum(), record.policy_loss[1], rtol=1e-4, atol=1e-6)
    with pytest.raises(NoPolicy, match=r"`update` must be in \[0, 40\]"):
        dissection_at(store, run_id, 41, agent=0)


def test_an_update_that_cannot_be_done_again_is_not_taken_apart(store, trained):
    edit(store, sa.update(UPDATES).where(UPDATES.c.update == 3).values(grad_norm=np.zeros(2, "<f4").tobytes()))
    dissection_at(store, trained, 2, agent=0)
    with pytest.raises(NoPolicy, match="Update 3 of this run cannot be done exactly again"):
        dissection_at(store, trained, 3, agent=0)


def test_estimators_are_compared_with_the_settings_that_were_in_force(store, small):
    run_id = store.create(small.changed(gamma=1.0), process="me")
    train(store, run_id, {9: {"gamma": 0.5}})  # in force from update 10 on
    at_9, at_10 = (orjson.loads(estimators_at(store, run_id, update, agent=1, batches=8)) for update in (9, 10))
    assert (len(at_9["estimators"]), len(at_10["estimators"])) == (32, 48)  # with γᵗ, where it is not 1
    for said in (at_9, at_10):
        names = [each["name"] for each in said["estimators"]]
        assert said["own"] in names
        cosines = [each["measured"]["cosine"][0] for each in said["estimators"]]
        assert cosines == sorted(cosines, reverse=True)
    assert at_9 == orjson.loads(estimators_at(store, run_id, 9, agent=1, batches=8))
    assert estimators_at(store, run_id, 40, agent=1, batches=8)  # of the last policy, too
    with pytest.raises(NoPolicy, match=r"`update` must be in \[0, 40\]"):
        estimators_at(store, run_id, 41, agent=0, batches=8)
