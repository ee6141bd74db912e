"""Softmax and Gaussian against formulas written out, at extremes, and by counting samples."""

import math

import numpy as np
import pytest
import tensorflow as tf

from pg_core.maths import Bernoulli, Categorical, Gaussian, Product
from pg_core.policies.in_numpy import draw_choice, draw_vector

BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


def drawn(logits: tf.Tensor, uniform: tf.Tensor) -> np.ndarray:
    return draw_choice(np.asarray(logits), np.asarray(uniform))


def test_softmax_log_probabilities_by_hand():
    logits = tf.constant([math.log(1), math.log(2), math.log(5)], tf.float64)
    for action, probability in enumerate([1 / 8, 2 / 8, 5 / 8]):
        np.testing.assert_allclose(Categorical(logits).log_prob(action), math.log(probability), rtol=1e-14)


def test_softmax_probabilities_sum_to_one_and_ignore_a_common_shift():
    logits = tf.constant(np.random.default_rng(0).normal(size=(6, 3, 4)))
    every_action = tf.stack([Categorical(logits).log_prob(tf.fill([6, 3], a)) for a in range(4)], axis=-1)
    np.testing.assert_allclose(tf.reduce_sum(tf.exp(every_action), axis=-1), np.ones((6, 3)), rtol=1e-14)
    shifted = Categorical(logits + 123.0).log_prob(tf.zeros([6, 3], tf.int32))
    np.testing.assert_allclose(shifted, every_action[..., 0], atol=1e-12)


def test_softmax_entropy_by_hand_and_its_bounds():
    skewed = tf.constant([math.log(0.25), math.log(0.75)], tf.float64)
    expected = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    np.testing.assert_allclose(Categorical(skewed).entropy(), expected, rtol=1e-14)
    np.testing.assert_allclose(Categorical(tf.zeros(7, tf.float64)).entropy(), math.log(7), rtol=1e-14)
    np.testing.assert_array_equal(Categorical(tf.constant([1000.0, -1000.0])).entropy(), 0)


def test_softmax_scores_have_mean_zero_by_enumeration():
    logits = tf.constant(np.random.default_rng(1).normal(size=(5, 4)))
    scores = tf.stack([Categorical(logits).score(tf.fill([5], a)) for a in range(4)], axis=1)  # [5, actions, A]
    mean = tf.einsum("na,nak->nk", tf.nn.softmax(logits), scores)
    np.testing.assert_allclose(mean, np.zeros((5, 4)), atol=1e-15)
    np.testing.assert_allclose(tf.reduce_sum(scores, axis=-1), np.zeros((5, 4)), atol=1e-15)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_logits_of_a_thousand_stay_finite(dtype):
    logits = tf.Variable([1000.0, -1000.0, 0.0], dtype=dtype)
    with tf.GradientTape(persistent=True) as tape:
        log_probs = [Categorical(logits).log_prob(action) for action in range(3)]
        entropy = Categorical(logits).entropy()
    np.testing.assert_array_equal(log_probs, [0.0, -2000.0, -1000.0])
    np.testing.assert_array_equal(entropy, 0.0)
    np.testing.assert_array_equal(tape.gradient(log_probs[1], logits), [-1.0, 1.0, 0.0])  # one_hot(1) - π
    np.testing.assert_array_equal(Categorical(logits).score(1), [-1.0, 1.0, 0.0])
    assert np.isfinite(tape.gradient(entropy, logits)).all()
    np.testing.assert_array_equal(drawn(logits, tf.constant([0.0, 0.5, BELOW_ONE], dtype)[:, None]), [[0]] * 3)


def test_two_actions_are_a_softmax_of_their_log_odds():
    logits = np.random.default_rng(6).normal(scale=5, size=(200, 2))
    log_odds = tf.constant(logits[:, 1] - logits[:, 0])
    for action in (0, 1):
        actions = tf.fill([200], action)
        ours = Bernoulli(log_odds[..., None]).log_prob(actions)
        np.testing.assert_allclose(ours, Categorical(tf.constant(logits)).log_prob(actions), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        Bernoulli(log_odds[..., None]).entropy(), Categorical(tf.constant(logits)).entropy(), atol=1e-12
    )
    np.testing.assert_allclose(Bernoulli(tf.constant(math.log(3.0))[..., None]).log_prob(1), math.log(0.75), rtol=1e-6)
    np.testing.assert_allclose(Bernoulli(tf.constant(0.0)[..., None]).entropy(), math.log(2), rtol=1e-6)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_log_odds_of_a_thousand_stay_finite(dtype):
    log_odds = tf.Variable([1000.0, -1000.0], dtype=dtype)
    with tf.GradientTape(persistent=True) as tape:
        log_probs, entropy = (
            Bernoulli(log_odds[..., None]).log_prob(tf.constant([0, 0])),
            Bernoulli(log_odds[..., None]).entropy(),
        )
    np.testing.assert_array_equal(log_probs, [-1000.0, 0.0])
    np.testing.assert_array_equal(entropy, [0.0, 0.0])
    np.testing.assert_array_equal(tape.gradient(log_probs, log_odds), [-1.0, 0.0])  # a - π(1)
    np.testing.assert_array_equal(tape.gradient(entropy, log_odds), [0.0, 0.0])


def test_a_single_action_is_certain():
    logits = tf.constant([[3.7], [-1000.0]])
    actions = tf.zeros(2, tf.int32)
    np.testing.assert_array_equal(Categorical(logits).log_prob(actions), [0, 0])
    np.testing.assert_array_equal(Categorical(logits).entropy(), [0, 0])
    np.testing.assert_array_equal(Categorical(logits).score(actions), [[0], [0]])
    np.testing.assert_array_equal(drawn(logits, tf.constant([0.0, BELOW_ONE])), [0, 0])


def test_samples_invert_the_distribution_function_at_its_steps():
    logits = tf.math.log(tf.constant([0.25, 0.5, 0.25], tf.float64))
    uniform = tf.constant([0.0, 0.2499, 0.2501, 0.7499, 0.7501, float(BELOW_ONE)], tf.float64)
    np.testing.assert_array_equal(drawn(tf.tile(logits[None], [6, 1]), uniform), [0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize("uniform", [0.0, 0.3, BELOW_ONE])
def test_samples_of_many_actions_stay_in_range_whatever_rounding_makes_of_their_sum(uniform):
    logits = tf.constant(np.random.default_rng(2).normal(size=(50, 1000)), tf.float32)
    actions = drawn(logits, tf.fill([50], np.float32(uniform)))
    assert actions.dtype == np.int32
    assert actions.min() >= 0
    assert actions.max() <= 999


def test_noise_zero_never_takes_an_impossible_first_action():
    assert drawn(tf.constant([-1000.0, 0.0, 0.0]), tf.constant(0.0)) == 1


def test_sample_frequencies_are_the_probabilities():
    logits = tf.constant([1.0, -0.5, 0.3, 2.0], tf.float64)
    count = 40_000
    uniform = np.random.default_rng(3).random(count)
    actions = drawn(tf.tile(logits[None], [count, 1]), tf.constant(uniform))
    frequencies = np.bincount(actions, minlength=4) / count
    probabilities = tf.nn.softmax(logits).numpy()
    four_deviations = 4 * np.sqrt(probabilities * (1 - probabilities) / count)
    assert (np.abs(frequencies - probabilities) < four_deviations).all()


def test_several_choices_by_hand():
    logits = tf.constant([[math.log(1), math.log(3), math.log(1), math.log(1), math.log(2)]], tf.float64)
    pi = Product(logits, (2, 3))
    np.testing.assert_allclose(pi.log_prob(tf.constant([[1, 2]])), [math.log(3 / 4) + math.log(2 / 4)], rtol=1e-14)
    np.testing.assert_allclose(pi.score(tf.constant([[1, 2]])), [[-1 / 4, 1 - 3 / 4, -1 / 4, -1 / 4, 1 - 2 / 4]])
    first = -(math.log(1 / 4) / 4 + 3 * math.log(3 / 4) / 4)
    np.testing.assert_allclose(pi.entropy(), [first + 2 * math.log(4) / 4 + math.log(2) / 2], rtol=1e-14)
    single, alone = Product(logits[:, 2:], (3,)), Categorical(logits[:, 2:])
    for ours, theirs in (
        (single.score(tf.constant([[1]])), alone.score([1])),
        (single.entropy_gradient(), alone.entropy_gradient()),
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_gaussian_log_probability_by_hand():
    mean, std, action = [1.0, -2.0], [0.5, 3.0], [1.4, 1.0]
    density = math.prod(
        math.exp(-((a - m) ** 2) / (2 * s**2)) / math.sqrt(2 * math.pi * s**2)
        for a, m, s in zip(action, mean, std, strict=True)
    )
    tensors = [tf.constant(x, tf.float64) for x in (mean, np.log(std), action)]
    np.testing.assert_allclose(Gaussian.of(*tensors[:2]).log_prob(tensors[2]), math.log(density), rtol=1e-14)


def test_gaussian_log_probability_far_away_stays_finite():
    far = Gaussian.of(tf.constant([0.0]), tf.constant([0.0])).log_prob(tf.constant([1000.0]))
    np.testing.assert_allclose(far, -0.5 * 1000.0**2, rtol=1e-5)


def test_gaussian_entropy_by_hand_is_the_same_for_every_mean():
    log_std = tf.constant([0.3, -2.0], tf.float64)
    one = [0.5 * math.log(2 * math.pi * math.e * math.exp(2 * s)) for s in (0.3, -2.0)]
    mean = tf.constant(np.random.default_rng(4).normal(size=(3, 2)))
    np.testing.assert_allclose(Gaussian.of(mean, log_std).entropy(), [sum(one)] * 3, rtol=1e-13)


def test_gaussian_density_integrates_to_one_its_scores_to_zero_and_its_surprise_to_the_entropy():
    mean, log_std = tf.constant([0.4], tf.float64), tf.constant([-0.3], tf.float64)
    grid, step = np.linspace(-12, 12, 20_001, retstep=True)
    actions = tf.constant(grid[:, None])
    means = tf.broadcast_to(mean, actions.shape)
    log_prob = Gaussian.of(means, log_std).log_prob(actions).numpy()
    density = np.exp(log_prob) * step
    assert density.sum() == pytest.approx(1, abs=1e-10)
    assert -(density * log_prob).sum() == pytest.approx(Gaussian.of(mean, log_std).entropy().numpy(), abs=1e-10)
    for score in tf.split(Gaussian.of(means, log_std).score(actions), 2, axis=-1):
        assert density @ score.numpy()[:, 0] == pytest.approx(0, abs=1e-10)


def test_gaussian_samples_are_mean_plus_deviation_times_noise():
    sample = draw_vector(tf.constant([1.0, 2.0]), tf.math.log([0.5, 3.0]), tf.constant([[2.0, -1.0], [0.0, 0.0]]))
    np.testing.assert_allclose(sample, [[1 + 0.5 * 2, 2 - 3.0], [1, 2]], rtol=1e-6)
