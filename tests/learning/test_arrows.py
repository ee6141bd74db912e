"""The gradients of episodes as arrows, against NumPy's decomposition of gradients by a tape for every step."""

import numpy as np
import pytest
import tensorflow as tf

from pg_core.learning.arrows import arrows
from tests.learning.test_dissection import gradient_of_each_step, taken_apart

KINDS = {
    "two actions": {},
    "normalised, mean over steps": {"normalize_advantages": True, "reduction": "step"},
    "discounted, with a bonus": {"gamma": 0.9, "gamma_t": True, "ent_coef": 0.3},
    "whole returns": {"weights": "episode_return", "gamma": 0.9, "gamma_t": True},
    "a vector": {"env_id": "Pendulum-v1"},
}


def plain_of(config, played):
    """Rewards-to-go, or the episode's return, times γᵗ where that is to be: nothing is taken off."""
    rewards, mask = played.rewards.numpy()[:, 0].astype(np.float64), played.mask.numpy()[:, 0]
    discounts = config.gamma ** np.arange(len(rewards))[:, None]
    if config.weights == "episode_return":
        return np.sum(discounts * rewards, axis=0) * mask
    returns = np.array([(discounts[: len(rewards) - t] * rewards[t:]).sum(axis=0) for t in range(len(rewards))])
    return returns * (discounts if config.gamma_t else 1) * mask


def same_arrows(found, each):
    """Lengths, angles between arrows and the mean are those of the first two columns of U S, however it is turned."""
    flat = each.sum(axis=0) * each.shape[1]  # B gᵦ
    u, s, _ = np.linalg.svd(flat, full_matrices=False)
    plane = (u * s)[:, :2]
    scale = np.abs(flat @ flat.T).max()
    np.testing.assert_allclose(found.episodes @ found.episodes.T, plane @ plane.T, atol=1e-4 * scale)
    np.testing.assert_allclose(found.share, (s[:2] ** 2).sum() / (s**2).sum(), rtol=1e-4)
    np.testing.assert_allclose(found.gradient, [np.linalg.norm(plane.mean(axis=0)), 0], atol=1e-4 * scale**0.5)
    mean, spread = flat.mean(axis=0), np.trace(np.atleast_2d(np.cov(flat.T)))
    np.testing.assert_allclose(found.snr, np.linalg.norm(mean) / np.sqrt(spread / len(flat)), rtol=1e-3)


@pytest.mark.parametrize("values", KINDS.values(), ids=KINDS)
def test_the_arrows_are_those_of_the_episodes_own_gradients(values):
    config, before, played, _, metrics, _, apart = taken_apart(**values)
    own, without = apart.arrows
    same_arrows(own, gradient_of_each_step(config, before, played, apart))
    np.testing.assert_allclose(own.snr, metrics.grad_snr[0], rtol=1e-4)
    plain = apart._replace(weights=plain_of(config, played))
    same_arrows(without, gradient_of_each_step(config, before, played, plain))


def test_a_run_that_has_no_baseline_has_the_same_arrows_twice():
    *_, apart = taken_apart(baseline="none")
    own, without = apart.arrows
    np.testing.assert_array_equal(own.episodes, without.episodes)
    assert own[2:] == without[2:]


def of(*gradients):
    """Arrows of episodes whose gradients, B gᵦ, are given; the code that trains differentiates a loss."""
    return arrows({"kernel_0": tf.constant([gradients], tf.float64) / -len(gradients)})


def test_two_that_cancel_across_their_mean_are_drawn_as_they_are():
    found = of([3, 4, 0], [3, -4, 0])  # their mean is (3, 0, 0), and nothing is outside the plane
    np.testing.assert_allclose(np.abs(found.episodes), [[3, 4], [3, 4]], atol=1e-12)
    np.testing.assert_allclose(found.episodes.mean(axis=0), [3, 0], atol=1e-12)
    assert found.share == pytest.approx(1)
    # ‖ḡ‖ = 3, tr Σ̂ = 4² + 4² = 32, of the mean of two 16
    assert found.snr == pytest.approx(3 / 4)


def test_of_three_at_right_angles_the_plane_has_the_two_longest():
    found = of([2, 0, 0], [0, 2, 0], [0, 0, 1])
    assert found.share == pytest.approx(8 / 9)
    lengths = np.linalg.norm(found.episodes, axis=1)
    np.testing.assert_allclose(lengths, [2, 2, 0], atol=1e-12)


def test_one_episode_spans_no_plane_and_what_is_nothing_has_no_direction():
    one = of([0, -5])
    np.testing.assert_allclose(one.episodes, [[5, 0]], atol=1e-12)
    assert one.share == pytest.approx(1) and np.isnan(one.snr)
    nothing = of([0, 0], [0, 0], [0, 0])
    assert not nothing.episodes.any() and np.isnan(nothing.share) and np.isnan(nothing.snr)
