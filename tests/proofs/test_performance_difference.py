"""One state by hand, and whose states may be taken for which discount."""

import math

import numpy as np
import pytest

from pg_core.proofs import performance_difference as statement
from pg_core.proofs.mdp import Mdp

# One state, two actions of rewards 1 and 3; the first goes on with probability 0.5, the second never.
PROCESS = Mdp(np.ones(1), np.array([[[0.5, 0.5], [0.0, 1.0]]]), np.array([[1.0, 3.0]]))
OLD = np.zeros((1, 2))  # π = (½, ½): V = 2 / (1 - 0.8 · 0.25) = 2.5, Q = (2, 3)
NEW = np.array([[math.log(1 / 4), math.log(3 / 4)]])  # V' = 2.5 / (1 - 0.8 · 0.125), d' = 1 / 0.9


def test_both_sides():
    np.testing.assert_allclose(statement.advantages(PROCESS, OLD, 0.8), [[-0.5, 0.5]])
    assert float(statement.difference(PROCESS, OLD, NEW, 0.8)) == pytest.approx(2.5 / 0.9 - 2.5)
    assert float(statement.gain(PROCESS, OLD, NEW, 0.8)) == pytest.approx(1 / 0.9 * (-0.5 / 4 + 0.5 * 3 / 4))


def test_the_surrogate_counts_the_visits_of_the_old_policy():
    assert float(statement.surrogate(PROCESS, OLD, NEW, 0.8)) == pytest.approx(1 / 0.8 * 0.25)


def test_advantages_as_rewards():
    # With γ = 0 only the first step pays: Q₀ = (1, 3), V₀ = 2, E' A₀ = -1/4 + 3/4.
    assert float(statement.paid_in_advantages(PROCESS, OLD, NEW, 0.0)) == pytest.approx(0.5)


def test_transitions_that_no_action_changes():
    still = statement.whatever_is_done(PROCESS)
    np.testing.assert_allclose(still.transitions, [[[0.25, 0.75], [0.25, 0.75]]])
    np.testing.assert_array_equal(still.rewards, PROCESS.rewards)


@pytest.mark.parametrize("states", [1, 2, 3])
@pytest.mark.parametrize(("gamma", "right"), [(0.0, True), (0.5, False), (1.0, False)])
def test_states_of_the_old_policy_do_only_without_a_future(gamma, right, states):
    check = statement.check(gamma=gamma, states=states, seed=5)
    rows = {row.claim: row for row in check.comparisons}
    assert check.passed
    assert rows["states of the old policy, d in place of d'"].agrees == right
    assert rows["… where no action changes the transitions"].agrees


def test_how_far_mistakes_are_off():
    rows = {row.claim: row for row in statement.check().comparisons}
    gain = rows["Σₛ d'(s) Σₐ π'(a|s) A(s,a) = J(π') - J(π)"].right[0]
    swapped = rows["the policies swapped: Σₛ d(s) Σₐ π(a|s) A'(s,a)"]
    assert swapped.left == pytest.approx((-gain,))
    assert swapped.difference == pytest.approx(2 * abs(gain))
    assert rows["derivative with A not held constant"].left == pytest.approx((0,) * 4, abs=1e-12)


def test_the_picture_starts_in_one_direction():
    exact, surrogate = statement.check().pictures[0].series
    assert exact.y[0] == pytest.approx(0, abs=1e-12)
    assert abs(exact.y[1] - surrogate.y[1]) < 1e-3 * abs(exact.y[1])
    assert abs(exact.y[-1] - surrogate.y[-1]) > 0.04 * abs(exact.y[-1])
