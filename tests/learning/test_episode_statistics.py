"""Windows of a hundred episodes, by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from pg_core.learning.episode_statistics import (
    SOLVED_WINDOW,
    EpisodeStatistics,
    add_episodes,
    initial_statistics,
    mean_return,
)


def play(statistics: EpisodeStatistics, returns, lengths=None, threshold: float = 10.0) -> EpisodeStatistics:
    """Add one batch of each agent's `returns` `[P, B]`, of as many steps unless `lengths` says otherwise."""
    returns = tf.constant(returns, tf.float32)
    lengths = returns if lengths is None else tf.constant(lengths, tf.float32)
    return add_episodes(statistics, returns, lengths, threshold)


def test_before_the_first_episode_nothing_is_earned():
    statistics = initial_statistics(2)
    assert SOLVED_WINDOW == 100
    np.testing.assert_array_equal(mean_return(statistics), [0, 0])
    np.testing.assert_array_equal(statistics.env_steps, [0, 0])
    np.testing.assert_array_equal(statistics.env_steps_to_solve, [-1, -1])


def test_a_window_that_is_not_full_is_the_mean_of_what_there_is():
    statistics = play(initial_statistics(2), [[1, 2, 6], [0, 0, 5]])
    np.testing.assert_allclose(mean_return(statistics), [(1 + 2 + 6) / 3, 5 / 3])
    statistics = play(statistics, [[7, 0, 0], [1, 1, 1]], lengths=[[4, 4, 4], [1, 2, 3]])
    np.testing.assert_allclose(mean_return(statistics), [(1 + 2 + 6 + 7) / 6, (5 + 3) / 6], rtol=1e-6)
    np.testing.assert_array_equal(statistics.env_steps, [9 + 12, 5 + 6])
    assert int(statistics.num_recent) == 6


@pytest.mark.parametrize("batch", [1, 7, 40, 100, 256])
def test_the_window_is_the_last_hundred_whatever_the_batch(batch):
    returns = np.random.default_rng(batch).integers(0, 500, (1, 3 * max(batch, 100) // batch * batch))
    statistics = initial_statistics(1)
    for start in range(0, returns.shape[1], batch):
        statistics = play(statistics, returns[:, start : start + batch], threshold=math.inf)
        last = returns[0, max(0, start + batch - 100) : start + batch]
        np.testing.assert_allclose(mean_return(statistics), [last.mean()], rtol=1e-6)
    np.testing.assert_array_equal(statistics.recent_returns[0], returns[0, -100:])
    assert statistics.env_steps[0] == returns.sum()


def test_solved_is_a_full_window_at_the_threshold_and_is_said_once():
    statistics = play(initial_statistics(3), [[10] * 60, [10] * 60, [9] * 60])
    np.testing.assert_array_equal(statistics.env_steps_to_solve, [-1, -1, -1])  # 60 episodes are no window
    statistics = play(statistics, [[10] * 60, [10] * 59 + [9], [9] * 60])
    np.testing.assert_allclose(mean_return(statistics), [10, (99 * 10 + 9) / 100, 9], rtol=1e-6)
    np.testing.assert_array_equal(statistics.env_steps_to_solve, [120 * 10, -1, -1])
    statistics = play(statistics, [[0] * 60, [10] * 60, [11] * 60])  # 60 of 11 and 40 of 9: 10.2
    np.testing.assert_array_equal(statistics.env_steps_to_solve, [1200, -1, 120 * 9 + 60 * 11])
    statistics = play(statistics, [[50] * 60, [10] * 60, [0] * 60])  # the 9 has left agent 1's window
    np.testing.assert_array_equal(statistics.env_steps_to_solve, [1200, 240 * 10 - 1, 120 * 9 + 60 * 11])


def test_without_a_threshold_nothing_is_solved():
    statistics = play(initial_statistics(1), [[1e6] * 100], threshold=math.inf)
    np.testing.assert_array_equal(statistics.env_steps_to_solve, [-1])


def test_steps_are_counted_beyond_what_float32_can():
    statistics = initial_statistics(1)._replace(env_steps=tf.constant([2**31 + 1], tf.int64))
    assert int(play(statistics, [[1, 2]]).env_steps[0]) == 2**31 + 1 + 3
