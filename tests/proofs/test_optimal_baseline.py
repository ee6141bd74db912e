"""One state, one step, π = (1/4, 3/4), rewards 2 and 6: scores (3/4, -3/4) and (-1/4, 1/4)."""

import numpy as np
import pytest

from pg_core.proofs import mdp
from pg_core.proofs.mdp import Mdp
from pg_core.proofs.optimal_baseline import (
    check,
    drawn_rewards,
    optimal_constant,
    optimal_table,
    squared_scores,
    squared_step_scores,
    swapped_mean,
)
from pg_core.proofs.verdicts import Check

THETA = np.log([[0.25, 0.75]])
PROCESS = Mdp(np.ones(1), np.array([[[0.0, 1.0], [0.0, 1.0]]]), np.array([[2.0, 6.0]]))
BATCHES = mdp.every_batch(PROCESS, 1)
BEST = 0.75 * 2 + 0.25 * 6  # the mean with the probabilities exchanged; the mean return itself is 5


@pytest.fixture(scope="module")
def default() -> Check:
    return check()


def test_squared_scores_by_hand():
    np.testing.assert_allclose(squared_scores(THETA, BATCHES), [2 * 0.75**2, 2 * 0.25**2])
    mean = 0.25 * 2 * 0.75**2 + 0.75 * 2 * 0.25**2
    np.testing.assert_allclose(squared_step_scores(THETA, BATCHES), [[mean]])


def test_optimal_baselines_by_hand():
    assert float(optimal_constant(THETA, BATCHES, 0.9)) == pytest.approx(BEST)
    np.testing.assert_allclose(optimal_table(THETA, BATCHES, 0.9), [[BEST]])
    np.testing.assert_allclose(swapped_mean(PROCESS, THETA, 0.9, 1), [[BEST]])


def test_variance_by_hand():
    gradient = 0.25 * 0.75 * (2 - 6)  # of the first logit; minus that of the second
    square = 0.25 * (2 * 0.75) ** 2 * 2 + 0.75 * (6 * 0.25) ** 2 * 2
    for weights, variance in [(BATCHES.rewards, square - 2 * gradient**2), (BATCHES.rewards - BEST, 0.0)]:
        estimates = mdp.estimates(THETA, BATCHES, weights)
        assert float(mdp.total_variance(THETA, BATCHES, estimates)) == pytest.approx(variance, abs=1e-15)


def test_the_spread_of_drawn_rewards_is_left():
    squares = 0.25 * 2 * 0.75**2 + 0.75 * 2 * 0.25**2
    assert float(drawn_rewards(THETA, BATCHES, np.array(BEST), 2.0)) == pytest.approx(2**2 * squares)


@pytest.mark.parametrize("gamma", [0.0, 1.0])
@pytest.mark.parametrize("horizon", [1, 2])
@pytest.mark.parametrize("states", [1, 3])
def test_check_at_extremes(gamma, horizon, states):
    assert check(gamma, horizon, states).passed


def test_wrong_optima_are_rejected_by_far(default):
    wrong = [comparison for comparison in default.comparisons if comparison.wrong]
    assert len(wrong) == 4
    assert all(comparison.difference > 0.05 for comparison in wrong)


def test_the_parabola_is_lowest_at_the_optimum(default):
    parabola, best, mean = default.pictures[0].series
    assert min(parabola.y) == pytest.approx(best.y[1])
    assert best.y[1] < mean.y[1]
