"""The table of all weights says what is computed now."""

import numpy as np
import pytest

from pg_core.proofs import STATEMENTS, mdp, weights
from pg_core.proofs.weights import ESTIMATORS, NO_BIAS, PATH, controls, figures


@pytest.fixture(scope="module")
def computed() -> list[weights.Figures]:
    return weights.computed()


def test_the_page_is_what_the_generator_writes(computed, monkeypatch):
    monkeypatch.setattr(weights, "computed", lambda: computed)
    assert PATH.read_text(encoding="utf-8") == weights.page(), "stale: run `python -m pg_core.proofs.weights`"


def test_what_is_unbiased(computed):
    unbiased = [each.formula for each, found in zip(ESTIMATORS, computed, strict=False) if found.bias < NO_BIAS]
    assert len(unbiased) == 5
    assert all("G₀" in formula or "γᵗ" in formula for formula in unbiased)
    assert [found.bias < NO_BIAS for found in computed[len(ESTIMATORS) :]] == [True, True]
    assert all(found.bias < NO_BIAS or found.bias > 0.01 for found in computed)


def test_the_plainest_row_by_hand(computed):
    # Two independent episodes: half of one episode's variance.
    process, theta = mdp.random_mdp(2, 0), mdp.random_policy(2, 0)
    single = mdp.every_batch(process, 3)
    returns = sum(0.9**t * single.rewards[t, :, 0] for t in range(3))
    scores = mdp.scores(theta, single).sum(axis=(0, 2))
    chances = mdp.probabilities(theta, single)
    steps = returns[:, None, None] * scores
    mean = np.einsum("n,nsa->sa", chances, steps)
    variance = np.einsum("n,nsa->", chances, (steps - mean) ** 2) / 2
    assert computed[0].variance == pytest.approx(variance)
    assert computed[0].relative_variance == pytest.approx(variance / (mean**2).sum())


def test_figures_by_hand():
    process, theta = mdp.random_mdp(1, 0), np.zeros((1, 2))
    batches = mdp.every_batch(process, 1)  # two actions, even chances
    steps = np.array([[[2.0, 0.0]], [[0.0, 2.0]]])
    found = figures(theta, batches, steps, np.array([[1.0, 0.0]]))
    np.testing.assert_allclose(found, [1, 45, 2, 1])


def test_controls_are_named_as_on_the_page():
    assert controls(ESTIMATORS[0].settings) == "Weights: whole-episode return G₀"
    assert controls({}) == "Weights: reward-to-go Gₜ; Step discount: on"
    assert controls(ESTIMATORS[-1].settings).endswith("Normalise advantages: on; Reduction: per step")
    assert {each.statement for each in ESTIMATORS} <= set(STATEMENTS)
