"""Scores, Fisher information and fits by hand, and how far the wrong matrices lead."""

import numpy as np
import pytest

from pg_core import proofs
from pg_core.proofs import mdp
from pg_core.proofs import natural_gradient as statement
from pg_core.proofs.discounting import two_gates
from pg_core.proofs.gradient_domination import stay_or_end

QUARTER = np.log([[0.75, 0.25]] * 2)


def rows(**parameters):
    return {row.claim: row for row in proofs.run("natural_gradient", **parameters).comparisons}


def test_the_trainers_scores_by_hand():
    batches = mdp.every_batch(stay_or_end(True), 2)
    scores = statement.trainers_scores(QUARTER, batches)
    for n, (first, second) in enumerate(batches.actions[..., 0].T):
        expected = np.zeros((2, 2, 2))  # [T, S, A]: at first in state 0, then in state 1
        expected[0, 0] = np.eye(2)[first] - [0.75, 0.25]
        expected[1, 1] = (np.eye(2)[second] - [0.75, 0.25]) * batches.mask[1, n, 0]
        np.testing.assert_allclose(scores[:, n], expected.reshape(2, 4), atol=1e-15)


def test_information_by_hand():
    fisher = statement.fit(QUARTER, mdp.every_batch(stay_or_end(True), 2), 0.5).fisher()
    block = 3 / 16 * np.array([[1, -1], [-1, 1]])
    np.testing.assert_allclose(fisher[:2, :2], block)
    np.testing.assert_allclose(fisher[2:, 2:], 0.5 * 0.75 * block)  # γ P(s₁)
    np.testing.assert_allclose(fisher[:2, 2:], 0, atol=1e-15)
    np.testing.assert_allclose(statement.blocks(np.array([1, 0.375]), np.array([[0.75, 0.25]] * 2)), fisher)


def test_a_slow_solution_of_the_normal_equations():
    process, theta, gamma = mdp.random_mdp(2, 3), mdp.random_policy(2, 3), 0.8
    batches = mdp.every_batch(process, 3)
    x = statement._natural(process, theta, gamma)[1]  # of two steps
    counts = statement.worth(process, theta, gamma, 2).visits.sum(axis=0)
    slope = mdp.objective_gradient(process, theta, gamma, 2).ravel()
    expected = np.linalg.pinv(statement.blocks(counts, mdp.softmax(theta)), rcond=1e-9) @ slope
    np.testing.assert_allclose(x.ravel(), expected, rtol=1e-9)
    assert statement.fit(theta, batches, gamma).shares.sum() == pytest.approx(
        statement.worth(process, theta, gamma, 3).visits.sum()
    )


def test_the_mean_advantage_by_hand():
    # State 0 at both times: A₀ = (0.0625, -0.1875), A₁ = (-0.25, 0.75), which count 1 and ¾.
    known = statement.worth(stay_or_end(False), QUARTER, 1.0, 2)
    expected = (np.array([0.0625, -0.1875]) + 0.75 * np.array([-0.25, 0.75])) / 1.75
    np.testing.assert_allclose(known.visits[:, 0], [1, 0.75])
    np.testing.assert_allclose(np.einsum("t,ta->a", known.visits[:, 0], known.advantages[:, 0]) / 1.75, expected)
    x = statement._natural(stay_or_end(False), QUARTER)[1]
    np.testing.assert_allclose(x[0], expected - expected.mean())


@pytest.mark.parametrize("p", [0.5, 0.01])
def test_gates_do_not_slow_it_down(p):
    x = statement._natural(two_gates(), np.log([[1 - p, p]] * 2))[1]
    np.testing.assert_allclose(x, [[-p / 2, p / 2], [-0.5, 0.5]], rtol=1e-9)


def test_how_far_the_wrong_ones_are_off():
    found = rows()
    assert found["… and for Δ = ∇J"].left[0] < found["… and for Δ = ∇J"].right[0]
    assert found["F of squared estimates: E[Σₜ γᵗ Aₜ² ψₜψₜᵀ] x = ∇J"].difference > 0.1
    assert found["… γ = ½, γᵗ left out of F: F x = ∇J"].difference > 0.01
    # x is the mean of both steps' advantages: ±(0.125 - ¾ · 0.5) / 1.75
    mean = found["… t unknown: x = Aₜ less its mean over actions, at every t"]
    np.testing.assert_allclose(mean.left, np.array([1, -1, 1, -1]) * (0.125 - 0.375) / 1.75)
    assert not rows(states=1)["… and for Δ = ∇J"].wrong


def test_the_picture_leaves_the_plateau():
    plain, natural = (np.array(line.y) for line in statement.check().pictures[0].series)
    assert plain[0] == natural[0] == pytest.approx(0.01)
    assert natural[10] > 0.9 > 0.1 > plain[10]
    assert np.all(np.diff(plain) > 0)
