"""Three episodes with their rewards-to-go; a dot is a row after the end:

episode 0   t=0: 6   t=1: 3
episode 1   t=0: 4   .
episode 2   t=0: 5   .
"""

import itertools
import math

import numpy as np
import pytest

from pg_core.presets import PRESETS
from pg_core.proofs import mdp
from pg_core.proofs.default_estimator import (
    SETTINGS,
    advantages,
    angle,
    check,
    counted,
    covariance_over_deviation,
    gates,
    same_weights,
    treacherous,
    unordered_batches,
)
from pg_core.proofs.leave_one_out import from_one_state
from pg_core.proofs.mdp import Batches

REWARDS = np.array([[[3.0, 4, 5]], [[3, 0, 0]]])  # [T, N, B] = [2, 1, 3]
MASK = np.array([[[1.0, 1, 1]], [[1, 0, 0]]])
ACTIONS = np.array([[[1, 0, 1]], [[0, 0, 0]]], np.int32)
BATCH = Batches(0 * ACTIONS, ACTIONS, REWARDS, MASK, np.ones(1))


def test_the_settings_are_the_front_pages():
    assert (PRESETS["best"].values["episodes_per_update"], SETTINGS["gamma"]) == (3, 1.0)
    assert (SETTINGS["baseline"], SETTINGS["normalize_advantages"]) == ("leave_one_out", True)
    assert (SETTINGS["weights"], SETTINGS["reduction"]) == ("reward_to_go", "step")


def test_one_batch_by_hand():
    a = [6 - (4 + 5) / 2, 4 - (6 + 5) / 2, 5 - (6 + 4) / 2, 3]  # 1.5, -1.5, 0, and 3 of the episode that is alone
    np.testing.assert_allclose(advantages(BATCH)[:, 0], [a[:3], [a[3], 0, 0]])
    mean = 3 / 4
    deviation = math.sqrt(sum((x - mean) ** 2 for x in a) / 4)
    p = 0.5  # of action 1, whose logit's score is 1 - p or -p
    scores = [1 - p, -p, 1 - p, -p]
    step = sum((x - mean) / deviation * s for x, s in zip(a, scores, strict=True)) / 4
    found = covariance_over_deviation(np.zeros((1, 2)), BATCH)
    np.testing.assert_allclose(found, [[[-step, step]]])


@pytest.mark.parametrize(
    ("reached", "rewards", "same"),
    [
        ([2, 2, 2], [[3, 4, 5], [3, 0, 0]], True),  # one length
        ([2, 1, 1], [[3, 4, 5], [3, 0, 0]], False),  # alone
        ([2, 1, 1], [[3, 4, 5], [0, 0, 0]], True),  # alone, without a return
        ([2, 2, 1], [[3, 4, 5], [3, 0, 0]], False),
        ([2, 2, 1], [[3, 4, 5], [3, 3, 0]], True),  # two are left, and differ in nothing
    ],
)
def test_where_both_baselines_agree(reached, rewards, same):
    mask = (np.arange(2)[:, None, None] < np.array(reached)).astype(float)
    batch = BATCH._replace(mask=mask, rewards=np.array(rewards, float)[:, None] * mask)
    assert same_weights(batch).tolist() == [same]


def test_unordered_batches_have_all_the_probability_and_the_same_means():
    process, theta = from_one_state(2, 0), mdp.random_policy(2, 0)
    few, all_of_them = unordered_batches(process, 2, 3), mdp.every_batch(process, 2, 3)
    assert (few.mask.shape[1], all_of_them.mask.shape[1]) == (220, 1000)  # of 10 episodes: 12 over 3, and 10³
    assert float(mdp.probabilities(theta, few).sum()) == pytest.approx(1)
    totals = [mdp.expectation(theta, each, each.rewards.sum(axis=(0, 2)) ** 3) for each in (few, all_of_them)]
    assert float(totals[0]) == pytest.approx(float(totals[1]))


def test_angles_by_hand():
    x = np.array([1.0, 0.0])
    angles = [angle(x, np.array(y)) for y in ([2.0, 0.0], [3.0, 3.0], [0.0, 1.0], [-1.0, 0.0])]
    np.testing.assert_allclose(angles, [0, 45, 90, 180])


def test_the_treacherous_choice_is_worth_less_than_nothing():
    even = np.zeros((4, 2))
    assert float(mdp.action_values(treacherous(), even, 1.0, 2)[0, 0, 0]) == pytest.approx(0.9 - 1.1)
    assert counted() == pytest.approx(0.1345, abs=1e-4)


def test_the_limit_at_the_gates_by_hand():
    # Returns 0, 0, 1 with the chances ½, ¼, ¼; G₀ has the variance ¼ · ¾, and G₁, reached by half, ½ · ½.
    squares = 1 / 4 * 3 / 4 + 1 / 2 * 1 / 4
    assert squares / (3 / 2) == pytest.approx(5 / 24)
    lengths = gates(1).mask.sum(axis=(0, 2))
    assert float(mdp.expectation(np.zeros((2, 2)), gates(1), lengths)) == pytest.approx(3 / 2)


def test_the_mean_turns_towards_the_gradient():
    degrees = check().pictures[0].series[0].y
    assert degrees[0] > 9
    assert all(later < earlier / 2 for earlier, later in itertools.pairwise(degrees))


@pytest.mark.parametrize("states", [1, 3])
def test_check_at_extremes(states):
    assert check(states).passed


def test_wrong_claims_are_rejected_by_far():
    wrong = [row for row in check().comparisons if row.wrong]
    assert len(wrong) == 6
    assert all(row.difference > 0.01 for row in wrong)
