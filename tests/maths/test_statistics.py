"""Measures of a batch, of its gradient and of a population, by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from pg_core.maths import (
    Categorical,
    approx_kl,
    bootstrap_interval,
    explained_variance,
    gradient_norm,
    gradient_snr,
    interquartile_mean,
    masked_mean,
    running_moments,
)
from pg_core.policies.in_numpy import draw_choice

# Two agents of two episodes: [T, P, B] = [2, 2, 2]
MASK = tf.constant([[[1.0, 1], [1, 1]], [[1, 0], [1, 1]]], tf.float64)
RETURNS = tf.constant([[[4.0, 1], [2, 2]], [[1, 0], [2, 2]]], tf.float64)
JUNK = (1 - MASK) * 1e9


def test_masked_mean_by_hand():
    np.testing.assert_allclose(masked_mean(RETURNS, MASK), [(4 + 1 + 1) / 3, 2], rtol=1e-15)
    np.testing.assert_array_equal(masked_mean(RETURNS + JUNK, MASK), masked_mean(RETURNS, MASK))
    np.testing.assert_array_equal(masked_mean(RETURNS, tf.zeros_like(MASK)), [0, 0])


def test_masked_mean_of_equal_numbers_is_that_number_to_the_last_bit():
    for value in (0.1, -1 / 3, 198.7):
        constant = tf.fill([501, 1, 3], tf.constant(value, tf.float32))
        np.testing.assert_array_equal(masked_mean(constant, tf.ones_like(constant)), [np.float32(value)])


def test_running_moments_are_those_of_all_values_that_were_played():
    rng = np.random.default_rng(0)
    lengths = [[[5, 2, 7], [3, 3, 1]], [[1, 7, 7], [2, 6, 4]], [[4, 4, 4], [7, 1, 1]]]  # [updates, P, B]
    mean, variance, count = tf.fill([2, 1, 4], 9e9), tf.fill([2, 1, 4], 9e9), np.zeros(2, np.int64)
    mean, variance = tf.cast(mean, tf.float64), tf.cast(variance, tf.float64)
    seen = [[], []]
    for each in lengths:
        mask = (np.arange(7)[:, None, None] < each).astype(float)
        values = rng.normal(3, 2, (7, 2, 3, 4)) * [1, 10, 0.1, 0] + [0, 5, 0, 0.1]
        mean, variance = running_moments(mean, variance, tf.constant(count), tf.constant(values), tf.constant(mask))
        count = count + mask.sum(axis=(0, 2)).astype(int)
        for agent in range(2):
            seen[agent].append(values[:, agent][mask[:, agent] > 0])
            everything = np.concatenate(seen[agent])
            np.testing.assert_allclose(mean[agent, 0], everything.mean(axis=0), rtol=1e-12)
            np.testing.assert_allclose(variance[agent, 0], everything.var(axis=0), rtol=1e-12, atol=1e-30)
    np.testing.assert_array_equal(variance[..., 3], 0)  # a number that never changes has none, to the last bit


def test_masked_mean_shows_a_number_that_is_not_finite():
    for bad in (math.nan, math.inf, -math.inf):
        assert not np.isfinite(masked_mean(tf.constant([[[1.0, bad]]]), tf.ones([1, 1, 2])))


def test_explained_variance_by_hand():
    baseline = tf.constant([[[3.0, 1], [1, 3]], [[2, 0], [1, 3]]], tf.float64)
    total = ((4 - 2) ** 2 + (1 - 2) ** 2 + (1 - 2) ** 2) / 3
    left = ((4 - 3) ** 2 + (1 - 1) ** 2 + (1 - 2) ** 2) / 3  # errors 1, 0, -1 have mean 0
    result = explained_variance(baseline + JUNK, RETURNS - JUNK, MASK).numpy()
    assert result[0] == pytest.approx(1 - left / total)
    assert math.isnan(result[1])  # all returns are 2: there is nothing to explain


def test_explained_variance_of_a_perfect_a_constant_and_a_harmful_baseline():
    returns = tf.constant(np.random.default_rng(0).normal(size=(5, 1, 3)))
    mask = tf.ones_like(returns)
    np.testing.assert_allclose(explained_variance(returns, returns, mask), [1], rtol=1e-15)
    np.testing.assert_allclose(explained_variance(returns + 5, returns, mask), [1], rtol=1e-12)
    np.testing.assert_allclose(
        explained_variance(tf.fill([5, 1, 3], tf.constant(9.0, tf.float64)), returns, mask), [0], atol=1e-14
    )
    np.testing.assert_allclose(explained_variance(-returns, returns, mask), [1 - 2**2], rtol=1e-12)


@pytest.mark.parametrize("value", [0.1, 198.7])
def test_explained_variance_of_equal_float32_returns_is_undefined(value):
    returns = tf.fill([501, 1, 3], tf.constant(value, tf.float32))
    assert np.isnan(explained_variance(tf.zeros_like(returns), returns, tf.ones_like(returns)))


def test_approx_kl_by_hand():
    log_probs = tf.math.log(tf.constant([[[0.5, 0.2]]], tf.float64))
    new_log_probs = tf.math.log(tf.constant([[[0.25, 0.3]]], tf.float64))
    expected = ((0.5 - 1 - math.log(0.5)) + (1.5 - 1 - math.log(1.5))) / 2
    np.testing.assert_allclose(approx_kl(log_probs, new_log_probs, tf.ones_like(log_probs)), [expected], rtol=1e-14)


def test_approx_kl_is_zero_for_the_same_policy_and_never_negative():
    rng = np.random.default_rng(1)
    log_probs, others = -tf.constant(rng.random((6, 4, 3))), -tf.constant(rng.random((6, 4, 3)))
    mask = tf.constant((rng.random((6, 4, 3)) < 0.5).astype(float))
    np.testing.assert_array_equal(approx_kl(log_probs, log_probs, mask), np.zeros(4))
    assert (approx_kl(log_probs, others, mask).numpy() > 0).all()
    junk = (1 - mask) * 100
    np.testing.assert_array_equal(approx_kl(log_probs + junk, others, mask), approx_kl(log_probs, others, mask))


def test_approx_kl_of_many_samples_is_near_the_exact_one():
    old, new = tf.constant([0.4, -0.2, 1.0], tf.float64), tf.constant([0.1, 0.2, 0.9], tf.float64)
    exact = tf.reduce_sum(tf.nn.softmax(old) * (tf.nn.log_softmax(old) - tf.nn.log_softmax(new)))
    uniform = tf.constant(np.random.default_rng(2).random((40_000, 1, 1)))
    shape = [*uniform.shape, 3]
    actions = draw_choice(np.broadcast_to(old, shape), uniform.numpy())
    log_probs, new_log_probs = (Categorical(tf.broadcast_to(z, shape)).log_prob(actions) for z in (old, new))
    np.testing.assert_allclose(approx_kl(log_probs, new_log_probs, tf.ones_like(uniform)), [exact], rtol=0.03)


def test_gradient_norm_by_hand_over_all_parameters_of_each_agent():
    kernel = tf.constant([[[1.0, 2.0]], [[0.0, 0.0]]], tf.float64)  # [P, 1, 2]
    bias = tf.constant([[-2.0], [5.0]], tf.float64)  # [P, 1]
    np.testing.assert_allclose(gradient_norm([kernel, bias]), [math.sqrt(1 + 4 + 4), 5], rtol=1e-15)


def test_gradient_snr_by_hand():
    # Agent 0 has per-episode gradients (1, 2), (3, 2), (5, 2): mean (3, 2), sample variances 4 and 0.
    first = tf.constant([[[1.0], [3.0], [5.0]]], tf.float64)  # [P, B, 1]
    second = tf.constant([[[2.0], [2.0], [2.0]]], tf.float64)
    expected = math.sqrt(3**2 + 2**2) / math.sqrt((4 + 0) / 3)
    np.testing.assert_allclose(gradient_snr([first, second]), [expected], rtol=1e-14)


def test_gradient_snr_of_pure_noise_is_about_one():
    noise = tf.constant(np.random.default_rng(3).normal(size=(1, 8, 20_000)))
    np.testing.assert_allclose(gradient_snr([noise]), [1], atol=0.03)


@pytest.mark.parametrize(
    "gradients", [tf.ones([1, 1, 4]), tf.ones([1, 2, 4]), tf.zeros([1, 3, 4])], ids=["one episode", "equal", "zero"]
)
def test_gradient_snr_without_noise_is_undefined(gradients):
    assert np.isnan(gradient_snr([gradients]))


@pytest.mark.parametrize(
    ("scores", "middle"),
    [
        ([3.0], [3]),
        ([5.0, 1.0], [1, 5]),
        ([9.0, 1.0, 2.0], [1, 2, 9]),
        ([9.0, 2.0, 4.0, -50.0], [2, 4]),
        ([7.0, 900.0, 3.0, 2.0, -90.0], [2, 3, 7]),
        ([8.0, 1, 7, 2, 6, 3, 5, 4], [3, 4, 5, 6]),
    ],
)
def test_interquartile_mean_by_hand(scores, middle):
    np.testing.assert_allclose(interquartile_mean(tf.constant(scores, tf.float64)), np.mean(middle), rtol=1e-15)


def test_interquartile_mean_over_the_last_axis():
    scores = tf.constant(np.random.default_rng(4).normal(size=(3, 9)))
    together = interquartile_mean(scores)
    np.testing.assert_allclose(together, [interquartile_mean(row) for row in scores], rtol=1e-14)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 16])
def test_bootstrap_interval_holds_the_interquartile_mean_and_repeats_itself(count):
    scores = tf.constant(np.random.default_rng(count).normal(100, 20, count), tf.float32)
    low, high = bootstrap_interval(scores)
    assert tf.reduce_min(scores) <= low <= interquartile_mean(scores) <= high <= tf.reduce_max(scores)
    assert low < high
    assert bootstrap_interval(scores) == (low, high)


def test_bootstrap_interval_of_one_seed_is_a_point():
    assert bootstrap_interval(tf.constant([12.5])) == (12.5, 12.5)


def test_bootstrap_interval_grows_with_confidence_and_shrinks_with_seeds():
    scores = tf.constant(np.random.default_rng(5).normal(size=64))
    widths = [high - low for low, high in (bootstrap_interval(scores, c) for c in (0.5, 0.95, 0.99))]
    assert widths[0] < widths[1] < widths[2]
    few = bootstrap_interval(scores[:8])
    assert widths[1] < few[1] - few[0]


def test_bootstrap_interval_agrees_with_the_normal_one_for_many_seeds():
    scores = np.random.default_rng(6).normal(size=400)
    low, high = bootstrap_interval(tf.constant(scores), num_resamples=4000)
    middle = np.sort(scores)[100:300]
    # Winsorised variance: the standard error of a trimmed mean (Tukey & McLaughlin 1963).
    winsorised = np.clip(scores, middle[0], middle[-1])
    error = winsorised.std(ddof=1) / (0.5 * math.sqrt(400))
    np.testing.assert_allclose(high - low, 2 * 1.96 * error, rtol=0.15)
