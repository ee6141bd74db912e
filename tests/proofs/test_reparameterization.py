"""Both estimates by hand, for single draws and for moments of the normal distribution."""

import math

import numpy as np
import pytest
import tensorflow as tf

from pg_core import proofs
from pg_core.proofs.reparameterization import CHANCES, NODES, by_path, by_score, check, moments, variances


def quadratic(a: tf.Tensor) -> tf.Tensor:
    return -((a - 3.0) ** 2)


def test_single_draws_by_hand():
    mean, s, e = 1.0, 2.0, NODES
    rewards = -((mean + s * e - 3) ** 2)
    score = by_score(mean, math.log(s), quadratic, baseline=-5.0)
    np.testing.assert_allclose(score, [(rewards + 5) * e / s, (rewards + 5) * (e**2 - 1)], atol=1e-9)
    path = by_path(mean, math.log(s), quadratic)
    slope = -2 * (mean + s * e - 3)
    np.testing.assert_allclose(path, [slope, slope * s * e], atol=1e-9)
    np.testing.assert_array_equal(by_path(mean, math.log(s), quadratic, through=False), np.zeros((2, len(e))))


def test_moments_by_hand():
    mean, variance = moments(np.stack([NODES, NODES**2]))
    np.testing.assert_allclose(mean, [0, 1], atol=1e-12)
    np.testing.assert_allclose(variance, [1, 2])
    np.testing.assert_allclose(CHANCES @ NODES**8, 105)


def test_variances_at_the_target():
    found = variances(np.array(0.0), np.array(2.0))  # m = 0, σ² = 4
    np.testing.assert_allclose(found["score"], [60, 74 * 16])
    np.testing.assert_allclose(found["score, b = J"], [40, 56 * 16])
    np.testing.assert_allclose(found["reparameterised"], [16, 8 * 16])


def test_as_the_policy_becomes_certain():
    found = variances(np.array(1.0), np.array(1e-3))
    assert found["score"][0] == pytest.approx(1e6, rel=1e-3)
    assert found["score, b = J"][0] == pytest.approx(8, rel=1e-3)
    assert found["reparameterised"][0] < 1e-5


@pytest.mark.parametrize("seed", [0, 15, 2**31 - 1])
def test_check_for_other_seeds(seed):
    assert proofs.run("reparameterization", seed=seed).passed


def test_wrong_claims_are_rejected_by_far():
    wrong = [row for row in check().comparisons if row.wrong]
    assert len(wrong) == 6
    assert all(row.difference > 0.05 for row in wrong)
