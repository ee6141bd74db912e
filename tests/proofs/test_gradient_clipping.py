"""Limits by hand, and the bandit of the text, whose norms are those of two logits and two biases."""

import numpy as np
import pytest

from pg_core.config import HYPERPARAMETERS
from pg_core.proofs import mdp
from pg_core.proofs.gradient_clipping import (
    BANDIT,
    MOSTLY_0,
    SLOPE,
    bandit_mean,
    check,
    excess,
    limited,
    norms,
    with_bias,
)

STEPS = np.array([[[3.0, 4.0]], [[0.3, 0.4]], [[0.0, 0.0]]])  # of length 5, ½ and 0


def test_a_limit_by_hand():
    np.testing.assert_allclose(norms(STEPS), [5, 0.5, 0])
    np.testing.assert_allclose(limited(STEPS, 1.0), [[[0.6, 0.8]], [[0.3, 0.4]], [[0, 0]]])
    np.testing.assert_array_equal(limited(STEPS, 5.0), STEPS)


def test_the_bias_gets_what_all_states_get():
    np.testing.assert_array_equal(with_bias([[1.0, -1], [2, -2]]), [[1, -1], [2, -2], [3, -3]])


def test_a_bound_that_is_kept_exceeds_nothing():
    assert excess(1.0, 2.0) == excess(2.0, 2.0) == 0
    assert excess(3.0, 2.0) == pytest.approx(1 / 3)


def test_the_bandit_by_hand():
    estimates = with_bias(mdp.estimates(MOSTLY_0, mdp.every_batch(BANDIT, 1), np.array([[[1.0], [2.0]]])))
    by_action = sorted(estimates[:, 0, 0])
    np.testing.assert_allclose(by_action, [-3 / 2, 1 / 4])
    np.testing.assert_allclose(sorted(norms(estimates)), [1 / 2, 3])
    assert bandit_mean(3.0) == pytest.approx(SLOPE) == -3 / 16
    assert bandit_mean(2 * 1 / 4) == pytest.approx(1 / 2 * 1 / 4)  # c = ¼ of one number
    assert bandit_mean(2 * 3 / 4) == pytest.approx(0)


def test_the_control_leads_here():
    assert HYPERPARAMETERS["max_grad_norm"].statement == "gradient_clipping"


@pytest.mark.parametrize("gamma", [0.0, 1e-12, 1.0])
@pytest.mark.parametrize(("horizon", "states"), [(1, 1), (1, 3), (4, 1), (3, 2)])
def test_check_at_extremes(gamma, horizon, states):
    assert check(gamma, horizon, states).passed


def test_wrong_claims_are_rejected():
    wrong = [row for row in check().comparisons if row.wrong]
    assert len(wrong) == 4
    assert all(row.difference > 1e-5 for row in wrong)
