"""Two armed bandits, a parabola and two gradients by hand."""

import math

import numpy as np
import pytest

from pg_core.proofs import ascent as statement
from pg_core.proofs import landscapes, long_runs
from pg_core.proofs.landscapes import Landscape
from pg_core.proofs.mdp import Mdp

# One state, two actions of rewards 1 and 3; the first goes on with probability 0.5, the second never.
PROCESS = Mdp(np.ones(1), np.array([[[0.5, 0.5], [0.0, 1.0]]]), np.array([[1.0, 3.0]]))
BANDIT = Landscape(PROCESS, gamma=1.0, horizon=1)  # J = 3 - 2p with p = π(0)
EVEN = np.zeros((1, 2))


def test_the_bound_on_the_curvature():
    assert BANDIT.smoothness() == 3
    assert Landscape(PROCESS, gamma=1.0, horizon=4).smoothness() == 3 * 4 * 5 / 2
    assert Landscape(PROCESS, gamma=0.5, horizon=3).smoothness() == 3 * (1 + 2 * 0.5 + 3 * 0.25)
    assert Landscape(PROCESS, gamma=0.0, horizon=4).smoothness() == 3


def test_the_landscape_of_a_bandit():
    uneven = np.array([[math.log(3), 0.0]])  # p = ¾
    np.testing.assert_allclose(BANDIT.objectives(np.stack([EVEN, uneven])), [2, 1.5])
    np.testing.assert_allclose(BANDIT.gradients(EVEN), [[-2 / 4, 2 / 4]])  # -2 p (1-p)
    # With z = z₀ - z₁, p'' = p (1-p) (1-2p); the Hessian in (z₀, z₁) is -2 p'' [[1, -1], [-1, 1]], of norm 4 |p''|.
    np.testing.assert_allclose(BANDIT.curvatures(np.stack([EVEN, uneven])), [0, 4 * 3 / 16 / 2], atol=1e-9)
    two_steps = Landscape(PROCESS, gamma=0.8, horizon=2)
    np.testing.assert_allclose(two_steps.objectives(EVEN), 2 + 0.8 * 0.25 * 2)


def test_how_far_a_step_falls_short():
    slope = BANDIT.gradients(EVEN)
    assert BANDIT.shortfalls(EVEN, EVEN + slope / 3, 1.0) == 0
    assert BANDIT.shortfalls(EVEN, EVEN - slope / 3, 1.0) > 1  # about -1 instead of at least ½
    assert landscapes.shortfall([1.0, 1.0], [0.5, 1.5]).tolist() == [0, 0.5]


def test_a_parabola_rises_up_to_two_over_its_curvature():
    # x = 1 goes to 1 - αL; J = -½ · 4 x².
    rises = long_runs.parabola(4.0, np.array([0.25, 0.375, 0.5, 0.525]))
    np.testing.assert_allclose(rises, [2, 2 * (1 - 0.5**2), 0, 2 * (1 - 1.1**2)], atol=1e-15)


def test_a_longer_step_and_noise_on_a_parabola():
    # x = 1 with L = 2, σ = 1: a step of α = ¼ leads to ½ - ¼ or ½ + ¼, the next from there to ½ x ± ¼.
    assert long_runs.noisy_parabola([0.25], 2.0, 1.0) == (0.25**2 + 0.75**2) / 2
    ends = [half / 2 + way for half in (0.25, 0.75) for way in (-0.25, 0.25)]
    assert long_runs.noisy_parabola([0.25, 0.25], 2.0, 1.0) == sum(x**2 for x in ends) / 4
    assert long_runs.slopes_of_cosine(3.0, np.zeros(1)) == -3 * math.sin(1)


def test_the_bounds_notice_the_wrong_direction(monkeypatch):
    assert long_runs.beyond_the_sum().max() == 0
    monkeypatch.setattr(long_runs, "steps", lambda *arguments: -statement.steps(*arguments))
    assert long_runs.beyond_the_sum().min() > 0
    slopes = np.stack([EVEN, EVEN, EVEN])  # never moves: ‖∇J‖² = ½, and J_max - J₀ = 1, c = 1/(2L) = 1/6
    assert long_runs.beyond_the_rate(BANDIT, slopes, 1.0).tolist() == [0, 0]
    still = np.repeat(EVEN[None], 13, axis=0)  # K = 12 is the last for which ½ ≤ 6/K holds
    assert np.count_nonzero(long_runs.beyond_the_rate(BANDIT, still, 1.0)) == 0
    assert np.count_nonzero(long_runs.beyond_the_rate(BANDIT, np.repeat(EVEN[None], 15, axis=0), 1.0)) == 2


def test_the_seed_draws_the_policies_whose_curvature_is_looked_at(monkeypatch):
    seen = []
    curvatures = Landscape.curvatures
    monkeypatch.setattr(Landscape, "curvatures", lambda self, thetas: seen.append(thetas) or curvatures(self, thetas))
    landscape = Landscape(PROCESS, 1.0, 2)
    for seed in (0, 1, 0):
        statement._curvature(landscape, seed)
    first, other, again = [thetas for thetas in seen if len(thetas) == statement.POLICIES]
    assert (first == again).all() and (first != other).any()


def test_weighted_sums():
    assert statement.decayed(np.array([1.0, 2.0, 4.0]), 0.5).tolist() == [1, 2.5, 5.25]


def test_steps_of_the_optimisers():
    gradients = np.array([[0.4], [-0.2]])
    np.testing.assert_allclose(statement.steps("sgd", gradients, 0.1, 0.9), [[-0.04], [-0.1 * (0.9 * 0.4 - 0.2)]])
    second = math.sqrt(0.01 * (0.99 * 0.16 + 0.04)) + 1e-8
    np.testing.assert_allclose(statement.steps("rmsprop", gradients, 0.1, 0.9)[1], [0.1 * 0.2 / second])
    np.testing.assert_allclose(statement.steps("adam", gradients, 0.1, 0.9)[0], [-0.1], rtol=1e-6)


def test_every_estimate_and_its_probability():
    estimates, probabilities = statement.estimator(BANDIT)(EVEN)
    assert probabilities.tolist() == [0.5, 0.5]
    assert estimates.tolist() == [[[0.5, -0.5]], [[-1.5, 1.5]]]  # r (1[a] - π)


@pytest.mark.parametrize(("gamma", "horizon", "states"), [(0.0, 1, 1), (0.0, 4, 3), (1.0, 1, 3), (1.0, 4, 1)])
def test_verdicts_at_the_extremes(gamma, horizon, states):
    check = statement.check(gamma, horizon, states, seed=7)
    assert check.passed
    wrong = [row for row in check.comparisons if row.wrong]
    assert len(wrong) == 7
    assert all(row.difference > 1e6 * row.bound for row in wrong)


def test_j_rises_with_one_sign_and_falls_with_the_other():
    lines = {line.name: np.array(line.y) for line in statement.check().pictures[0].series}
    assert (np.diff(lines["∇J, α = 1/L"]) > 0).all()
    assert (np.diff(lines["the source text's sign, α = 1/L"]) < 0).all()
    assert lines["∇J, α = 10/L"][-1] > lines["∇J, α = 1/L"][-1]
