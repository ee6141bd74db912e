"""The checks stand guard over the code that trains: whoever breaks it, in however small a way, is found out."""

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import pytest
import tensorflow as tf

from pg_core import maths, proofs
from pg_core.learning import reinforce
from pg_core.proofs import episodes, programs, training
from pg_core.proofs.verdicts import Comparison
from tests.proofs.mutations import MUTATIONS


class FoundOutError(Exception):
    """A verdict is wrong: the rest of the check need not be computed."""


@pytest.fixture(autouse=True)
def operation_by_operation(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have TensorFlow run what is broken as it is written: it is run once, and to trace it takes far longer."""

    def applied(function: Callable[..., Any], arrays: Any, fixed: dict[str, Hashable]) -> Callable[..., Any]:
        return functools.partial(function, **fixed)

    def updated(choices: tuple[int, ...], *_: Any) -> Callable[..., Any]:
        return functools.partial(reinforce.update, choices=choices)

    monkeypatch.setattr(programs, "_program", applied)
    monkeypatch.setattr(training, "_program", updated)
    forget()
    yield
    forget()


def forget() -> None:
    """Have checks compute again what they keep; but SymPy's derivation stands on nothing that is broken here."""
    for name, module in list(sys.modules.items()):
        if name.startswith("pg_core.proofs.") and not name.endswith(".cart_pole"):
            for thing in vars(module).values():
                if hasattr(thing, "cache_clear"):
                    thing.cache_clear()


@pytest.mark.parametrize(("module", "old", "new", "statement"), MUTATIONS, ids=lambda text: text[:40])
def test_a_small_mistake_is_found_out(module, old, new, statement, monkeypatch):
    compare = Comparison.__init__

    def judge(row: Comparison, *sides: object, **more: object) -> None:
        compare(row, *sides, **more)
        if not row.passed:
            raise FoundOutError(row.claim)

    _break(monkeypatch, module, old, new)
    monkeypatch.setattr(Comparison, "__init__", judge)
    with pytest.raises(FoundOutError):
        proofs.run(statement)


def _break(monkeypatch: pytest.MonkeyPatch, module: str, old: str, new: str) -> None:
    """Run a module's text with a change, and put what it changes in the place of the right one, wherever that is."""
    right = importlib.import_module(f"pg_core.{module}")
    text = inspect.getsource(right)
    assert text.count(old) == 1, f"{text.count(old)} times in {module}: {old}"
    broken = {"__name__": right.__name__}
    exec(compile(text.replace(old, new), f"<{module}, broken>", "exec"), broken)
    for name, thing in vars(right).copy().items():
        own = getattr(thing, "__module__", None) == right.__name__
        # Of the classes only one that is broken itself: of others there must be one only.
        if own and (inspect.isfunction(thing) or (inspect.isclass(thing) and old in inspect.getsource(thing))):
            for holder in [m for n, m in sys.modules.items() if n.startswith("pg_core")]:
                if getattr(holder, name, None) is thing:
                    monkeypatch.setattr(holder, name, broken[name])
    if module == "maths.optimizers":
        monkeypatch.setattr(maths, "OPTIMIZERS", broken["OPTIMIZERS"])
    monkeypatch.setattr(episodes, "_collect", tf.function(episodes.collect, autograph=False))
