"""Scores and samples by hand."""

import math

import numpy as np

from pg_core.proofs.scores import check, log_density, quotient_rule, thresholds


def test_quotient_rule_by_hand():
    np.testing.assert_allclose(quotient_rule(np.log([1.0, 3.0])), [[1 - 0.25, -0.75], [-0.25, 1 - 0.75]])


def test_thresholds_are_the_cumulative_probabilities():
    np.testing.assert_allclose(thresholds(np.log([1.0, 2.0, 5.0])), [1 / 8, 3 / 8], rtol=1e-14)
    np.testing.assert_allclose(thresholds(np.array([-1000.0, 0.0])), [0.0], atol=1e-15)


def test_log_density_by_hand():
    found = log_density(np.zeros(2), np.array([1.0, 2.0]), np.array([[0.0, 2.0]]))
    np.testing.assert_allclose(found, [-math.log(2 * math.pi * 2) - 0.5])


def test_intervals_fill_the_picture_and_have_the_probabilities():
    lengths, chances = check().pictures[0].series
    assert math.isclose(sum(lengths.y), 1)
    np.testing.assert_allclose(lengths.y, chances.y, rtol=1e-12)


def test_wrong_scores_are_rejected_by_far():
    rows = check()
    assert rows.passed
    wrong = [row for row in rows.comparisons if row.wrong]
    assert len(wrong) == 5
    assert all(row.difference > 0.1 for row in wrong)
    (carried,) = (row for row in wrong if "carries" in row.claim)
    np.testing.assert_allclose(carried.left, 0, atol=1e-15)
