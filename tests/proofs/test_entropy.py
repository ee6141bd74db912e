"""Entropies and divergences by hand."""

import math

import numpy as np

from pg_core.proofs import mdp
from pg_core.proofs.entropy import TRIPLES, check, entropies, kl_estimates, shannon_entropy
from pg_core.proofs.mdp import Mdp


def test_entropy_by_hand():
    by_hand = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    np.testing.assert_allclose(shannon_entropy(np.log([[1.0, 3.0], [1.0, 1.0]])), [by_hand, math.log(2)])


def test_entropies_are_zero_where_not_played():
    # Action 0 always stays, action 1 always ends.
    process = Mdp(np.ones(1), np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.ones((1, 2)))
    batches = mdp.every_batch(process, 2)
    np.testing.assert_allclose(entropies(np.zeros((1, 2)), batches), math.log(2) * batches.mask)


def test_estimates_of_the_divergence_by_hand():
    old, new = np.log([1.0, 1.0, 2.0]), np.log([2.0, 1.0, 1.0])  # r = 2, 1, 1/2
    one = np.array([1 - math.log(2), 0.0, -0.5 + math.log(2)])
    np.testing.assert_allclose(kl_estimates(old, new), one[TRIPLES].mean(axis=1), atol=1e-15)
    chances = np.array([0.25, 0.25, 0.5])[TRIPLES].prod(axis=1)
    np.testing.assert_allclose(chances @ kl_estimates(old, new), -0.25 * math.log(2) + 0.5 * math.log(2))


def test_wrong_rows_are_rejected_by_far():
    rows = check()
    assert rows.passed
    wrong = [row for row in rows.comparisons if row.wrong]
    assert len(wrong) == 5
    assert all(row.difference > 0.01 for row in wrong)


def test_the_sampled_surprise_has_no_slope_on_average():
    (surprise,) = (row for row in check().comparisons if "of the sample" in row.claim)
    np.testing.assert_allclose(surprise.left, 0, atol=1e-15)


def test_of_two_unbiased_estimates_the_one_that_is_never_negative_varies_less():
    rows = {row.claim[:6]: row for row in check().comparisons if row.variance is not None and not row.wrong}
    assert rows["E_old["].variance < rows["looks "].variance
