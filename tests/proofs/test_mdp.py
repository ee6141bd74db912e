"""What enumerates small processes, against arithmetic by hand."""

import numpy as np
import pytest
import tensorflow as tf

from pg_core.proofs import mdp

THETA = np.log([[0.25, 0.75]])
# From the only state, action 0 always stays and earns 1, action 1 always ends and earns 2.
PROCESS = mdp.Mdp(np.ones(1), np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.array([[1.0, 2.0]]))


def test_every_episode_of_two_steps():
    batches = mdp.every_batch(PROCESS, 2)
    # Action 1 ends at once; action 0 is followed by either.
    assert sorted(zip(batches.actions[0, :, 0], batches.actions[1, :, 0], batches.mask[1, :, 0], strict=True)) == [
        (0, 0, 1), (0, 1, 1), (1, 0, 0)
    ]  # fmt: skip
    np.testing.assert_allclose(np.sort(mdp.probabilities(THETA, batches)), [0.25 * 0.25, 0.25 * 0.75, 0.75])
    assert (batches.rewards * (1 - batches.mask) == 0).all()


@pytest.mark.parametrize("num_episodes", [1, 2, 3])
def test_batches_are_all_tuples_of_episodes(num_episodes):
    batches = mdp.every_batch(PROCESS, 2, num_episodes)
    assert batches.mask.shape == (2, 3**num_episodes, num_episodes)
    assert float(mdp.probabilities(THETA, batches).sum()) == pytest.approx(1)


def test_values_by_hand():
    last = 0.25 * 1 + 0.75 * 2
    values = mdp.values(PROCESS, THETA, 0.5, 2)
    np.testing.assert_allclose(values, [[0.25 * (1 + 0.5 * last) + 0.75 * 2], [last], [0]])
    np.testing.assert_allclose(mdp.action_values(PROCESS, THETA, 0.5, 2), [[[1 + 0.5 * last, 2]], [[1, 2]]])


def test_where_the_policy_is_by_hand():
    np.testing.assert_allclose(mdp.onward(PROCESS, THETA), [[0.25]])
    np.testing.assert_allclose(mdp.state_distributions(PROCESS, THETA, 3), [[1], [0.25], [0.25**2]])


def test_softmax_by_hand():
    np.testing.assert_allclose(mdp.softmax(np.log([[1.0, 3.0]])), [[0.25, 0.75]])


def test_mean_and_variance_of_one_pull_by_hand():
    pulls = mdp.every_batch(PROCESS, 1)
    found = mdp.estimates(THETA, pulls, pulls.rewards)[:, 0]  # r (one_hot(a) - π)
    np.testing.assert_allclose(found, [[0.75, -0.75], [-0.5, 0.5]])
    mean = 0.25 * 0.75 + 0.75 * -0.5
    np.testing.assert_allclose(mdp.expectation(THETA, pulls, found), [mean, -mean])
    second = 2 * (0.25 * 0.75**2 + 0.75 * 0.5**2)
    assert float(mdp.total_variance(THETA, pulls, found)) == pytest.approx(second - 2 * mean**2)


def test_a_gradient_is_a_tensor_even_of_looked_up_rows():
    found = mdp.gradient(lambda table: tf.reduce_sum(tf.gather(table, [0, 0])), THETA)
    np.testing.assert_array_equal(found, [[2, 2]])
