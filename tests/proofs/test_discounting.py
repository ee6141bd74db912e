"""Two gates with p = 1/2 and q = 1/4: what the step discount changes, by hand."""

import numpy as np
import pytest

from pg_core.proofs import mdp
from pg_core.proofs.discounting import (
    check,
    directions,
    ending_by_chance,
    jacobian,
    two_gates,
)

THETA = np.log([[0.5, 0.5], [0.75, 0.25]])


def test_directions_by_hand():
    found = directions(two_gates(), THETA, 0.8, 2)[..., 1]  # with respect to the logits of action 1
    first = 0.5 * (0.8 * 0.25 - 0.5 * 0.8 * 0.25)  # π(1) (Q - V) at gate 0, where only the second reward is to come
    second = 0.5 * 0.25 * (1 - 0.25)
    np.testing.assert_allclose(found, [[first, 0], [0, second]], atol=1e-15)


@pytest.mark.parametrize(("weights", "ratio"), [([1.0, 1.0], 0.8), ([1.0, 0.8], 1.0)])
def test_jacobian_is_symmetric_only_with_the_step_discount(weights, ratio):
    slopes = jacobian(two_gates(), THETA, 0.8, np.array(weights))
    np.testing.assert_allclose(slopes[1, 3], 0.8 * 0.5 * 0.5 * 0.25 * 0.75)  # γ p(1-p) q(1-q)
    np.testing.assert_allclose(slopes[1, 3], ratio * slopes[3, 1])


def test_ending_by_chance_by_hand():
    end = ending_by_chance(two_gates(), 0.8).transitions[..., -1]
    np.testing.assert_allclose(end, [[1, 1 - 0.8], [1, 1]])


def test_undiscounted_value_of_the_process_that_ends_by_chance_is_the_discounted_one():
    value = mdp.objective(ending_by_chance(two_gates(), 0.8), THETA, 1.0, 2)
    np.testing.assert_allclose(value, 0.8 * 0.5 * 0.25)  # γ p q


@pytest.mark.parametrize("gamma", [0.0, 1.0])
@pytest.mark.parametrize(("horizon", "states"), [(1, 1), (1, 3), (3, 1), (3, 3)])
def test_check_at_extremes(gamma, horizon, states):
    rows = check(gamma, horizon, states)
    assert rows.passed
    rejected = sum(row.wrong for row in rows.comparisons)
    assert rejected == (0 if horizon == 1 else 1 if gamma == 1 else 4 if states > 1 else 3)


def test_wrong_claims_are_rejected_by_far():
    rows = [row for row in check(gamma=0.5).comparisons if row.wrong]
    assert len(rows) == 4
    assert all(row.difference > 1e-3 for row in rows)
