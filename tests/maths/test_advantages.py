"""Baselines and normalisation by hand, on episodes of unequal length.

One agent's three episodes, with their returns-to-go; a dot is a row after the end:

    episode 0   t=0: 6   t=1: 3   t=2: 1
    episode 1   t=0: 4   t=1: 2   .
    episode 2   t=0: 5   .        .
"""

import numpy as np
import pytest
import tensorflow as tf

from pg_core.maths import batch_mean, leave_one_out, normalize, step_mean

RETURNS = tf.constant([[[6.0, 4, 5]], [[3, 2, 0]], [[1, 0, 0]]], tf.float64)  # [T, P, B] = [3, 1, 3]
MASK = tf.constant([[[1.0, 1, 1]], [[1, 1, 0]], [[1, 0, 0]]], tf.float64)
BASELINES = (batch_mean, step_mean, leave_one_out)


def played(baseline: tf.Tensor) -> np.ndarray:
    """What a baseline says on played steps; elsewhere it has no meaning."""
    return (baseline * MASK).numpy()[:, 0]


def test_batch_mean_by_hand():
    mean = (6 + 4 + 5 + 3 + 2 + 1) / 6
    np.testing.assert_allclose(played(batch_mean(RETURNS, MASK)), mean * MASK[:, 0], rtol=1e-15)


def test_step_mean_by_hand():
    expected = [[(6 + 4 + 5) / 3] * 3, [(3 + 2) / 2, (3 + 2) / 2, 0], [1, 0, 0]]
    np.testing.assert_allclose(played(step_mean(RETURNS, MASK)), expected, rtol=1e-15)


def test_leave_one_out_by_hand_and_the_lone_survivor_has_none():
    expected = [[(4 + 5) / 2, (6 + 5) / 2, (6 + 4) / 2], [2, 3, 0], [0, 0, 0]]
    np.testing.assert_allclose(played(leave_one_out(RETURNS, MASK)), expected, rtol=1e-15)


def test_leave_one_out_of_a_single_episode_is_zero():
    np.testing.assert_array_equal(leave_one_out(RETURNS[..., :1], MASK[..., :1]), np.zeros((3, 1, 1)))


def test_leave_one_out_advantage_is_the_step_mean_advantage_stretched():
    returns = tf.constant(np.random.default_rng(0).normal(size=(7, 2, 5)))
    mask = tf.ones_like(returns)
    stretched = (returns - step_mean(returns, mask)) * 5 / (5 - 1)
    np.testing.assert_allclose(returns - leave_one_out(returns, mask), stretched, atol=1e-14)


@pytest.mark.parametrize("baseline", BASELINES)
def test_agents_do_not_mix(baseline):
    rng = np.random.default_rng(1)
    returns = tf.constant(rng.normal(size=(6, 3, 4)))
    mask = tf.constant((rng.random((6, 3, 4)) < 0.7).astype(float))
    together = baseline(returns, mask)
    for agent in range(3):
        alone = baseline(returns[:, agent : agent + 1], mask[:, agent : agent + 1])
        np.testing.assert_allclose(together[:, agent : agent + 1], alone, atol=1e-14)


@pytest.mark.parametrize("function", [*BASELINES, normalize])
def test_rows_after_the_end_never_matter(function):
    junk = RETURNS + (1 - MASK) * 1e6
    np.testing.assert_array_equal(played(function(junk, MASK)), played(function(RETURNS, MASK)))


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("value", [1 / 3, -198.7, 1e-3])
def test_equal_returns_leave_an_advantage_of_exactly_zero(baseline, value):
    """Rounding errors must not be left: normalisation would blow them up to noise of unit size."""
    returns = tf.fill([500, 1, 4], tf.constant(value, tf.float32)) * tf.range(500.0, 0, -1)[:, None, None]
    if baseline is batch_mean:
        returns = tf.fill([500, 1, 4], tf.constant(value, tf.float32))
    mask = tf.ones_like(returns)
    advantages = returns - baseline(returns, mask)
    np.testing.assert_array_equal(advantages, tf.zeros_like(returns))
    np.testing.assert_array_equal(normalize(advantages, mask), tf.zeros_like(returns))


def test_normalize_by_hand_with_the_standard_deviation_of_the_population():
    values = np.array([6.0, 4, 5, 3, 2, 1])
    mean = 21 / 6
    std = np.sqrt(sum((v - mean) ** 2 for v in values) / 6)  # ddof 0
    expected = np.where(MASK > 0, (RETURNS - mean) / (std + 1e-8), 0)
    np.testing.assert_allclose(normalize(RETURNS, MASK), expected, rtol=1e-14)


def test_normalized_advantages_have_mean_zero_and_deviation_one():
    rng = np.random.default_rng(2)
    mask = (rng.random((20, 3, 5)) < 0.6).astype(float)
    result = normalize(tf.constant(rng.normal(100, 7, (20, 3, 5))), tf.constant(mask)).numpy()
    for agent in range(3):
        steps = result[:, agent][mask[:, agent] > 0]
        assert abs(steps.mean()) < 1e-12
        assert steps.std() == pytest.approx(1, abs=1e-8)
    np.testing.assert_array_equal(result[mask == 0], 0)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@pytest.mark.parametrize("constant", [0.1, 99.3, -200.7, 1e6])
def test_constant_advantages_become_zero(constant, dtype):
    result = normalize(tf.fill([501, 1, 3], tf.constant(constant, dtype)), tf.ones([501, 1, 3], dtype))
    np.testing.assert_array_equal(result, np.zeros((501, 1, 3)))


def test_a_single_step_becomes_zero():
    np.testing.assert_array_equal(normalize(tf.constant([[[7.3]]]), tf.constant([[[1.0]]])), [[[0.0]]])


def test_no_played_step_gives_zeros():
    for function in (*BASELINES, normalize):
        np.testing.assert_array_equal(function(RETURNS, tf.zeros_like(MASK)), tf.zeros_like(RETURNS))
