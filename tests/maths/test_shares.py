"""The shares of steps in a mean by hand, and the mean of the estimates that are made of them.

The last part enumerates all episodes of a small decision process and compares the mean of the estimates with the
gradient of the objective: it holds the words "unbiased" and "shrinks by 1 - 1/B" to their meaning.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from pg_core.maths import (
    Categorical,
    batch_mean,
    discounted_returns,
    discounts,
    episode_returns,
    episode_share,
    leave_one_out,
    step_mean,
    step_share,
)

# Two agents with two episodes each, of two steps and one, and of two steps both: [T, P, B] = [2, 2, 2]
MASK = tf.constant([[[1.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]], tf.float64)


def test_a_step_counts_once_for_each_episode():
    np.testing.assert_array_equal(episode_share(MASK), [[1 / 2], [1 / 2]])


def test_a_step_counts_once_for_all_steps_of_its_agent():
    np.testing.assert_allclose(step_share(MASK), [[1 / 3], [1 / 4]], rtol=1e-15)


def test_no_played_step_gives_zero_rather_than_no_number():
    np.testing.assert_array_equal(step_share(tf.zeros_like(MASK)), [[0], [0]])


# The mean of the estimate, by enumeration of a decision process of two steps:
#
#     state 0 ─ action 0, reward 1 ─▶ state 1 ─ action 0, reward 3; action 1, reward -1 ─▶ end
#             ─ action 1, reward 4 ─▶ state 2 ─ action 0, reward 0.5; action 1, reward 2 ─▶ end
#
# In the "unequal" process, action 1 in state 0 ends the episode at once.

FIRST, SECOND = np.array([1.0, 4.0]), np.array([[3.0, -1.0], [0.5, 2.0]])
LOGITS = np.array([[0.3, -0.4], [-0.2, 0.5], [0.7, 0.1]])  # one row a state
GAMMA = tf.constant(0.8, tf.float64)
B = 2


def episodes(unequal: bool) -> list[tuple[list[int], list[int], list[float], list[float]]]:
    """All episodes, as states, actions, rewards and mask of two rows each."""
    full = [
        ([0, 1 + a], [a, c], [FIRST[a], SECOND[a, c]], [1.0, 1.0])
        for a, c in itertools.product(range(2), repeat=2)
        if not (unequal and a == 1)
    ]
    return full + ([([0, 0], [1, 0], [FIRST[1], 0.0], [1.0, 0.0])] if unequal else [])


def batches(unequal: bool) -> list[np.ndarray]:
    """States, actions, rewards and mask `[T, P, B]` of all pairs of episodes: each pair is one agent's batch."""
    pairs = list(itertools.product(episodes(unequal), repeat=B))
    columns = [np.array([[episode[i] for episode in pair] for pair in pairs]) for i in range(4)]  # [P, B, T]
    return [column.transpose(2, 0, 1) for column in columns]


def exact_gradient(unequal: bool, objective) -> np.ndarray:
    """∇ Σ_τ p(τ) f(τ), the gradient through the probabilities of all episodes."""
    states, actions, rewards, mask = (np.array([e[i] for e in episodes(unequal)]) for i in range(4))
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        log_probs = Categorical(tf.gather(logits, states)).log_prob(actions) * mask
        mean = tf.reduce_sum(tf.exp(tf.reduce_sum(log_probs, axis=1)) * objective(rewards))
    return tf.convert_to_tensor(tape.gradient(mean, logits)).numpy()


def discounted(rewards: np.ndarray) -> np.ndarray:
    return rewards[:, 0] + GAMMA * rewards[:, 1]


def mean_estimate(unequal: bool, weights_of) -> np.ndarray:
    """The estimate of each possible batch, weighted by the probability of that batch."""
    states, actions, rewards, mask = batches(unequal)
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        log_probs = Categorical(tf.gather(logits, states)).log_prob(actions)
        probability = tf.exp(tf.reduce_sum(log_probs * mask, axis=(0, 2)))  # [P]
        weights = weights_of(tf.constant(rewards), tf.constant(mask), states)
        loss = -tf.reduce_sum(episode_share(tf.constant(mask)) * tf.constant(mask) * weights * log_probs, axis=(0, 2))
        mean = tf.reduce_sum(tf.stop_gradient(probability) * loss)
    np.testing.assert_allclose(tf.reduce_sum(probability), 1, rtol=1e-14)  # no batch was forgotten
    return -tf.convert_to_tensor(tape.gradient(mean, logits)).numpy()


def whole(rewards: tf.Tensor) -> tf.Tensor:
    return episode_returns(rewards, GAMMA)


def to_go(rewards: tf.Tensor) -> tf.Tensor:
    """With the factor γᵗ that the gradient of the discounted objective asks for."""
    return discounts(rewards, GAMMA) * discounted_returns(rewards, GAMMA)


@pytest.mark.parametrize("unequal", [False, True])
@pytest.mark.parametrize("returns_of", [whole, to_go])
@pytest.mark.parametrize(
    "baseline",
    [
        lambda returns, mask, states: 0.0,
        lambda returns, mask, states: 5.7,
        lambda returns, mask, states: leave_one_out(returns, mask),
        lambda returns, mask, states: tf.gather(tf.constant([2.0, -7.0, 11.0], tf.float64), states),
    ],
    ids=["none", "constant", "leave-one-out", "function of the state"],
)
def test_unbiased_baselines_leave_the_mean_gradient_unchanged(unequal, returns_of, baseline):
    def weights_of(rewards, mask, states):
        return returns_of(rewards) - baseline(returns_of(rewards), mask, states)

    expected = exact_gradient(unequal, discounted)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(mean_estimate(unequal, weights_of), expected, atol=1e-14)


@pytest.mark.parametrize(("returns_of", "baseline"), [(whole, batch_mean), (whole, step_mean), (to_go, step_mean)])
def test_own_return_in_the_mean_shrinks_the_mean_gradient_by_one_over_the_episodes(returns_of, baseline):
    def weights_of(rewards, mask, _):
        return returns_of(rewards) - baseline(returns_of(rewards), mask)

    expected = (1 - 1 / B) * exact_gradient(False, discounted)
    np.testing.assert_allclose(mean_estimate(False, weights_of), expected, atol=1e-14)


def test_batch_mean_of_rewards_to_go_takes_the_gradient_of_their_mean_away():
    """What the episode's own G₀ and G₁ bring into the mean is not a multiple of ∇J."""

    def weights_of(rewards, mask, _):
        returns = discounted_returns(rewards, tf.constant(1.0, tf.float64))
        return returns - batch_mean(returns, mask)

    gradient = exact_gradient(False, lambda r: r[:, 0] + r[:, 1])
    own = exact_gradient(False, lambda r: ((r[:, 0] + r[:, 1]) + r[:, 1]) / 2)
    np.testing.assert_allclose(mean_estimate(False, weights_of), gradient - own / B, atol=1e-14)
    assert np.abs(own - gradient).max() > 0.1


def test_reward_to_go_without_its_factor_is_not_the_gradient_of_the_discounted_objective():
    estimate = mean_estimate(False, lambda rewards, mask, _: discounted_returns(rewards, GAMMA))
    assert np.abs(estimate - exact_gradient(False, discounted)).max() > 0.01
