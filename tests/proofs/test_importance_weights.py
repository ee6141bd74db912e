"""Ratios, weights and the clipped objective by hand, and how far biased estimates are off."""

import numpy as np
import pytest

from pg_core import proofs
from pg_core.proofs import importance_weights as statement
from pg_core.proofs import mdp
from pg_core.proofs.gradient_domination import stay_or_end
from pg_core.proofs.importance_weights import NEW, OLD
from pg_core.proofs.programs import compute

# Stay (1) or end (2), T = 2: episodes "end", "stay, stay", "stay, end"; π(end) goes from ¼ to ¾.
EPISODES = mdp.every_batch(stay_or_end(False), 2)


def rows(**parameters):
    return {row.claim: row for row in proofs.run("importance_weights", **parameters).comparisons}


def episode(*actions):
    """The index of the episode of these actions."""
    played = [EPISODES.actions[EPISODES.mask[:, n, 0] > 0, n, 0].tolist() for n in range(EPISODES.mask.shape[1])]
    return played.index(list(actions))


def test_ratios_by_hand():
    q = compute(statement.ratios, OLD, NEW, EPISODES)[..., 0]
    np.testing.assert_allclose(q[:, episode(1)], [3, 1])
    np.testing.assert_allclose(q[:, episode(0, 1)], [1 / 3, 3])
    np.testing.assert_allclose(compute(statement.weights, OLD, NEW, EPISODES)[episode(0, 0)], 1 / 9)


def test_a_table_for_each_episode_is_looked_up_there():
    tables = np.stack([OLD, NEW, OLD])
    q = compute(statement.ratios, OLD, tables, EPISODES)[..., 0]
    np.testing.assert_allclose(q[:, [0, 2]], 1)
    np.testing.assert_allclose(q[:, 1], compute(statement.ratios, OLD, NEW, EPISODES)[:, 1, 0])


def test_each_reward_is_weighed_by_the_choices_before_it():
    found = compute(statement.per_decision, OLD, NEW, EPISODES, 0.5)[..., 0]
    # stay, end: q₀ r₀ = 1/3, γ q₀ q₁ r₁ = ½ · 1 · 2
    np.testing.assert_allclose(found[:, episode(0, 1)], [1 / 3 + 1, 1])


def test_the_clipped_objective_by_hand():
    found = compute(statement.clipped, NEW, OLD, EPISODES, 1.0)
    # end: min(3, 1.2) · 2; stay, end: min(1/3, 0.8) · 3 + min(3, 1.2) · 2
    assert found[episode(1)] == pytest.approx(2.4)
    assert found[episode(0, 1)] == pytest.approx(1 + 2.4)
    # What ends is clipped. Staying has the score ¾ (1, -1): q Ĝ = 1/3 · 3
    gradients = compute(statement.clipped_gradients, NEW, OLD, EPISODES, 1.0)
    np.testing.assert_allclose(gradients[episode(1)], 0, atol=1e-15)
    np.testing.assert_allclose(gradients[episode(0, 1)], [[0.75, -0.75], [0, 0]], atol=1e-15)


def test_a_negative_advantage_is_clipped_below():
    worse = EPISODES._replace(rewards=-EPISODES.rewards)
    found = compute(statement.clipped, NEW, OLD, worse, 1.0)
    assert found[episode(1)] == pytest.approx(-2 * 3)
    assert found[episode(0, 1)] == pytest.approx(-3 * 0.8 - 2 * 3)
    q, worth = compute(statement.ratios, OLD, NEW, worse), compute(statement.credit, worse, 1.0)
    np.testing.assert_array_equal(statement.unclipped_steps(q, worth)[:, episode(0, 1), 0], [0, 1])


def test_the_example_of_the_text():
    found = rows()
    clipped = found["… clipped, E₀ of the gradient = ∇J(θ)"]
    assert (clipped.left[0], clipped.right[0]) == (pytest.approx(0.5625), pytest.approx(0.09375))
    assert found["… clipped, = ∇U(θ)"].right[0] == pytest.approx(-0.09375)
    assert found["stay (1) or end (2), ¼ to ¾: each step's own ratio qₜ, E₀ = ∇J(θ)"].left[0] == pytest.approx(-0.09375)


@pytest.mark.parametrize(("horizon", "gamma"), [(1, 0.9), (3, 0.0)])
def test_one_ratio_is_enough_without_a_future(horizon, gamma):
    process, (played, theta) = mdp.random_mdp(2, 4), (mdp.random_policy(2, seed) for seed in (4, 5))
    found = statement.surrogate_gradient(process, played, theta, gamma, horizon)
    np.testing.assert_allclose(found, mdp.objective_gradient(process, theta, gamma, horizon), atol=1e-14)


def test_the_pictures():
    biases, variances = statement.check().pictures
    plain, cut, weighed = (np.array(line.y) for line in biases.series)
    np.testing.assert_allclose(weighed, 0, atol=1e-12)
    np.testing.assert_allclose([plain[0], cut[0]], 0, atol=1e-12)
    assert plain[1:].min() > 0.05
    assert cut[1:].min() > 0.05
    near = variances.series[0].y
    np.testing.assert_allclose(near, 1.01 ** np.array([1, 5, 20, 100]) - 1)
