"""Returns by hand, their bounds at the limits of γ, and what the check refuses."""

import numpy as np
import pytest

from pg_core.proofs import returns, run

REWARDS = np.array([0.4, -0.3, 0.2])


@pytest.mark.parametrize("function", [returns.definition, returns.recursion])
def test_three_steps_by_hand(function):
    np.testing.assert_allclose(function(REWARDS, 0.5), [0.4 - 0.15 + 0.05, -0.3 + 0.1, 0.2], atol=1e-15)
    np.testing.assert_allclose(function(REWARDS, 0.0), REWARDS, atol=1e-15)
    np.testing.assert_allclose(function(REWARDS, 1.0), [0.3, -0.1, 0.2], atol=1e-15)


@pytest.mark.parametrize(("gamma", "expected"), [(0.0, [0, 1, 1, 1]), (0.5, [0, 1, 1.5, 1.75]), (1.0, [0, 1, 2, 3])])
def test_geometric_sums_by_hand(gamma, expected):
    np.testing.assert_array_equal(returns.geometric(gamma, np.arange(4)), expected)


def test_geometric_sums_next_to_the_ends():
    np.testing.assert_array_equal(returns.geometric(1e-300, np.arange(3)), [0, 1, 1])
    left = 1e-12  # (1-ε)ᵏ = 1 - kε, so that 500 of them sum up to 500 - ε · 500 · 499 / 2
    sums = returns.geometric(1 - left, np.array([1, 500]))
    np.testing.assert_allclose(sums, [1, 500 - left * 500 * 499 / 2], rtol=1e-14)


def test_steps_left_and_excess_by_hand():
    np.testing.assert_array_equal(returns.steps_left(np.array([1, 3]), 3), [[1, 3], [0, 2], [0, 1]])
    np.testing.assert_array_equal(returns.excess(np.array([-3.0, 1.0]), np.array([2.0, 2.0])), [1, 0])


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("horizon", [1, 2, 4])
def test_what_is_wrong_is_found_where_it_is_wrong(gamma, horizon):
    *_, endless, expected, shifted, forwards = run("returns", gamma=gamma, horizon=horizon, states=1).comparisons
    assert endless.difference == pytest.approx(gamma)  # the last step has 1, not 1 / (1 - γ)
    assert endless.wrong == (gamma > 0)
    assert expected.wrong
    assert shifted.wrong
    assert forwards.wrong == (gamma > 0 and horizon > 1)
    for row in (endless, expected, shifted, forwards):
        assert row.passed
        assert row.difference > 0.01 if row.wrong else row.difference == 0


def test_the_bound_is_reached_by_cart_pole():
    (picture,) = run("returns", gamma=0.5).pictures
    best = {line.name: line.y[-1] for line in picture.series}
    assert best == pytest.approx({"γ = 0.5": 2, "γ = 0.9": 10, "γ = 0.99": (1 - 0.99**500) / 0.01, "γ = 1": 500})
