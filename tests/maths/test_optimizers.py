"""Three steps of each optimiser by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from pg_core.maths import OPTIMIZERS, Slots

GRADIENTS = (0.4, -0.2, 1.0)
ALPHA, MU = 0.1, 0.9


def steps(optimizer: str, gradients=GRADIENTS, learning_rate=ALPHA, momentum=MU) -> list[float]:
    """The step for each gradient, one after the other, in float64."""
    slots = Slots(tf.zeros(1, tf.float64), tf.zeros(1, tf.float64))
    result = []
    for k, gradient in enumerate(gradients, start=1):
        numbers = [tf.constant(x, tf.float64) for x in (k, learning_rate, momentum)]
        delta, slots = OPTIMIZERS[optimizer](tf.constant([gradient], tf.float64), slots, *numbers)
        result.append(float(delta[0]))
    return result


def test_sgd_with_momentum():
    velocity1 = 0.4
    velocity2 = 0.9 * velocity1 - 0.2
    velocity3 = 0.9 * velocity2 + 1.0
    np.testing.assert_allclose(steps("sgd"), [-0.1 * velocity1, -0.1 * velocity2, -0.1 * velocity3], rtol=1e-14)


def test_sgd_without_momentum_goes_down_the_gradient():
    np.testing.assert_allclose(steps("sgd", momentum=0.0), [-0.1 * g for g in GRADIENTS], rtol=1e-15)


def test_rmsprop():
    second1 = 0.01 * 0.4**2
    second2 = 0.99 * second1 + 0.01 * 0.2**2
    second3 = 0.99 * second2 + 0.01 * 1.0**2
    expected = [
        -0.1 * 0.4 / (math.sqrt(second1) + 1e-8),
        -0.1 * -0.2 / (math.sqrt(second2) + 1e-8),
        -0.1 * 1.0 / (math.sqrt(second3) + 1e-8),
    ]
    np.testing.assert_allclose(steps("rmsprop"), expected, rtol=1e-14)


def test_adam():
    first1, second1 = 0.1 * 0.4, 0.001 * 0.4**2
    first2, second2 = 0.9 * first1 + 0.1 * -0.2, 0.999 * second1 + 0.001 * 0.2**2
    first3, second3 = 0.9 * first2 + 0.1 * 1.0, 0.999 * second2 + 0.001 * 1.0**2
    expected = [
        -0.1 * (first1 / (1 - 0.9)) / (math.sqrt(second1 / (1 - 0.999)) + 1e-8),
        -0.1 * (first2 / (1 - 0.9**2)) / (math.sqrt(second2 / (1 - 0.999**2)) + 1e-8),
        -0.1 * (first3 / (1 - 0.9**3)) / (math.sqrt(second3 / (1 - 0.999**3)) + 1e-8),
    ]
    np.testing.assert_allclose(steps("adam"), expected, rtol=1e-12)


@pytest.mark.parametrize("gradient", [1e-3, -0.7, 1e4])
def test_adam_first_step_is_the_learning_rate_whatever_the_gradient(gradient):
    np.testing.assert_allclose(steps("adam", [gradient]), [-math.copysign(0.1, gradient)], rtol=2e-5)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_gradient_of_zero_and_a_learning_rate_of_zero_are_no_step(optimizer):
    assert steps(optimizer, [0.0, 0.0]) == [0, 0]
    assert steps(optimizer, learning_rate=0.0) == [0, 0, 0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_parabola_is_descended(optimizer):
    position, slots = tf.constant([3.0, -2.0]), Slots(tf.zeros(2), tf.zeros(2))
    for k in range(1, 501):
        delta, slots = OPTIMIZERS[optimizer](position, slots, tf.constant(float(k)), tf.constant(0.02), tf.constant(MU))
        position += delta
    assert np.abs(position).max() < 0.05
