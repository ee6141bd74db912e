"""Derivatives of a softmax by hand, the edge at which nothing is drawn, and what the check refuses."""

import numpy as np
import pytest

from pg_core.proofs import log_derivative, mdp, run

# One state and one step: π = (¼, ¾), rewards 1 and 2.
PROCESS = mdp.Mdp(np.ones(1), np.array([[[0.5, 0.5], [0.5, 0.5]]]), np.array([[1.0, 2.0]]))
THETA = np.array([[0.0, np.log(3.0)]])
SCORES = [[[0.75, -0.75]], [[-0.25, 0.25]]]  # one_hot(a) - π


def test_one_step_by_hand():
    batches = mdp.every_batch(PROCESS, 1)
    assert batches.actions.ravel().tolist() == [0, 1]
    np.testing.assert_allclose(log_derivative.probability(THETA, batches), [0.25, 0.75], rtol=1e-14)
    np.testing.assert_allclose(log_derivative.trajectory_scores(THETA, batches), SCORES, rtol=1e-14)
    slopes = log_derivative.complex_step(lambda table: log_derivative.probability(table, batches), THETA)
    np.testing.assert_allclose(slopes, [[[3 / 16, -3 / 16]], [[-3 / 16, 3 / 16]]], rtol=1e-14)


def test_complex_steps_cancel_nothing():
    slopes = log_derivative.complex_step(lambda x: np.array([np.sin(x[0, 0]) * x[0, 1] ** 3]), np.array([[0.3, 2.0]]))
    np.testing.assert_allclose(slopes, [[[np.cos(0.3) * 8, np.sin(0.3) * 12]]], rtol=1e-15)


def test_what_is_never_drawn_is_missing():
    assert log_derivative.drawn_at_an_edge(0.25, [1.0, 3.0]) == pytest.approx(2)
    assert log_derivative.drawn_at_an_edge(0.0, [1.0, 3.0]) == -1
    assert log_derivative.drawn_at_an_edge(1.0, [1.0, 3.0]) == 3


@pytest.mark.parametrize(("horizon", "states"), [(1, 1), (1, 3), (2, 2), (4, 1)])
def test_wrong_rows_are_wrong_everywhere(horizon, states):
    rows = run("log_derivative", horizon=horizon, states=states).comparisons
    assert all(row.passed for row in rows)
    wrong = [row for row in rows if row.wrong]
    assert len(wrong) == 4
    assert all(row.difference > 0.01 for row in wrong)
