"""A run stops to be looked at where its records say so."""

import time
from dataclasses import replace

import pytest

from pg_core.config import Config
from pg_core.environments import describe
from pg_core.runs.workers import session
from pg_core.runs.workers.pace import AUTO, Milestones, interval
from pg_core.runs.workers.worker import work

milestones = session._milestones
SPEC = replace(describe("CartPole-v1"), reward_threshold=90.0)


def test_an_interval_is_that_between_two_updates():
    assert [interval(pace) for pace in (0, 1, 2, 30, AUTO)] == [0.0, 1.0, 0.5, 1 / 30, 0.1]


@pytest.mark.parametrize(
    ("returns", "watched"),
    [
        ([10.0], [0]),
        # From 10 to 90 an eighth is 10: 19 is none, 20 the first, 19 and 29 none again, 55 the fourth.
        ([10.0, 19.0, 20.0, 19.0, 29.0, 55.0, 40.0, 59.0, 60.0], [0, 2, 5, 8]),
        ([10.0, 90.0, 100.0, 200.0], [0, 1]),  # the way ends at the threshold
        ([95.0, 99.0, 10.0, 90.0], [0]),  # and there is none from beyond it
    ],
)
def test_milestones_are_eighths_of_the_way_to_the_threshold(returns, watched):
    milestones = Milestones(SPEC)
    seconds = [milestones.seconds(index, mean_return, 25) for index, mean_return in enumerate(returns)]
    assert seconds == [0.5 if index in watched else 0.0 for index in range(len(returns))]  # 25 steps of 50 a second


def test_without_a_threshold_they_are_powers_of_two():
    milestones = Milestones(replace(SPEC, reward_threshold=None))
    watched = [index + 1 for index in range(40) if milestones.seconds(index, 0.0, 1)]
    assert watched == [1, 2, 4, 8, 16, 32]


def test_a_run_waits_at_its_milestones_and_knows_them_when_it_is_resumed(store, small):
    run_id = store.create(Config(**{**small.model_dump(), "pace": AUTO}), process="me")
    training = work(store, run_id, "me")
    first, start = next(training), time.perf_counter()
    next(training)
    assert time.perf_counter() - start > 0.8 * first.episodic_lengths.max() / 50
    training.close()
    assert store.enqueue(run_id, "run")
    assert store.transition(run_id, ["queued"], state="starting", process="me")
    resumed = session.Session(store, run_id, "me", session.Leave())
    assert resumed._milestones._first == first.mean_return.mean()
    resumed.close()


def test_a_run_learns_what_milestones_it_has_passed_when_its_pace_becomes_auto(store, small, monkeypatch):
    read = []
    for name, value in (("_milestones", lambda *of: read.append(of) or milestones(*of)), ("AT_ONCE_SECONDS", 0.0)):
        monkeypatch.setattr(session, name, value)
    run_id = store.create(small, process="me")
    trainer = session.Session(store, run_id, "me", session.Leave())
    store.transition(run_id, ["starting"], "me", state="running")
    training = trainer.train()
    returns = [next(training).mean_return.mean()]
    trainer.commit(checkpoint=True)
    monkeypatch.setattr(session, "COMMIT_SECONDS", 1e9)  # the others are not in the store yet
    returns += [next(training).mean_return.mean() for _ in range(5)]
    assert trainer._milestones is None and read == []
    store.request(run_id, {"pace": AUTO})
    returns.append(next(training).mean_return.mean())
    store.request(run_id, {"pace": 0})
    returns.append(next(training).mean_return.mean())
    store.request(run_id, {"pace": AUTO})
    returns.append(next(training).mean_return.mean())
    fresh = Milestones(small.environment)
    for index, mean_return in enumerate(returns):
        fresh.seconds(index, mean_return, 1)
    assert vars(trainer._milestones) == vars(fresh) and len(read) == 1
    trainer.close()
