"""One state by hand, and the theorem's mistakes at the ends of the discount's range."""

import numpy as np
import pytest

from pg_core.proofs import mdp
from pg_core.proofs import policy_gradient_theorem as statement
from pg_core.proofs.mdp import Mdp

# One state, two actions of rewards 1 and 3; the first goes on with probability 0.5, the second never.
PROCESS = Mdp(np.ones(1), np.array([[[0.5, 0.5], [0.0, 1.0]]]), np.array([[1.0, 3.0]]))
EVEN = np.zeros((1, 2))  # π = (½, ½): goes on with probability ¼


def test_values_and_visits():
    assert mdp.onward(PROCESS, EVEN).tolist() == [[0.5 * 0.5]]
    np.testing.assert_allclose(statement.state_values(PROCESS, EVEN, 1.0), [2 / (1 - 0.25)])
    np.testing.assert_allclose(statement.state_values(PROCESS, EVEN, 0.8), [2 / (1 - 0.8 * 0.25)])
    np.testing.assert_allclose(statement.visits(PROCESS, EVEN, 0.8), [1 / (1 - 0.8 * 0.25)])
    np.testing.assert_allclose(statement.series(PROCESS, EVEN, 0.8, np.ones(1)), [1 / (1 - 0.8 * 0.25)])
    np.testing.assert_allclose(mdp.worth(PROCESS, np.array([4.0]), 0.8), [[1 + 1.6, 3]])
    assert float(statement.objective(PROCESS, EVEN, 0.8)) == pytest.approx(2.5)


def test_the_theorem():
    # π₀π₁ (w₀ - w₁) = ¼ (2 - 3) for the first logit, its negative for the second; d = 1.25.
    found = statement.theorem(EVEN, np.array([1.25]), np.array([[2.0, 3.0]]))
    np.testing.assert_allclose(found, [[-1.25 / 4, 1.25 / 4]])
    # V = 2.5 and Q = (2, 3): this is ∇J. With p = π(0), J = (p + 3 (1 - p)) / (1 - 0.4 p), whose slope at ½ is -1.25.
    np.testing.assert_allclose(statement.slopes(PROCESS, EVEN, 0.8), [[[-1.25 * 0.25, 1.25 * 0.25]]])


def test_values_of_an_observation():
    # From state 0, action 0 leads on to state 1, where it earns 1; action 1 ends. d = (1, ½), Q = ((½, 0), (1, 0)).
    transitions = np.zeros((2, 2, 3))
    transitions[0, 0, 1] = transitions[0, 1, 2] = transitions[1, :, 2] = 1
    process = Mdp(np.array([1.0, 0.0]), transitions, np.array([[0.0, 0.0], [1.0, 0.0]]))
    mean, solved = statement.hidden(process, np.zeros((2, 2)), 1.0)
    np.testing.assert_allclose(mean, [2 / 3 * 1 / 2 + 1 / 3 * 1, 0])
    # As if o were a state: action 0 earns ⅓ and stays with probability ⅔, so that V = ½ (⅓ + ⅔ V) = ¼.
    np.testing.assert_allclose(solved, [1 / 3 + 2 / 3 * 1 / 4, 0])


def test_a_time_limit_of_two_steps():
    slope = 1.0 / 4 * (1.8 - 3) + 0.8 * 0.25 / 4 * (1 - 3)
    np.testing.assert_allclose(statement.finite_theorem(PROCESS, EVEN, 0.8, 2), [[slope, -slope]])


def test_looking_up_along_trajectories():
    batches = mdp.every_batch(PROCESS, 2)  # the first action and the end, or either action after it; the second
    table = np.array([[[1.0, 2.0]], [[3.0, 4.0]]])
    rows = sorted(map(tuple, statement.along(table, batches)[:, :, 0].T.tolist()))
    assert rows == [(1, 0), (1, 3), (1, 4), (2, 0)]


@pytest.mark.parametrize("states", [1, 3])
@pytest.mark.parametrize(
    ("gamma", "right"),
    [
        (0.0, {"(1-γ) d in place of d", "only first states, ρ₀ in place of d"}),
        (0.9, set()),
        (1.0, {"states counted without γᵗ"}),
    ],
)
def test_mistakes_are_right_only_at_the_ends(gamma, right, states):
    check = statement.check(gamma=gamma, states=states, seed=3)
    mistakes = {"states counted without γᵗ", "(1-γ) d in place of d", "only first states, ρ₀ in place of d"}
    assert check.passed
    assert {row.claim for row in check.comparisons if row.claim in mistakes and row.agrees} == right


def test_how_far_mistakes_are_off():
    rows = {row.claim: row for row in statement.check(gamma=1.0).comparisons}
    slope = np.abs(rows["Σₛ d(s) Σₐ ∇π(a|s) Q(s,a) = ∇J"].right).max()
    assert rows["(1-γ) d in place of d"].left == (0, 0, 0, 0)
    assert rows["(1-γ) d in place of d"].difference == pytest.approx(slope)  # all of it is lost
    assert rows["V in place of Q"].difference == pytest.approx(slope)


def test_what_unrolling_leaves_shrinks():
    counts, remainder = statement.check().pictures
    assert len(counts.series) == 3
    sizes = remainder.series[0].y
    assert sizes[-1] < 1e-3 * sizes[0]
