"""Every verdict is right, whatever the process and the parameters."""

import itertools
from collections.abc import Iterator

import pytest

from pg_core import proofs
from pg_core.proofs import PARAMETERS, STATEMENTS
from tests.programs import unoptimized

SEEDS, GAMMAS = range(20), (0.0, 0.5, 0.9, 1.0)

Settings = dict[str, int | float]


@pytest.fixture(autouse=True, scope="module")
def as_checked() -> Iterator[None]:
    """Have TensorFlow run programs as they are traced, as `check` does."""
    with unoptimized():
        yield


def twenty_processes_and_every_discount(name: str) -> list[Settings]:
    return every(seed=SEEDS, **({"gamma": GAMMAS} if "gamma" in STATEMENTS[name] else {}))


def every_size(name: str) -> list[Settings]:
    sizes = {key: range(low, high + 1) for key, (low, high) in bounds(name).items()}
    return every(seed=[1234], **sizes) if "states" in sizes else []


def where_everything_is_extreme(name: str) -> list[Settings]:
    sizes = {key: (low, high - 1) for key, (low, high) in bounds(name).items()}
    return every(seed=[4321], gamma=(0.0, 1.0), **sizes) if "gamma" in STATEMENTS[name] else []


def bounds(name: str) -> dict[str, tuple[int, int]]:
    sizes = {key: PARAMETERS[key] for key in ("horizon", "states") if key in STATEMENTS[name]}
    return {key: (int(parameter.low), int(parameter.high)) for key, parameter in sizes.items()}


def every(**values) -> list[Settings]:
    """Return all combinations of values, the last ones changing fastest: a seed's networks are compared once."""
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


# One test for each statement: its settings share what is traced.
@pytest.mark.parametrize("name", STATEMENTS)
def test_verdicts_are_right(name):
    settings = twenty_processes_and_every_discount(name) + every_size(name) + where_everything_is_extreme(name)
    for setting in settings:
        assert not [f"{setting}: {row}" for row in proofs.run(name, **setting).comparisons if not row.passed]
