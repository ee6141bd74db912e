"""Statistics by hand, and how far off the wrong ones are."""

import numpy as np
import pytest

from pg_core import proofs
from pg_core.proofs import mdp, variance


def rows(**parameters):
    return {row.claim: row for row in proofs.run("variance", **parameters).comparisons}


def test_signal_and_noise_by_hand():
    gradients = np.array([[[1.0, 0.0], [3.0, 0.0]]])  # mean (2, 0), Σ̂ = diag(2, 0), tr Σ̂ / 2 = 1
    np.testing.assert_allclose(variance.squared_norm(gradients), [4])
    np.testing.assert_allclose(variance.squared_noise(gradients), [1])
    np.testing.assert_allclose(variance.explicit_snr(gradients), [2])
    same = np.array([[[1.0, 2.0], [1.0, 2.0]]])
    np.testing.assert_array_equal(variance.squared_noise(same), [0])


def test_noise_of_two_by_hand():
    # Angles of 22.5°, 67.5°, …: of 22.5°, (cos + sin) / (cos - sin) = tan 67.5° = 1 + √2, and so on in turn.
    np.testing.assert_allclose(np.sort(variance.noise_of_two(8)), [2**0.5 - 1] * 4 + [2**0.5 + 1] * 4)


def test_the_middle_and_its_interval_by_hand():
    assert variance.explicit_middle(np.array([9.0, 1.0, 2.0, 4.0])) == 3  # of 2 and 4
    assert variance.explicit_middle(np.array([9.0, 1.0, 2.0])) == 4  # ⌊3/4⌋ = 0 are left out
    np.testing.assert_array_equal(variance.explicit_interval(np.full(5, 7.0)), [7, 7])


def test_errors_of_batches_by_hand():
    drawn = np.array([[[1.0, 0.0]], [[3.0, 0.0]], [[5.0, 1.0]], [[5.0, 1.0]], [[9.0, 9.0]]])
    np.testing.assert_allclose(variance.squared_errors(drawn, np.array([[1.0, 0.0]]), 2), [1, 16 + 1])


def test_episodes_are_played_as_the_process_says():
    process, theta = mdp.random_mdp(2, seed=3), mdp.random_policy(2, seed=3)
    played = variance.play(process, theta, horizon=3, num_episodes=20_000, seed=0)
    policy = mdp.softmax(theta)
    lengths = played.mask[..., 0]
    assert set(np.diff(lengths, axis=0).ravel()) == {0, -1}  # what has ended does not begin again
    np.testing.assert_array_equal(played.rewards, process.rewards[played.states, played.actions] * played.mask)
    np.testing.assert_allclose((played.states[0] == 1).mean(), process.start[1], atol=0.02)
    np.testing.assert_allclose(played.actions[0][played.states[0] == 1].mean(), policy[1, 1], atol=0.02)
    goes_on = process.start @ (policy * process.transitions[..., :-1].sum(axis=2)).sum(axis=1)
    np.testing.assert_allclose(lengths[1].mean(), goes_on, atol=0.02)


@pytest.mark.parametrize(("gamma", "horizon"), [(0.0, 3), (1.0, 1), (1.0, 2)])
def test_steps_are_independent_only_where_one_is_left(gamma, horizon):
    row = rows(gamma=gamma, horizon=horizon, samples=1000)["steps as if independent: σ² = Σₜ tr Cov[xₜ]"]
    assert row.wrong == (gamma > 0 and horizon > 1)
    assert row.passed
    assert (row.difference > 1e-3) == row.wrong


@pytest.mark.parametrize("states", [1, 3])
def test_of_one_step_leave_one_out_hides_as_much_noise_as_there_is_signal(states):
    found = rows(horizon=1, states=states, samples=1000)
    signal = found["the norm of the estimate: E‖ḡ‖² = ‖∇J‖²"].right[0]
    hidden = found["the same with leave-one-out, B = 2: E[(‖ḡ‖/SNR)²] = Var[ḡ]"]
    assert hidden.right[0] - hidden.left[0] == pytest.approx(signal)  # ‖∇J‖² / (B - 1)²
    assert all(row.passed for row in found.values())


def test_the_picture_falls_by_the_root():
    measured, line = proofs.run("variance").pictures[0].series
    assert measured.x == line.x
    assert line.y[0] / line.y[line.x.index(100)] == pytest.approx(10)
    np.testing.assert_allclose(measured.y[:7], line.y[:7], rtol=0.2)  # up to batches of 100
