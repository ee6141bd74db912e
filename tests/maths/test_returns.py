"""Returns against hand arithmetic and the backward loop of the textbook."""

import numpy as np
import pytest
import tensorflow as tf

from pg_core.maths import discounted_returns, discounts, episode_returns


def slow_returns(rewards: np.ndarray, gamma: np.ndarray | float) -> np.ndarray:
    """Gₜ = rₜ + γ Gₜ₊₁, one step at a time from the end."""
    returns, ahead = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        ahead = rewards[t] + gamma * ahead
        returns[t] = ahead
    return returns


def test_three_steps_by_hand():
    return2 = 0.2
    return1 = -0.3 + 0.9 * return2
    return0 = 0.4 + 0.9 * return1
    rewards, gamma = tf.constant([0.4, -0.3, 0.2], tf.float64), tf.constant(0.9, tf.float64)
    np.testing.assert_allclose(discounted_returns(rewards, gamma), [return0, return1, return2], rtol=1e-15)
    np.testing.assert_allclose(episode_returns(rewards, gamma), [return0, return0, return0], rtol=1e-15)


@pytest.mark.parametrize("num_steps", [1, 2, 3, 7, 8, 9, 33, 500])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99, 1.0])
def test_any_length_equals_the_backward_loop(num_steps, gamma):
    rewards = np.random.default_rng(num_steps).normal(size=(num_steps, 2, 3))
    expected = slow_returns(rewards, gamma)
    np.testing.assert_allclose(
        discounted_returns(tf.constant(rewards), tf.constant(gamma, tf.float64)), expected, atol=1e-11
    )
    whole = episode_returns(tf.constant(rewards), tf.constant(gamma, tf.float64))
    np.testing.assert_allclose(whole, np.broadcast_to(expected[:1], rewards.shape), atol=1e-11)


def test_no_discount_sums_and_full_discount_keeps_the_reward():
    rewards = np.random.default_rng(0).normal(size=(11, 4))
    sums = rewards[::-1].cumsum(axis=0)[::-1]
    np.testing.assert_allclose(discounted_returns(tf.constant(rewards), tf.constant(1.0, tf.float64)), sums, atol=1e-13)
    np.testing.assert_array_equal(discounted_returns(tf.constant(rewards), tf.constant(0.0, tf.float64)), rewards)


def test_each_agent_has_its_own_discount():
    rewards = np.random.default_rng(1).normal(size=(13, 3, 2))
    gamma = np.array([0.0, 0.9, 1.0])
    returns = discounted_returns(tf.constant(rewards), tf.constant(gamma)[:, None])
    for agent in range(3):
        np.testing.assert_allclose(returns[:, agent], slow_returns(rewards[:, agent], gamma[agent]), atol=1e-13)


def test_rows_after_an_episode_end_add_nothing():
    rewards = np.random.default_rng(2).normal(size=5)
    padded = tf.constant(np.concatenate([rewards, np.zeros(6)]))
    returns = discounted_returns(padded, tf.constant(0.9, tf.float64))
    np.testing.assert_allclose(returns[:5], slow_returns(rewards, 0.9), atol=1e-14)
    np.testing.assert_array_equal(returns[5:], np.zeros(6))


def test_float32_returns_of_a_long_episode_stay_exact_to_rounding():
    rewards = tf.ones(500)
    exact = (1 - 0.995 ** np.arange(500, 0, -1)) / (1 - 0.995)  # geometric series
    np.testing.assert_allclose(discounted_returns(rewards, tf.constant(0.995)), exact, rtol=2e-5)


def test_returns_of_unknown_length_inside_a_graph():
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float64)])
    def graph(rewards):
        return discounted_returns(rewards, tf.constant(0.9, tf.float64))

    for num_steps in (1, 6):
        rewards = np.random.default_rng(3).normal(size=(num_steps, 2))
        np.testing.assert_allclose(graph(rewards), slow_returns(rewards, 0.9), atol=1e-14)


def test_discounts_are_powers_of_gamma():
    rewards = tf.zeros([4, 3, 1], tf.float64)
    gamma = tf.constant([[0.0], [0.5], [1.0]], tf.float64)
    expected = np.array([[1, 1, 1], [0, 0.5, 1], [0, 0.5 * 0.5, 1], [0, 0.5**3, 1]])  # 0⁰ = 1
    np.testing.assert_array_equal(discounts(rewards, gamma)[..., 0], expected)


def test_whole_return_is_the_discounted_sum_of_rewards():
    rewards = np.random.default_rng(4).normal(size=(10, 2))
    gamma = tf.constant(0.8, tf.float64)
    powers = discounts(tf.constant(rewards), gamma)
    np.testing.assert_allclose(episode_returns(tf.constant(rewards), gamma)[3], (powers * rewards).numpy().sum(axis=0))


def test_a_reward_that_is_not_a_number_spoils_only_what_came_before_it():
    returns = discounted_returns(tf.constant([1.0, np.nan, 2.0], tf.float64), tf.constant(1.0, tf.float64))
    np.testing.assert_array_equal(np.isnan(returns), [True, True, False])
