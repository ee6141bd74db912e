"""The surrogate, its error and the penalty by hand."""

import math

import numpy as np
import pytest

from pg_core import proofs
from pg_core.proofs import mdp, trust_region
from pg_core.proofs.gradient_domination import stay_or_end
from pg_core.proofs.mdp import softmax


def rows(**parameters):
    return {row.claim: row for row in proofs.run("trust_region", **parameters).comparisons}


def example(old, new, horizon=2):
    return trust_region.measure(stay_or_end(False), trust_region.ending(old), trust_region.ending(new), 1.0, horizon)


def test_an_example_by_hand():
    # From p = ¼ to ¾: J = 2 + p - p² both times; A₀ = (0.0625, -0.1875), A₁ = (-0.25, 0.75), d₁ = ¾ and ¼.
    step = example(0.25, 0.75)
    assert step.gain == pytest.approx(0, abs=1e-15)
    assert step.surrogate == pytest.approx((0.0625 - 3 * 0.1875) / 4 + 0.75 * (3 * 0.75 - 0.25) / 4)
    assert step.missed == pytest.approx(-0.25)
    np.testing.assert_allclose(step.moved, [0, 0.5])
    np.testing.assert_allclose(step.total_variation, [0.5, 0.5])
    np.testing.assert_allclose(step.kl, 0.25 * math.log(1 / 3) + 0.75 * math.log(3))
    assert step.constant == pytest.approx(2 * 0.75)
    assert step.mean_kl() == pytest.approx(step.kl[0])
    # E[length] = 1.75, and only the second step counts: Σ π' A₁ = 0.5
    assert step.mean_penalty() == pytest.approx(math.sqrt(2 * step.kl[0]) * 1.75 * 0.5)


def test_the_constant_of_the_example():
    step = example(0.5, 0.5 + 1e-3)
    np.testing.assert_allclose(step.kl, -0.5 * math.log(1 - 4e-6))
    assert -step.missed / (step.constant * step.kl[0]) == pytest.approx(0.5, rel=1e-5)


def test_the_same_policy_costs_nothing():
    policy = softmax(np.random.default_rng(0).normal(size=(2, 2)))
    step = trust_region.measure(mdp.random_mdp(2, 0), policy, policy, 0.9, 3)
    for number in (step.gain, step.surrogate, step.missed, step.mean_penalty(), *step.kl, *step.moved):
        assert number == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(("horizon", "gamma"), [(1, 0.9), (4, 0.0), (4, 1.0)])
def test_bounds_hold_and_cost_nothing_without_a_future(horizon, gamma):
    process, rng = mdp.random_mdp(3, 5), np.random.default_rng(5)
    old, new = softmax(rng.normal(size=(3, 2))), softmax(rng.normal(size=(100, 3, 2)))
    step = trust_region.measure(process, old, new, gamma, horizon)
    assert (step.constant > 0) == (horizon > 1 and gamma > 0)
    assert np.all(np.abs(step.gain - step.surrogate) <= step.constant * step.kl.max(axis=-1) + 1e-12)
    assert np.all(np.abs(step.gain - step.surrogate) <= step.mean_penalty() + 1e-12)


def test_how_far_promises_are_off():
    found = rows()
    assert found["… no penalty: J(π') ≥ J(π) + U"].difference == pytest.approx(0.04)
    assert found["… from p = ¼ to 0.99, U = 0.37 > 0: J(π') ≥ J(π)"].difference == pytest.approx(2.1875 - 2.0099)
    assert found["E[approx_kl] of single episodes taken for D"].difference > 0.01
    assert found["the bound's slope at π' = π is the trainer's E[Δθ]"].variance > 0.1


def test_the_picture_shows_where_to_stop():
    gain, surrogate, bound = (np.array(line.y) for line in trust_region.check().pictures[0].series)
    assert np.all(bound <= gain + 1e-12)
    assert np.all(np.diff(surrogate) > 0)
    assert surrogate[-1] > 0.25 > 0 > bound[-1]
    assert gain[bound.argmax()] > bound.max() > 0
