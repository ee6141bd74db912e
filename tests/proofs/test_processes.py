"""Every verdict is right, whatever the process and the parameters."""

import itertools
from collections.abc import Iterator

import pytest
import tensorflow as tf

from pg_core import proofs, runtime
from pg_core.proofs import PARAMETERS, STATEMENTS

SEEDS, GAMMAS = range(20), (0.0, 0.5, 0.9, 1.0)
SIZES = {key: (PARAMETERS[key].low, PARAMETERS[key].high) for key in ("horizon", "states")}


@pytest.fixture(autouse=True, scope="module")
def as_checked() -> Iterator[None]:
    """Have TensorFlow run programs as they are traced, as `check` does."""
    runtime.skip_optimization()
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


def failures(name: str, **parameters) -> list[str]:
    """What a check got wrong."""
    return [f"{parameters}: {row}" for row in proofs.run(name, **parameters).comparisons if not row.passed]


@pytest.mark.parametrize("name", STATEMENTS)
def test_verdicts_are_right_for_twenty_processes_and_every_discount(name):
    gammas = GAMMAS if "gamma" in STATEMENTS[name] else (None,)
    settings = [{"seed": seed} | ({} if gamma is None else {"gamma": gamma}) for seed in SEEDS for gamma in gammas]
    assert not [failure for setting in settings for failure in failures(name, **setting)]


@pytest.mark.parametrize("name", [name for name, keys in STATEMENTS.items() if "states" in keys])
def test_verdicts_are_right_for_every_size(name):
    sizes = {key: range(low, high + 1) for key, (low, high) in SIZES.items() if key in STATEMENTS[name]}
    for chosen in itertools.product(*sizes.values()):
        assert not failures(name, seed=1234, **dict(zip(sizes, chosen, strict=True)))


@pytest.mark.parametrize("name", [name for name, keys in STATEMENTS.items() if "gamma" in keys])
def test_verdicts_are_right_where_everything_is_extreme(name):
    sizes = {key: (low, high - 1) for key, (low, high) in SIZES.items() if key in STATEMENTS[name]}
    for gamma, *chosen in itertools.product((0.0, 1.0), *sizes.values()):
        assert not failures(name, seed=4321, gamma=gamma, **dict(zip(sizes, chosen, strict=True)))
