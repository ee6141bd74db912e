"""The weighted sum of derivatives by hand, and how far the bounds are off that leave something out."""

import numpy as np
import pytest

from pg_core import proofs
from pg_core.proofs import gradient_domination as statement
from pg_core.proofs import mdp
from pg_core.proofs.discounting import two_gates
from pg_core.proofs.mdp import softmax

# Stay (1) or end (2), two steps, γ = 1: with probability ¼ of ending, V₁ = 1.25, Q₀ = (2.25, 2), V₀ = 2.1875.
QUARTER = np.array([[[0.75, 0.25]] * 2] * 2)


def rows(**parameters):
    return {row.claim: row for row in proofs.run("gradient_domination", **parameters).comparisons}


def slow_return(process, policy, gamma):
    """J as the sum over all episodes, of probability times return."""
    batches, total = mdp.every_batch(process, len(policy)), 0.0
    for n, chance in enumerate(batches.dynamics):
        paid = 0.0
        for t in range(len(policy)):
            if batches.mask[t, n, 0]:
                chance *= policy[t, batches.states[t, n, 0], batches.actions[t, n, 0]]
                paid += gamma**t * batches.rewards[t, n, 0]
        total += chance * paid
    return total


def test_values_by_hand():
    aware = statement.stay_or_end(True)
    np.testing.assert_allclose(statement.worth(aware, QUARTER, 1.0), [[[2.25, 2], [1, 2]], [[1, 2], [1, 2]]])
    assert statement.returns(aware, QUARTER, 1.0) == pytest.approx(2.1875)
    np.testing.assert_allclose(statement.reached(aware, QUARTER), [[1, 0], [0, 0.75]])
    # dₜ π A: ¾ · 0.0625 at first, then ¾ · ¾ · -0.25
    slopes = statement.by_theorem(aware, QUARTER, 1.0)
    np.testing.assert_allclose(slopes[[0, 1], [0, 1]], [[0.046875, -0.046875], [-0.140625, 0.140625]])


def test_the_best_policy_by_hand():
    target = statement.best(statement.stay_or_end(True), 1.0, 2)
    np.testing.assert_array_equal(target[[0, 1], [0, 1]], [[1, 0], [0, 1]])
    c = statement.factors(statement.stay_or_end(True), QUARTER, target)
    np.testing.assert_allclose(c, [[1 / 0.75, 0], [0, 1 / (0.75 * 0.25)]])
    np.testing.assert_allclose(0.046875 / 0.75 + 0.140625 / (0.75 * 0.25), 3 - 2.1875)


@pytest.mark.parametrize("gamma", [0.0, 0.7, 1.0])
def test_the_return_is_a_sum_over_episodes(gamma):
    process = mdp.random_mdp(2, seed=3)
    policy = softmax(np.random.default_rng(3).normal(size=(3, 2, 2)))
    assert statement.returns(process, policy, gamma) == pytest.approx(slow_return(process, policy, gamma), rel=1e-12)


def test_every_table_of_actions():
    tables = statement.every_choice(2, 1)
    assert tables.shape == (4, 2, 1, 2)
    assert {tuple(table.argmax(axis=-1).ravel()) for table in tables} == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_a_plateau():
    found = rows()
    bars = statement.check().pictures[0].series
    gap, length, bound = (np.array(line.y) for line in bars)
    assert np.all(np.diff(gap) > 0)
    assert np.all(np.diff(length) < 0)
    assert np.all(bound >= gap)
    assert length[-1] < 1e-4 < 0.99 < gap[-1]
    assert found["… J* - J ≤ ‖∇J‖, so a small gradient means a small gap"].difference == pytest.approx(
        1 - 1e-4 - 2e-4 * 0.99
    )
    # Only the second gate is hard: ‖∇J‖² = 2 (0.0025² + 0.00495²), max d*/d = 2
    left_out = found["… π(a*|s) left out: J* - J ≤ √n max d*/d ‖∇J‖"]
    assert left_out.difference == pytest.approx(0.995 - 4 * np.hypot(0.0025, 0.00495))


@pytest.mark.parametrize(("horizon", "states"), [(1, 1), (2, 3), (4, 2)])
def test_who_knows_the_time_and_who_does_not(horizon, states):
    found = rows(horizon=horizon, states=states, gamma=1.0, seed=7)
    assert all(row.passed for row in found.values())
    assert found["∇J = 0, so J = J*: also with one row for all t"].left == (2.25,)
    assert two_gates().rewards[1, 1] == 1.0
