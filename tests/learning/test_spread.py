"""How weights spread over training, against sorted numbers."""

import numpy as np
import orjson
import pytest

from pg_core.learning import spread


@pytest.mark.parametrize(("count", "chosen"), [(0, 0), (1, 1), (48, 48), (49, 48), (1000, 48)])
def test_a_bounded_number_of_updates_is_evenly_chosen(count, chosen):
    updates = list(range(0, 3 * count, 3))
    found = spread.evenly(updates)
    assert len(found) == len(set(found)) == chosen and set(found) <= set(updates)
    if count:
        assert (found[0], found[-1]) == (updates[0], updates[-1])
        steps = np.diff(found)
        assert count == 1 or steps.max() - steps.min() <= 3


def test_the_quantiles_are_those_of_one_agents_kernels():
    # Of 0, 1, …, 20 the 5 % quantile is 1, the quartiles are 5, 10 and 15.
    weights = np.stack([np.zeros(21), np.random.default_rng(0).permutation(21)]).reshape(2, 3, 7)
    policies = [
        (update, {"kernel_0": weights + update, "bias_0": weights, "observation_mean": weights}) for update in (0, 8)
    ]
    found = orjson.loads(spread.to_json(policies, agent=1))
    assert found == {"updates": [0, 8], "layers": {"kernel_0": [[1, 5, 10, 15, 19], [9, 13, 18, 23, 27]]}}


def test_a_run_without_a_policy_has_no_layers():
    assert orjson.loads(spread.to_json([], agent=0)) == {"updates": [], "layers": {}}
