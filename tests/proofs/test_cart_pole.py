"""The derivation against the textbook's formulas, and how far off the wrong steps are."""

import math

import numpy as np
import pytest
import sympy

from pg_core import proofs
from pg_core.environments.cart_pole import SECONDS
from pg_core.proofs import cart_pole
from pg_core.proofs.cart_pole import ANGLE, ANGLE_DOT, FORCE, GRAVITY, LENGTH, POLE, TOTAL, X_DOT


def test_the_derivation_gives_the_textbook():
    model = cart_pole.derive()
    sine, cosine = sympy.sin(ANGLE), sympy.cos(ANGLE)
    push = (FORCE + POLE * LENGTH * ANGLE_DOT**2 * sine) / TOTAL
    angular = (GRAVITY * sine - cosine * push) / (LENGTH * (sympy.Rational(4, 3) - POLE * cosine**2 / TOTAL))
    linear = push - POLE * LENGTH * angular * cosine / TOTAL
    assert sympy.simplify(model.accelerations[0] - linear) == 0
    assert sympy.simplify(model.accelerations[1] - angular) == 0
    rod = sympy.Rational(2, 3) * POLE * LENGTH**2 * ANGLE_DOT**2
    assert model.kinetic == TOTAL * X_DOT**2 / 2 + POLE * LENGTH * X_DOT * ANGLE_DOT * cosine + rod
    assert cart_pole.power_defect(model) == 0
    assert cart_pole.power_defect(cart_pole.derive(rod=False)) == 0


def test_a_push_from_rest():
    # u = 10/1.1, θ̈ = -u / (½ (4/3 - 0.1/1.1)) = -14.634…, ẍ = u + 0.05 · 14.634… / 1.1 = 9.756…
    at_rest = np.zeros(4)
    flow = cart_pole.motion(cart_pole.derive())
    np.testing.assert_allclose(flow(at_rest, np.array(10.0)), [0, 9.75609756, 0, -14.63414634], atol=1e-8)
    after = cart_pole.semi_implicit_euler(flow, at_rest, np.array(10.0))
    np.testing.assert_allclose(after, [0.02 * 0.19512195, 0.19512195, -0.02 * 0.29268293, -0.29268293], atol=1e-8)


def test_runge_kutta_is_exact_to_the_fourth_order():
    def decay(states, force):
        return -states

    after = cart_pole.runge_kutta(decay, np.ones(1), np.zeros(()))
    h = SECONDS
    np.testing.assert_allclose(after, [1 - h + h**2 / 2 - h**3 / 6 + h**4 / 24], rtol=1e-15)


def test_an_episode_ends_beyond_its_limits_not_at_them():
    states = np.zeros((4, 2))
    states[0] = [2.4, np.nextafter(2.4, 3)]
    assert cart_pole.gymnasiums_steps(states, np.array([True, False]))[1].tolist() == [False, True]


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_how_far_off_the_wrong_steps_are(seed):
    found = {row.claim: row for row in proofs.run("cart_pole", seed=seed).comparisons}
    assert all(row.passed for row in found.values())
    assert found["a point mass for the rod: 1 for 4/3"].difference > 0.01
    assert found["positions moved by new velocities"].difference > 1e-3
    assert found["the force to the other side"].difference > 0.1
    ends = found["Gymnasium ends the episode where |x| > 2.4 or |θ| > 12°"].left
    assert 0 < sum(ends) < len(ends)


def test_a_step_from_the_upright_pole_lowers_it():
    # At θ = 0 without a force nothing is accelerated: E(s + hf) - E(s) = m g l (cos hω - 1) = -½ m g l ω² h² + …
    terms, expected = cart_pole.energy_expansion(cart_pole.derive(), np.array([[0.0], [0.0], [0.0], [2.0]]))
    np.testing.assert_allclose(terms, [[0], [-0.5 * 0.1 * 9.8 * 0.5 * 2**2]], atol=1e-12)
    np.testing.assert_allclose(expected, terms, atol=1e-12)


def test_the_error_of_a_step_is_of_the_integrators_order():
    lines = {line.name: np.log2(line.y) for line in proofs.run("cart_pole").pictures[1].series}
    for name, order in {"explicit Euler": 2, "semi-implicit Euler": 2, "Runge-Kutta": 5}.items():
        np.testing.assert_allclose(np.diff(lines[name])[-4:], order, atol=0.3)


def test_energy_of_a_free_swing():
    explicit, implicit, runge_kutta = (np.array(series.y) for series in proofs.run("cart_pole").pictures[0].series)
    scale = 0.1 * 9.8 * 0.5  # m g l
    assert explicit[-1] - explicit[0] > 0.1 * scale
    assert np.ptp(implicit) < 0.2 * scale  # to and fro, without a trend
    assert np.ptp(runge_kutta) < 1e-3 * scale


def test_formulas_are_printed_from_the_derivation():
    formulas = proofs.run("cart_pole").formulas
    assert [formula.split(" = ")[0] for formula in formulas[:2]] == ["E_k", "E_p"]
    assert formulas[-3].startswith(r"\ddot{x} = \frac{4 F")
    assert formulas[-1].endswith("= 0")
    assert not any(r"\mathtt" in formula for formula in formulas)
    assert math.isclose(cart_pole.MAX_ANGLE, 0.20943951, abs_tol=1e-8)
