"""The running example against the processes that the checks use, and against the trainer."""

import numpy as np
import pytest

from pg_core.proofs import example, mdp, training

# One state; action 0 stays, action 1 ends the episode.
PROCESS = mdp.Mdp(np.array([1.0]), np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.array([list(example.REWARDS)]))


def theta(stay: float) -> mdp.Array:
    return np.array([[np.log(stay / (1 - stay)), 0.0]])  # z moves the first logit alone


def test_the_three_episodes_by_hand():
    # π = (¼, ¾). J = ¾ · 2 + ¹⁄₁₆ · 2 + ³⁄₁₆ · 3 = 2.1875; V₁ = ¼ · 1 + ¾ · 2 = 1.75.
    assert example.values(0.25) == (2.1875, 1.75)
    assert [e.probability for e in example.episodes(0.25)] == [3 / 4, 1 / 16, 3 / 16]
    assert [e.returns for e in example.episodes(0.25)] == [(2,), (2, 1), (3, 2)]
    assert [e.scores for e in example.episodes(0.25)] == [(-0.25,), (0.75, 0.75), (0.75, -0.25)]
    # Episode (0, 0): 0.75 · 2 + 0.75 · 2, then 0.75 · 2 + 0.75 · 1, then 0.75 · (2 - 2.1875) + 0.75 · (1 - 1.75).
    assert example.episodes(0.25)[1].estimates == (3.0, 2.25, -0.703125)
    assert [f"{variance:.3f}" for _, variance in example.moments(0.25)] == ["1.163", "1.069", "0.080"]


@pytest.mark.parametrize("stay", [0.05, 0.25, 0.5, 0.95])
def test_the_numbers_are_those_of_the_enumerated_process_and_of_the_trainer(stay):
    batches = mdp.every_batch(PROCESS, 2)
    assert np.allclose(sorted(e.probability for e in example.episodes(stay)),
                       np.sort(mdp.probabilities(theta(stay), batches)))  # fmt: skip
    assert np.isclose(example.values(stay)[0], mdp.objective(PROCESS, theta(stay), 1.0, 2))
    for weights, moments in zip(("episode_return", "reward_to_go"), example.moments(stay), strict=False):
        steps = training.steps(theta(stay), batches, weights=weights, gamma=1.0)[:, 0, 0]
        mean = np.sum(mdp.probabilities(theta(stay), batches) * steps)
        square = np.sum(mdp.probabilities(theta(stay), batches) * steps**2)
        assert np.allclose(moments, (mean, square - mean**2))
        assert np.isclose(example.gradient(stay), mean)
