"""Scores by hand, moments of the normal distribution by quadrature, and scores whose mean is not zero."""

import numpy as np
import pytest

from pg_core.proofs.expected_score import check, gauss_hermite, gaussian_scores, mean_curvature, softmax_scores


def test_softmax_scores_by_hand():
    logits = np.log([[1.0, 3.0]])
    np.testing.assert_allclose(softmax_scores(logits), [[[0.75, -0.75]], [[-0.25, 0.25]]])


def test_quadrature_has_the_moments_of_the_normal_distribution():
    nodes, weights = gauss_hermite()
    moments = [weights @ nodes**power for power in range(9)]
    np.testing.assert_allclose(moments, [1, 0, 1, 0, 3, 0, 15, 0, 105], atol=1e-11)


def test_gaussian_scores_and_curvature_by_hand():
    mean, log_std = np.array([1.0]), np.log([2.0])
    # ε = 3: a = 7, (a - μ)/σ² = 6/4, ε² - 1 = 8.
    np.testing.assert_allclose(gaussian_scores(mean, log_std, np.array([3.0])), [[[1.5]], [[8.0]]])
    np.testing.assert_allclose(mean_curvature(mean, log_std), [[[1 / 4], [0]], [[0], [2]]], atol=1e-12)


@pytest.mark.parametrize("states", [1, 3])
def test_check_at_extremes(states):
    assert check(states).passed


def test_wrong_means_are_rejected_by_far():
    wrong = [row for row in check().comparisons if row.wrong]
    assert len(wrong) == 3
    assert all(row.difference > 0.05 for row in wrong)
