"""The two losses by hand, and how far off the wrong ones are."""

import math

import numpy as np
import pytest

from pg_core import proofs
from pg_core.proofs import mdp, surrogate_loss
from pg_core.proofs.mdp import Batches
from pg_core.proofs.programs import compute

# One state and two actions, each of probability ½: log π = -ln 2, H = ln 2, ∇H = 0. Episodes of two steps and of one.
EVEN = np.zeros((1, 2))
BATCH = Batches(
    np.zeros((2, 1, 2), np.int32), np.array([[[0, 1]], [[1, 0]]], np.int32), np.zeros((2, 1, 2)),
    np.array([[[1.0, 1.0]], [[1.0, 0.0]]]), np.ones(1),
)  # fmt: skip
WEIGHTS = np.array([[[3.0, 5.0]], [[7.0, 0.0]]])
LN2 = math.log(2)


def rows(**parameters):
    return {row.claim: row for row in proofs.run("surrogate_loss", **parameters).comparisons}


@pytest.mark.parametrize(("per_step", "n"), [(False, 2), (True, 3)])
def test_the_loss_by_hand(per_step, n):
    value = compute(surrogate_loss.loss, EVEN, BATCH, WEIGHTS, 0.5, per_step=per_step)
    np.testing.assert_allclose(value, [(3 + 5 + 7) * LN2 / n - 0.5 * 3 * LN2 / n])
    gradient = compute(surrogate_loss.each_gradient, EVEN, BATCH, WEIGHTS, 0.5, per_step=per_step, count=1)
    # Scores ±½: action 0 has weight 3, action 1 has 5 and 7.
    np.testing.assert_allclose(gradient, [[[-(3 - 5 - 7) / 2 / n, (3 - 5 - 7) / 2 / n]]])


def test_the_value_step_by_hand():
    value, step = surrogate_loss.value_step(np.array([4.0]), BATCH, WEIGHTS)
    np.testing.assert_allclose(value, [((4 - 3) ** 2 + (4 - 5) ** 2 + (4 - 7) ** 2) / 2 / 3])
    np.testing.assert_allclose(step, [[-(1 - 1 - 3) / 3]])


def test_entropies_by_hand():
    np.testing.assert_allclose(surrogate_loss.entropy_gradients(EVEN, BATCH), np.zeros((1, 1, 2)), atol=1e-15)
    p = 0.2
    theta = np.log([[p, 1 - p]])
    slope = p * (1 - p) * math.log((1 - p) / p)  # dH/dz₀ = p (1 - p) dH/dp
    # (2 + 1) steps over 2 episodes
    np.testing.assert_allclose(surrogate_loss.entropy_gradients(theta, BATCH), [[[1.5 * slope, -1.5 * slope]]])
    process = mdp.random_mdp(1, seed=0)
    stays = 1 + process.transitions[0, :, 0].mean()  # of two steps at most
    np.testing.assert_allclose(compute(surrogate_loss.summed_entropy, process, EVEN, horizon=2), stays * LN2)


def test_the_loss_of_one_choice():
    np.testing.assert_allclose(surrogate_loss.bandit_loss(0.25), 0.25 * math.log(4))


@pytest.mark.parametrize("gamma", [0.0, 1.0])
@pytest.mark.parametrize("horizon", [1, 2])
def test_what_is_wrong_only_beyond_one_step(gamma, horizon):
    found = rows(gamma=gamma, horizon=horizon, states=1)
    for claim in ("the mean over steps: E[∇L] = -∇J", "the whole bonus: ∇(J + c_H E[Σₜ H(sₜ)])"):
        assert found[claim].wrong == (horizon > 1)
        assert found[claim].passed
        assert (found[claim].difference > 1e-3) == (horizon > 1)


def test_how_far_off_the_wrong_losses_are():
    found = rows()
    assert all(row.passed for row in found.values())
    assert found["without its minus sign"].difference == pytest.approx(2 * max(found["E[∇L] = -∇J"].right))
    assert found["with a gradient through that baseline"].difference > 0.1
    ratio = np.divide(found["the mean over steps: E[∇L] = -∇J"].left, found["E[∇L] = -∇J"].right)
    assert np.ptp(ratio) > 0.01  # another direction, not only another length
