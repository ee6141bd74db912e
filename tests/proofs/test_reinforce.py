"""A bandit of two actions with π = (1/4, 3/4), rewards 1 and 2: ∂J/∂z₁ = ¼ · ¾ · (2 - 1)."""

import numpy as np
import pytest

from pg_core.proofs import mdp
from pg_core.proofs.mdp import Mdp
from pg_core.proofs.reinforce import check, gaussian_estimate, probability_gradients, whole_returns

THETA = np.log([[0.25, 0.75]])
# Action 0 always stays, action 1 always ends: with two steps there are (1), (0, 0) and (0, 1).
PROCESS = Mdp(np.ones(1), np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.array([[1.0, 2.0]]))


def test_returns_and_gradients_of_probabilities_by_hand():
    batches = mdp.every_batch(PROCESS, 2)
    order = np.lexsort((batches.actions[1, :, 0], -batches.actions[0, :, 0]))  # (1), (0, 0), (0, 1)
    returns = whole_returns(batches, 0.5)[:, order, 0]
    np.testing.assert_allclose(returns, [[2, 1 + 0.5 * 1, 1 + 0.5 * 2], [0, 1.5, 2]])
    gradients = probability_gradients(THETA, batches)[order, 0, 1]
    slope = 0.25 * 0.75  # of π(1), and minus that of π(0)
    np.testing.assert_allclose(gradients, [slope, -2 * 0.25 * slope, -slope * 0.75 + 0.25 * slope])


def test_one_step_by_hand():
    right = {row.claim: row for row in check(0.9, 1, 1, 0).comparisons}["E[G₀ Σₜ ∇log π(aₜ|sₜ)] = ∇J"]
    process, theta = mdp.random_mdp(1, 0), mdp.random_policy(1, 0)[0]
    chance = 1 / (1 + np.exp(theta[0] - theta[1]))
    slope = chance * (1 - chance) * (process.rewards[0, 1] - process.rewards[0, 0])
    np.testing.assert_allclose(right.left, [-slope, slope])


def test_gaussian_step_by_hand():
    # J = -((μ - c)² + σ²) with μ = 1, c = 3, σ = 2.
    found = gaussian_estimate(np.ones(1), np.log([2.0]), 3.0)
    np.testing.assert_allclose(found, [[-2 * (1 - 3)], [-2 * 4]])


@pytest.mark.parametrize("gamma", [0.0, 1.0])
@pytest.mark.parametrize(("horizon", "states"), [(1, 1), (1, 3), (4, 1), (3, 3)])
def test_check_at_extremes(gamma, horizon, states):
    assert check(gamma, horizon, states).passed


@pytest.mark.parametrize(("gamma", "horizon"), [(0.0, 3), (1.0, 3), (0.5, 1)])
def test_discounting_twice_is_right_where_powers_are_their_own_squares(gamma, horizon):
    (twice,) = (row for row in check(gamma, horizon).comparisons if "twice" in row.claim)
    assert not twice.wrong
    assert twice.agrees


def test_wrong_estimators_are_rejected_by_far():
    rows = {row.claim: row for row in check().comparisons}
    descent, halved = rows["descent: the sign of a loss"], rows["two episodes: the mean return times the mean score"]
    np.testing.assert_allclose(descent.left, -np.array(descent.right))
    np.testing.assert_allclose(halved.left, np.array(halved.right) / 2)
    assert [row.claim for row in rows.values() if row.wrong and row.difference > 0.01] == [
        "descent: the sign of a loss",
        "∇π in place of ∇log π",
        "γᵗ G₀: discounted twice",
        "two episodes: the mean return times the mean score",
    ]
