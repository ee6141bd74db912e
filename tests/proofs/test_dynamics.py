"""Scores of a trajectory by hand, the same in every process, and what the check refuses."""

import numpy as np
import pytest

from pg_core.proofs import dynamics, mdp, run

# One state, two steps: π = (¼, ¾).
PROCESS = mdp.Mdp(np.ones(1), np.array([[[0.5, 0.5], [0.5, 0.5]]]), np.array([[1.0, 2.0]]))
THETA = np.array([[0.0, np.log(3.0)]])


def test_two_steps_by_hand():
    batches = mdp.every_batch(PROCESS, 2)
    one_hot = np.eye(2)[batches.actions[..., 0]]  # [T, N, A]
    scores = (one_hot - [0.25, 0.75]) * batches.mask
    np.testing.assert_allclose(dynamics.sum_of_scores(THETA, batches)[:, 0], scores.sum(axis=0), atol=1e-15)
    lasts = np.where(batches.mask[1] > 0, scores[1], scores[0])
    np.testing.assert_allclose(dynamics.last_score(THETA, batches)[:, 0], lasts, atol=1e-15)


def test_two_processes_have_the_same_trajectories_in_the_same_order():
    one, other = (mdp.every_batch(mdp.random_mdp(2, seed), 3) for seed in (0, 1))
    for left, right in ((one.states, other.states), (one.actions, other.actions), (one.mask, other.mask)):
        np.testing.assert_array_equal(left, right)
    assert not np.allclose(one.dynamics, other.dynamics)


@pytest.mark.parametrize(("horizon", "states"), [(1, 1), (1, 2), (2, 1), (3, 2), (4, 3)])
def test_what_is_wrong_is_found_where_it_is_wrong(horizon, states):
    _, hidden, _, gradient, last, padded, start = run("dynamics", horizon=horizon, states=states).comparisons
    assert hidden.passed and not hidden.wrong
    assert gradient.wrong == (horizon > 1 or states > 1)
    assert last.wrong == padded.wrong == (horizon > 1)
    assert start.wrong == (states > 1)
    for row in (gradient, last, padded, start):
        assert row.passed
        assert row.difference > 0.01 if row.wrong else row.difference < 1e-15
