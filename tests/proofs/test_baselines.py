"""A bandit of two actions with π = (1/4, 3/4), and what is not a baseline."""

import numpy as np
import pytest

from pg_core.proofs import mdp
from pg_core.proofs.baselines import check, expected_scores, explained
from pg_core.proofs.mdp import Mdp
from pg_core.proofs.verdicts import Check

THETA = np.log([[0.25, 0.75]])
# From the only state, action 0 always stays and earns 1, action 1 always ends and earns 2.
PROCESS = Mdp(np.ones(1), np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.array([[1.0, 2.0]]))


@pytest.fixture(scope="module")
def default() -> Check:
    return check()


def test_expected_scores_are_zero_one_by_one():
    batches = mdp.every_batch(PROCESS, 2)
    first, second = mdp.scores(THETA, batches).sum(axis=(1, 2))
    assert np.abs(first).max() > 0.1 and np.abs(second).max() > 0.1
    np.testing.assert_allclose(expected_scores(THETA, batches), np.zeros((2, 1, 2)), atol=1e-16)


def test_explained_variance_by_hand():
    returns, baseline = np.array([[[1.0, 3]], [[5, 99]]]), np.array([[[1.0, 2]], [[3, 0]]])
    mask = np.array([[[1.0, 1]], [[1, 0]]])
    rest, total = (1 + 0 + 1) / 3, (4 + 0 + 4) / 3  # of 0, 1, 2 and of 1, 3, 5
    np.testing.assert_allclose(explained(baseline, returns, mask), [1 - rest / total])


@pytest.mark.parametrize("gamma", [0.0, 1.0])
@pytest.mark.parametrize("horizon", [1, 2])
@pytest.mark.parametrize("states", [1, 3])
def test_check_at_extremes(gamma, horizon, states):
    assert check(gamma, horizon, states).passed


def test_wrong_baselines_are_rejected_by_far(default):
    wrong = [comparison for comparison in default.comparisons if comparison.wrong]
    assert len(wrong) == 2
    assert all(comparison.difference > 0.01 for comparison in wrong)


def test_a_huge_constant_is_right_and_useless(default):
    (huge,) = (comparison for comparison in default.comparisons if "1000" in comparison.claim)
    assert huge.agrees
    assert huge.variance > 1e5


def test_the_picture_ends_with_the_least_variance(default):
    (bars,) = default.pictures[0].series
    assert min(bars.y) == bars.y[-1]
