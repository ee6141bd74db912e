"""One state; action 0 always stays and earns 1, action 1 always ends and earns 2; π = (¼, ¾), T = 2."""

import numpy as np
import pytest

from pg_core.proofs import mdp
from pg_core.proofs.mdp import Batches, Mdp
from pg_core.proofs.proportionality import (
    check,
    credit,
    logits,
    mean_lengths,
    second_order,
    survival,
    weighed_states,
    within_episode,
)

THETA = np.log([[0.25, 0.75]])
PROCESS = Mdp(np.ones(1), np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.array([[1.0, 2.0]]))
# Action 0, then action 1, with w = 3 and 2.
EPISODE = Batches(
    np.zeros((2, 1, 1), np.int32),
    np.array([[[0]], [[1]]], np.int32),
    np.zeros((2, 1, 1)),
    np.ones((2, 1, 1)),
    np.ones(1),
)
WEIGHTS = np.array([[[3.0]], [[2.0]]])


def test_the_mean_length_and_the_rest_by_hand():
    length, mean = weighed_states(PROCESS, THETA, 1.0, 2)
    assert float(length) == pytest.approx(1 + 0.25)
    last = 0.25 * 1 + 0.75 * 2
    # Logit of action 0: p(1-p) times what it is worth more, at the first step and, a quarter as often, at the second.
    slope = 0.25 * 0.75 * ((1 + last - 2) + 0.25 * (1 - 2))
    np.testing.assert_allclose(mean, [[slope / 1.25, -slope / 1.25]])


def test_steps_within_an_episode_by_hand():
    alpha, p = 0.1, 0.25
    z = np.log([0.25, 0.75]) + alpha * 3 * np.array([1 - p, -(1 - p)])
    p_later = np.exp(z[0]) / np.exp(z).sum()
    z = z + alpha * 2 * np.array([-p_later, p_later])
    np.testing.assert_allclose(within_episode(THETA, EPISODE, WEIGHTS, alpha)[0, 0], z - np.log([0.25, 0.75]))


def test_the_second_order_by_hand():
    # -w₁ w₀ F ψ₀ with F = ¼ ¾ ((1, -1), (-1, 1)) and ψ₀ = ¾ (1, -1).
    expected = -2 * 3 * 0.25 * 0.75 * 0.75 * 2
    np.testing.assert_allclose(second_order(THETA, EPISODE, WEIGHTS), [[[expected, -expected]]])


def test_credit_by_hand():
    played = EPISODE._replace(rewards=np.array([[[1.0]], [[2.0]]]))
    np.testing.assert_allclose(credit(played).ravel(), [1 + 0.9 * 2, 0.9 * 2])


def test_survival_lasts_as_long_as_it_should():
    assert mean_lengths()[0] == pytest.approx(1 / (0.05 * 0.02 + 0.95 * 0.2))
    careful = logits(np.array(0.3))
    np.testing.assert_allclose(mdp.softmax(careful), [[0.3, 0.7]])
    assert float(mdp.onward(survival(), careful)[0, 0]) == pytest.approx(0.3 * 0.98 + 0.7 * 0.8)


@pytest.mark.parametrize(("horizon", "states"), [(1, 1), (1, 3), (4, 1), (2, 3)])
def test_check_at_extremes(horizon, states):
    assert check(horizon, states).passed


def test_the_bias_is_of_the_first_order_in_the_learning_rate():
    line = check().pictures[1].series[0]
    assert line.y[1] / line.y[0] == pytest.approx(line.x[1] / line.x[0], rel=0.1)


def test_wrong_claims_are_rejected_by_far():
    wrong = [row for row in check().comparisons if row.wrong]
    assert len(wrong) == 5
    assert all(row.difference > 5e-4 for row in wrong)
