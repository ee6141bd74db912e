"""The probability of a trajectory, by hand for two steps in one state, and what the check refuses."""

import numpy as np
import pytest

from pg_core.proofs import mdp, run, trajectory

# One state: action 0 ends the episode with probability ¼, action 1 with ¾. π = (¼, ¾).
PROCESS = mdp.Mdp(np.ones(1), np.array([[[0.75, 0.25], [0.25, 0.75]]]), np.array([[1.0, 2.0]]))
THETA = np.array([[0.0, np.log(3.0)]])


def test_two_steps_by_hand():
    batches = mdp.every_batch(PROCESS, 2)
    by_hand = {
        ((0, 1), (0, 0)): 1 / 4 * 1 / 4,  # action 0, then the end
        ((0, 1), (1, 0)): 3 / 4 * 3 / 4,
        ((0, 0), (0, 0)): 1 / 4 * 3 / 4 * 1 / 4,
        ((0, 0), (0, 1)): 1 / 4 * 3 / 4 * 3 / 4,
        ((0, 0), (1, 0)): 3 / 4 * 1 / 4 * 1 / 4,
        ((0, 0), (1, 1)): 3 / 4 * 1 / 4 * 3 / 4,
    }
    keys = zip(trajectory.path(batches, end=1).T.tolist(), batches.actions[..., 0].T.tolist(), strict=True)
    expected = [by_hand[tuple(seen), tuple(actions)] for seen, actions in keys]
    assert len(expected) == len(by_hand)
    np.testing.assert_allclose(trajectory.product(PROCESS, THETA, batches), expected, rtol=1e-14)


def test_marginals_by_hand():
    rows = np.array([[0, 0, 1], [0, 1, 0]])
    np.testing.assert_allclose(trajectory.marginal(rows, np.array([0.2, 0.3, 0.5])), [0.2, 0.3, 0.5])
    np.testing.assert_allclose(trajectory.marginal(rows[:1], np.array([0.2, 0.3, 0.5])), [0.5, 0.5, 0.5])


@pytest.mark.parametrize(("horizon", "states"), [(1, 1), (1, 3), (2, 1), (2, 2), (3, 1), (4, 3)])
def test_what_is_wrong_is_found_where_it_is_wrong(horizon, states):
    *_, visits, hidden, padded, early = run("trajectory", horizon=horizon, states=states).comparisons
    for row in (visits, padded, early):
        assert row.wrong == (horizon > 1)
        assert row.passed
        assert row.difference > 0.01 or horizon == 1
    assert hidden.wrong == (horizon > 2 and states > 1)
    assert hidden.passed


def test_bars_are_probabilities():
    (picture,) = run("trajectory").pictures
    assert [sum(bars.y) for bars in picture.series] == pytest.approx([1, 1])
