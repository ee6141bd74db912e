"""Two episodes of one agent, the second one step long, and processes that never end by themselves."""

import numpy as np
import pytest

from pg_core.proofs import mdp
from pg_core.proofs.mdp import Mdp
from pg_core.proofs.normalization import check, lasting, mean_over, mean_return_to_go, normalized, wedge
from pg_core.proofs.verdicts import Check

THETA = np.log([[0.25, 0.75]])
# From the only state, action 0 always stays and earns 1, action 1 always ends and earns 2.
PROCESS = Mdp(np.ones(1), np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.array([[1.0, 2.0]]))
RETURNS = np.array([[[6.0, 4]], [[2, 99]]])  # [T, N, B] = [2, 1, 2]
MASK = np.array([[[1.0, 1]], [[1, 0]]])


@pytest.fixture(scope="module")
def default() -> Check:
    return check()


def test_means_by_hand():
    np.testing.assert_allclose(mean_over(RETURNS, MASK, (0, 2)), [[[(6 + 4 + 2) / 3]]])
    np.testing.assert_allclose(mean_over(RETURNS, MASK, 2), [[[(6 + 4) / 2]], [[2]]])
    np.testing.assert_array_equal(mean_over(RETURNS, 0 * MASK, 2), [[[0]], [[0]]])


def test_normalized_by_hand():
    std = np.sqrt((2**2 + 0 + 2**2) / 3)
    np.testing.assert_allclose(normalized(RETURNS, MASK), [[[2 / (std + 1e-8), 0]], [[-2 / (std + 1e-8), 0]]])


def test_lasting_episodes_have_one_length():
    assert mdp.every_batch(mdp.random_mdp(2, 0), 3).mask.min() == 0
    assert mdp.every_batch(lasting(mdp.random_mdp(2, 0)), 3).mask.min() == 1


def test_mean_return_to_go_by_hand():
    last = 0.25 * 1 + 0.75 * 2
    first = last + 0.25 * 0.5 * last
    assert float(mean_return_to_go(PROCESS, THETA, 0.5, 2)) == pytest.approx((first + 0.25 * last) / 2)


def test_wedge_is_zero_only_on_one_line():
    np.testing.assert_allclose(wedge(np.array([3.0, 4.0]), np.array([-6.0, -8.0])), np.zeros((2, 2)), atol=1e-7)
    np.testing.assert_allclose(wedge(np.array([2.0, 0.0]), np.array([0.0, 3.0])), [[0, 1], [-1, 0]])


@pytest.mark.parametrize("gamma", [0.0, 1.0])
@pytest.mark.parametrize("states", [1, 3])
def test_check_at_extremes(gamma, states):
    assert check(gamma, states).passed


def test_wrong_estimators_are_rejected_by_far(default):
    wrong = [comparison for comparison in default.comparisons if comparison.wrong]
    assert len(wrong) == 6
    assert all(comparison.difference > 0.01 for comparison in wrong)


def test_with_one_state_no_direction_can_be_lost():
    assert all(c.agrees for c in check(states=1).comparisons if "line" in c.claim)


def test_the_picture_shows_no_bias_of_the_unbiased(default):
    for bars in default.pictures[0].series:
        bias = dict(zip(bars.x, bars.y, strict=True))
        assert max(bias.pop("none"), bias.pop("leave-one-out")) < 1e-12
        assert min(bias.values()) > 0.01
