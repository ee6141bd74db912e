"""The best kept policy is the one around which the returns were highest."""

import numpy as np
import pytest

from pg_core.config import Config
from pg_core.runs.diagnosis.best import best_kept, mean_returns, milestones

KEPT = list(range(0, 41, 8))


@pytest.fixture
def run(store, make_update, keep):
    """40 updates of 2 agents with 4 episodes: agent 0 is best in update 16, agent 1 in update 32."""
    config = Config(num_agents=2, episodes_per_update=4, num_updates=40)
    run_id = store.create(config, "peaks", "me")
    store.transition(run_id, ["starting"], state="running")
    peaks = np.array([[16], [32]])
    heights = np.array([[300], [200]])
    returns = [np.maximum(heights - 20 * abs(peaks - u), 10) + np.zeros((2, 4)) for u in range(40)]
    keep(store, run_id, [make_update(u, each, episodes=4) for u, each in enumerate(returns)])
    return store.run(run_id)


def test_all_agents_together_or_one_alone(store, run):
    """Of 4 episodes an update, 20 are those of 5 updates: 16 ± 2."""
    one = (300 + 2 * 280 + 2 * 260) / 5
    assert best_kept(store, run, KEPT, agent=0) == (16, one)
    assert best_kept(store, run, KEPT, agent=1) == (32, one - 100)
    assert best_kept(store, run, KEPT) == (16, (one + 10) / 2)


def test_only_what_is_kept_can_be_the_best(store, run):
    assert best_kept(store, run, [0, 8, 40], agent=1) == (40, (80 + 60) / 2)  # by the two updates before it
    assert best_kept(store, run, [0, 8], agent=1) == (0, 10)  # the first of those that tie


def test_milestones_are_as_far_apart_as_what_was_learned(store, run):
    """Of agent 1, wanted are 43.2, 76.4, 109.6 and 142.8, between 10 and 176; it rises by 20 an update up to 30."""
    means = dict(zip(range(24, 33), [42, 60, 80, 100, 120, 140, 160, 172, 176], strict=True))
    assert mean_returns(store, run, [0, *means], agent=1).tolist() == [10, *means.values()]
    assert milestones(store, run, range(41), agent=1) == [0, 25, 26, 28, 30, 32]
    assert milestones(store, run, KEPT, agent=1) == [0, 32]  # 42 is less than each of these
    assert milestones(store, run, [7], agent=1) == [7]


def test_before_the_first_update_it_is_what_it_begins_with(store):
    run = store.run(store.create(Config()))
    assert best_kept(store, run, [0]) == (0, -np.inf)
    assert milestones(store, run, [0]) == [0]
