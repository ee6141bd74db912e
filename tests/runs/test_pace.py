"""A run stops to be looked at where its records say so."""

import time
from dataclasses import replace

import pytest

from pg_core.config import Config
from pg_core.environments import describe
from pg_core.runs import session
from pg_core.runs.pace import AUTO, Milestones, interval
from pg_core.runs.worker import work

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
