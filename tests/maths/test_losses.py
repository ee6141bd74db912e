"""The loss by hand, the gradient that it stands for, and what must be constant in it.

The last part enumerates all episodes of a small decision process and compares the mean of the estimates with the
gradient of the objective: it holds the words "unbiased" and "shrinks by 1 - 1/B" to their meaning.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from pg_core.maths import (
    batch_mean,
    categorical_entropy,
    categorical_log_prob,
    categorical_score,
    discounted_returns,
    discounts,
    episode_returns,
    gaussian_entropy,
    gaussian_log_prob,
    gaussian_score,
    leave_one_out,
    policy_gradient_loss,
    reduction_scale,
    step_mean,
    value_loss,
)

# Two episodes of one agent, two steps and one: [T, P, B] = [2, 1, 2]
LOG_PROBS = np.array([[[-0.1, -0.2]], [[-0.3, 0.0]]])
WEIGHTS = np.array([[[2.0, -1.0]], [[3.0, 0.0]]])
ENTROPIES = np.array([[[0.6, 0.5]], [[0.4, 0.0]]])
MASK = np.array([[[1.0, 1.0]], [[1.0, 0.0]]])
ENT_COEF = 0.25


def loss(log_probs=LOG_PROBS, weights=WEIGHTS, entropies=ENTROPIES, mask=MASK, per_step=False):
    ent_coef = tf.constant([ENT_COEF], tf.float64)
    scale = reduction_scale(tf.constant(mask), tf.constant(per_step))
    return policy_gradient_loss(*map(tf.convert_to_tensor, (log_probs, weights, entropies, mask)), ent_coef, scale)


def critic_loss(values=LOG_PROBS, returns=WEIGHTS, mask=MASK):
    num_steps = tf.reduce_sum(tf.constant(mask), axis=(0, 2))
    return value_loss(*map(tf.convert_to_tensor, (values, returns, mask)), num_steps)


@pytest.mark.parametrize(("per_step", "count"), [(False, 2), (True, 3)])  # two episodes of three steps together
def test_each_term_by_hand(per_step, count):
    result = loss(per_step=per_step)
    policy_loss = -(-0.1 * 2 + -0.2 * -1 + -0.3 * 3) / count
    entropy_loss = -(0.6 + 0.5 + 0.4) / count
    np.testing.assert_allclose(result.policy_loss, [policy_loss], rtol=1e-14)
    np.testing.assert_allclose(result.entropy_loss, [entropy_loss], rtol=1e-14)
    np.testing.assert_allclose(result.total, [policy_loss + ENT_COEF * entropy_loss], rtol=1e-14)


@pytest.mark.parametrize("per_step", [False, True])
def test_rows_after_the_end_never_matter(per_step):
    junk = (1 - MASK) * 1e9
    dirty = loss(LOG_PROBS + junk, WEIGHTS - junk, ENTROPIES + junk, per_step=per_step)
    for ours, theirs in zip(dirty, loss(per_step=per_step), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    returns = np.array([[[1.0, 2.0]], [[3.0, 4.0]]])
    np.testing.assert_array_equal(critic_loss(returns + junk), critic_loss(returns))


def test_agents_of_different_lengths_have_each_their_own_count():
    mask = np.concatenate([MASK, np.ones_like(MASK)], axis=1)
    both = [np.concatenate([array, array], axis=1) for array in (LOG_PROBS, WEIGHTS, ENTROPIES)]
    ent_coef = tf.constant([ENT_COEF, 0.0], tf.float64)
    scale = reduction_scale(tf.constant(mask), tf.constant(True))
    np.testing.assert_array_equal(scale, [3, 4])
    result = policy_gradient_loss(*map(tf.constant, (*both, mask)), ent_coef, scale)
    first = 0.9 / 3
    second = 0.9 / 4
    np.testing.assert_allclose(result.policy_loss, [first, second], rtol=1e-14)
    np.testing.assert_allclose(result.total, [first - ENT_COEF * 1.5 / 3, second], rtol=1e-14)


def test_no_played_step_gives_zero_rather_than_no_number():
    for per_step in (False, True):
        for term in loss(mask=np.zeros_like(MASK), per_step=per_step):
            np.testing.assert_array_equal(term, [0.0])
    np.testing.assert_array_equal(critic_loss(mask=np.zeros_like(MASK)), [0.0])


@pytest.mark.parametrize("per_step", [False, True])
def test_the_losses_of_parts_add_up_to_the_loss_of_the_whole(per_step):
    whole, scale = loss(per_step=per_step), reduction_scale(tf.constant(MASK), tf.constant(per_step))
    ent_coef, num_steps = tf.constant([ENT_COEF], tf.float64), tf.constant([3.0], tf.float64)
    parts = [[tf.constant(array[t : t + 1]) for array in (LOG_PROBS, WEIGHTS, ENTROPIES, MASK)] for t in range(2)]
    terms = [policy_gradient_loss(*part, ent_coef, scale) for part in parts]
    for first, second, together in zip(*terms, whole, strict=True):
        np.testing.assert_allclose(first + second, together, rtol=1e-14)
    halves = [value_loss(part[0], part[1], part[3], num_steps) for part in parts]
    np.testing.assert_allclose(halves[0] + halves[1], critic_loss(), rtol=1e-14)


def test_weights_are_constants_of_the_loss():
    """Weights made from the policy's own parameters, as from rewards that depend on them: no gradient flows back."""
    theta, rewards = tf.Variable(0.7, dtype=tf.float64), tf.Variable(WEIGHTS)
    with tf.GradientTape(persistent=True) as tape:
        returns = discounted_returns(rewards * theta, tf.constant(0.9, tf.float64))
        weights = returns - leave_one_out(returns, tf.constant(MASK))
        total = tf.reduce_sum(loss(weights=weights).total)
        through_log_probs = tf.reduce_sum(loss(LOG_PROBS * theta, weights).total)
    assert tape.gradient(total, [weights, returns, rewards, theta]) == [None] * 4
    expected = -np.sum(LOG_PROBS * weights * MASK) / 2  # of the log-probabilities alone
    np.testing.assert_allclose(tape.gradient(through_log_probs, theta), expected, rtol=1e-14)
    assert tape.gradient(through_log_probs, rewards) is None


def test_gradient_of_the_loss_is_minus_weight_times_score_over_episodes():
    log_probs, entropies = tf.Variable(LOG_PROBS), tf.Variable(ENTROPIES)
    with tf.GradientTape() as tape:
        total = loss(log_probs, entropies=entropies).total
    by_log_probs, by_entropies = tape.gradient(total, [log_probs, entropies])
    np.testing.assert_allclose(by_log_probs, -WEIGHTS * MASK / 2, rtol=1e-14)
    np.testing.assert_allclose(by_entropies, -ENT_COEF * MASK / 2, rtol=1e-14)


def test_value_loss_by_hand_and_its_targets_are_constants():
    values, targets = tf.Variable([[[1.0, 2.0]], [[3.0, 0.0]]], dtype=tf.float64), tf.Variable(WEIGHTS)
    with tf.GradientTape() as tape:
        result = critic_loss(values, targets)
    np.testing.assert_allclose(result, [0.5 * ((1 - 2) ** 2 + (2 + 1) ** 2 + (3 - 3) ** 2) / 3], rtol=1e-14)
    gradients = tape.gradient(result, [values, targets])
    np.testing.assert_allclose(gradients[0], [[[(1 - 2) / 3, (2 + 1) / 3]], [[0, 0]]], rtol=1e-14)
    assert gradients[1] is None


# Three ways to one gradient: the tape, the closed form chained through a linear policy, central differences.

OBSERVATIONS = np.random.default_rng(0).normal(size=(4, 1, 3, 5))  # [T, P, B, D]
STEP_MASK = np.array([[[1.0, 1, 1]], [[1, 1, 1]], [[1, 0, 1]], [[1, 0, 0]]])
STEP_WEIGHTS = np.random.default_rng(1).normal(size=(4, 1, 3))


def central_differences(function, parameters: np.ndarray, step: float = 1e-5) -> np.ndarray:
    gradient = np.zeros_like(parameters)
    for index in np.ndindex(parameters.shape):
        moved = [parameters.copy(), parameters.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        gradient[index] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return gradient


def total_loss(log_probs, entropies, per_step, ent_coef):
    coefficient = tf.constant([ent_coef], tf.float64)
    weights, mask = tf.constant(STEP_WEIGHTS), tf.constant(STEP_MASK)
    scale = reduction_scale(mask, tf.constant(per_step))
    terms = policy_gradient_loss(log_probs, weights, entropies, mask, coefficient, scale)
    return tf.reduce_sum(terms.total)


def tape_gradients(function, *parameters: np.ndarray) -> list[np.ndarray]:
    variables = [tf.Variable(parameter) for parameter in parameters]
    with tf.GradientTape() as tape:
        result = function(*variables)
    return [gradient.numpy() for gradient in tape.gradient(result, variables)]


@pytest.mark.parametrize("ent_coef", [0.0, 0.3])
@pytest.mark.parametrize(("per_step", "count"), [(False, 3), (True, STEP_MASK.sum())])
def test_three_way_gradient_of_a_softmax_policy(per_step, count, ent_coef):
    rng = np.random.default_rng(2)
    kernel, actions = rng.normal(size=(5, 4)), rng.integers(4, size=(4, 1, 3))

    def function(kernel):
        logits = tf.constant(OBSERVATIONS) @ kernel
        return total_loss(categorical_log_prob(logits, actions), categorical_entropy(logits), per_step, ent_coef)

    logits = OBSERVATIONS @ kernel
    probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    entropy = -(probs * np.log(probs)).sum(-1, keepdims=True)
    by_logits = (np.eye(4)[actions] - probs) * STEP_WEIGHTS[..., None]  # (one_hot(a) - π) · weight
    by_logits += ent_coef * -probs * (np.log(probs) + entropy)  # ∂H/∂zₖ = -πₖ (log πₖ + H)
    closed = -np.einsum("tpbd,tpba,tpb->da", OBSERVATIONS, by_logits, STEP_MASK) / count
    (tape,) = tape_gradients(function, kernel)
    np.testing.assert_allclose(tape, closed, atol=1e-12)
    np.testing.assert_allclose(tape, central_differences(function, kernel), atol=1e-6)
    np.testing.assert_allclose(categorical_score(logits, actions), np.eye(4)[actions] - probs, atol=1e-12)


@pytest.mark.parametrize(("per_step", "count"), [(False, 3), (True, STEP_MASK.sum())])
def test_three_way_gradient_of_a_gaussian_policy(per_step, count):
    rng = np.random.default_rng(3)
    kernel, log_std, actions = rng.normal(size=(5, 2)), rng.normal(size=2) / 3, rng.normal(size=(4, 1, 3, 2))
    ent_coef = 0.3

    def function(kernel, log_std):
        mean = tf.constant(OBSERVATIONS) @ kernel
        entropies = gaussian_entropy(mean, log_std)
        return total_loss(gaussian_log_prob(mean, log_std, actions), entropies, per_step, ent_coef)

    mean, variance = OBSERVATIONS @ kernel, np.exp(2 * log_std)
    by_mean, by_log_std = (actions - mean) / variance, (actions - mean) ** 2 / variance - 1
    weight = STEP_WEIGHTS * STEP_MASK
    closed_kernel = -np.einsum("tpbd,tpba,tpb->da", OBSERVATIONS, by_mean, weight) / count
    closed_log_std = (
        -(np.einsum("tpba,tpb->a", by_log_std, weight) + ent_coef * STEP_MASK.sum()) / count
    )  # ∂H/∂log σ = 1
    tape = tape_gradients(function, kernel, log_std)
    np.testing.assert_allclose(tape[0], closed_kernel, atol=1e-12)
    np.testing.assert_allclose(tape[1], closed_log_std, atol=1e-12)
    np.testing.assert_allclose(tape[0], central_differences(lambda k: function(k, log_std), kernel), atol=1e-6)
    np.testing.assert_allclose(tape[1], central_differences(lambda s: function(kernel, s), log_std), atol=1e-6)
    scores = gaussian_score(tf.constant(mean), tf.constant(log_std), actions)
    np.testing.assert_allclose(scores[0], by_mean, atol=1e-12)
    np.testing.assert_allclose(scores[1], by_log_std, atol=1e-12)


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
        log_probs = categorical_log_prob(tf.gather(logits, states), actions) * mask
        mean = tf.reduce_sum(tf.exp(tf.reduce_sum(log_probs, axis=1)) * objective(rewards))
    return tf.convert_to_tensor(tape.gradient(mean, logits)).numpy()


def discounted(rewards: np.ndarray) -> np.ndarray:
    return rewards[:, 0] + GAMMA * rewards[:, 1]


def mean_estimate(unequal: bool, weights_of) -> np.ndarray:
    """The estimate of each possible batch, weighted by the probability of that batch."""
    states, actions, rewards, mask = batches(unequal)
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        log_probs = categorical_log_prob(tf.gather(logits, states), actions)
        probability = tf.exp(tf.reduce_sum(log_probs * mask, axis=(0, 2)))  # [P]
        weights = weights_of(tf.constant(rewards), tf.constant(mask), states)
        zero, scale = tf.constant(0.0, tf.float64), reduction_scale(tf.constant(mask), tf.constant(False))
        terms = policy_gradient_loss(log_probs, weights, tf.zeros_like(log_probs), tf.constant(mask), zero, scale)
        mean = tf.reduce_sum(tf.stop_gradient(probability) * terms.total)
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
