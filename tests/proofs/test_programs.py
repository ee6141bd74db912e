"""Programs give what their functions do, for arrays of any length, and are traced once."""

import numpy as np
import tensorflow as tf

from pg_core.proofs import programs

traced = []


def weighed(pair: tuple[tf.Tensor, tf.Tensor], factor: tf.Tensor, power: int) -> dict[str, tf.Tensor]:
    traced.append(power)
    return {"sum": tf.reduce_sum(factor * pair[0]) + tf.reduce_sum(pair[1]), "power": factor**power}


def test_one_trace_is_for_every_length_and_number():
    for length in (3, 5):
        found = programs.compute(weighed, (np.ones(length), np.eye(length)), 0.5, power=2)
        assert found == {"sum": 1.5 * length, "power": 0.25}
        assert isinstance(found["sum"], np.ndarray)
    assert programs.compute(weighed, (np.ones(3), np.eye(3)), 0.5, power=3)["power"] == 0.125
    assert traced == [2, 3]
