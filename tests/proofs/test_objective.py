"""The objective of a process that is worked out by hand, means of batches, and what solved says."""

import math

import numpy as np
import pytest

from pg_core.environments import describe
from pg_core.proofs import mdp, objective, run

# One state: action 0 earns 1 and goes on, action 1 earns 2 and ends the episode. π = (½, ½), two steps.
PROCESS = mdp.Mdp(np.ones(1), np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.array([[1.0, 2.0]]))
THETA = np.zeros((1, 2))
V1 = 1.5
V0 = 1.5 + 0.5 * 0.9 * V1


def test_values_by_hand():
    batches = mdp.every_batch(PROCESS, 2)
    np.testing.assert_allclose(objective.conditional_returns(THETA, batches, 0.9), [[V0], [V1]], rtol=1e-14)
    returns = objective.mean_return(batches, 0.9)
    assert sorted(returns) == pytest.approx([1 + 0.9, 2, 1 + 0.9 * 2])
    assert float(mdp.expectation(THETA, batches, returns)) == pytest.approx(V0)


def test_two_means_of_two_episodes_by_hand():
    pairs = mdp.every_batch(PROCESS, 2, 2)
    short_and_long = np.flatnonzero(pairs.mask.sum(axis=(0, 2)) == 3)
    returns = pairs.rewards.sum(axis=0)[short_and_long]
    lengths = pairs.mask.sum(axis=0)[short_and_long]
    np.testing.assert_allclose(objective.mean_return(pairs, 1.0)[short_and_long], returns.mean(axis=1))
    by_steps = (lengths * returns).sum(axis=1) / 3
    np.testing.assert_allclose(objective.mean_over_steps(pairs, 1.0)[short_and_long], by_steps)


def test_solved_is_a_matter_of_chance():
    assert objective.chance_to_pass(1.0) == 1
    assert objective.chance_to_pass(0.0) == 0
    by_hand = sum(math.comb(100, k) * 0.05**k * 0.95 ** (100 - k) for k in range(6))
    assert objective.chance_to_pass(0.95) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.616, abs=1e-3)


def test_the_numbers_are_cart_poles():
    spec = describe("CartPole-v1")
    assert (spec.max_episode_steps, spec.reward_threshold) == (objective.FULL_RETURN, objective.THRESHOLD)


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("horizon", [1, 2])
@pytest.mark.parametrize("states", [1, 3])
def test_what_is_wrong_is_found_where_it_is_wrong(gamma, horizon, states):
    *_, over_steps, undiscounted, _, _, _, solved = run(
        "objective", gamma=gamma, horizon=horizon, states=states
    ).comparisons
    assert over_steps.wrong == (horizon > 1)
    assert undiscounted.wrong == (gamma < 1 and horizon > 1)
    assert solved.wrong
    assert solved.difference == pytest.approx(0.616, abs=1e-3)
    assert over_steps.passed
    assert undiscounted.passed
    assert not over_steps.wrong or over_steps.difference > 1e-3
    assert not undiscounted.wrong or undiscounted.difference > 0.01
