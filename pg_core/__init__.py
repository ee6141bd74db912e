"""REINFORCE from scratch in TensorFlow: maths, policies, engines, trainer, runs.

The names of `__all__` are for programs and notebooks; docs/python.md shows them at work. Each is imported when it is
first used: only `Trainer`, `TrainingError` and `Update` need TensorFlow, which takes seconds. `pg_core.lab` is the door
to runs that are kept.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pg_core.config import Config, ConfigError
    from pg_core.lab.comparing import compare
    from pg_core.lab.notebooks import sweep
    from pg_core.learning.evaluation import Evaluation, evaluate
    from pg_core.learning.learners import TrainingError
    from pg_core.learning.trainer import Trainer, Update
    from pg_core.runs.store.schema import StoreError
    from pg_core.runs.store.store import Store

__all__ = [
    "Config", "ConfigError", "Evaluation", "Store", "StoreError", "Trainer", "TrainingError", "Update", "compare",
    "evaluate", "sweep",
]  # fmt: skip

_MODULES = {
    **dict.fromkeys(("Config", "ConfigError"), "pg_core.config"),
    **dict.fromkeys(("Evaluation", "evaluate"), "pg_core.learning.evaluation"),
    **dict.fromkeys(("Trainer", "Update", "TrainingError"), "pg_core.learning.trainer"),
    "compare": "pg_core.lab.comparing",
    "sweep": "pg_core.lab.notebooks",
    "Store": "pg_core.runs.store.store",
    "StoreError": "pg_core.runs.store.schema",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _MODULES[name] == "pg_core.learning.trainer":
        from pg_core import runtime

        runtime.import_tensorflow()
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
