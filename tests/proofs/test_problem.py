"""What the episodes of the check must show, and its pieces by hand."""

import numpy as np
import pytest

from pg_core import proofs
from pg_core.engines import Trajectories
from pg_core.proofs import problem


@pytest.fixture(scope="module")
def played() -> Trajectories:
    return problem.play(0)


def test_the_balancing_rule_by_hand():
    states = np.array([[0.0, 0, 0.1, 0], [0, 0, -0.1, 0], [0, 0, -0.1, 1], [0, 1, 0, 0], [-3, 0, 0.05, 0]])
    np.testing.assert_array_equal(problem.balance(states, np.zeros(5)), [1, 0, 1, 1, 0])  # 0.3 · 3 > 10 · 0.05


def test_some_episodes_last_and_some_fail(played):
    lengths = played.mask.sum(axis=0)
    assert (lengths[0] == 500).all() and (lengths[1:] < 200).all()
    assert played.truncated.tolist() == [[True] * 3, [False] * 3, [False] * 3]
    assert (played.terminated != played.truncated).all()


def test_one_step_by_hand(played):
    # Positions move by the old velocities, times 0.02.
    x, x_dot, lean, lean_dot = np.moveaxis(played.observations, -1, 0)
    after = problem.ahead(played)
    np.testing.assert_allclose(after[..., 0], x + 0.02 * x_dot, atol=1e-7)
    np.testing.assert_allclose(after[..., 2], lean + 0.02 * lean_dot, atol=1e-7)


def test_the_picture_ends_beyond_the_limit(played):
    lines = {series.name: series for series in problem.check().pictures[0].series}
    assert abs(lines["always to the right"].y[-1]) > 12 > max(map(abs, lines["always to the right"].y[:-1]))
    assert len(lines["always to the right"].y) == played.mask[:, 2, 0].sum() + 1
    assert max(map(abs, lines["balanced"].y)) < 12


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_wrong_claims_are_rejected_by_far(seed):
    rows = proofs.run("problem", seed=seed).comparisons
    assert all(row.passed for row in rows)
    assert len([row for row in rows if row.wrong]) == 7
    assert all(row.difference > 1e-3 for row in rows if row.wrong)
