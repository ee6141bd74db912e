"""The checks stand guard over the code that trains: whoever breaks it, in however small a way, is found out."""

import functools
import importlib
import inspect
import sys

import pytest

from pg_core import maths, proofs
from pg_core.proofs import training
from tests.proofs.mutations import MUTATIONS


@functools.cache
def passes(statement: str) -> bool:
    """Whether a check passes while nothing is broken."""
    return proofs.run(statement).passed


@pytest.mark.parametrize(("module", "old", "new", "statement"), MUTATIONS, ids=lambda text: text[:40])
def test_a_small_mistake_is_found_out(module, old, new, statement, monkeypatch):
    assert passes(statement)
    _break(monkeypatch, module, old, new)
    assert not proofs.run(statement).passed


@pytest.fixture(autouse=True)
def traced_anew():
    yield
    training._traced.clear()


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
    # What was traced before is right.
    training._traced.clear()
