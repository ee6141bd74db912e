"""What the search of the Runs page understands: words, and conditions on settings and results."""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pg_core import lab
from pg_core.config import HYPERPARAMETERS, Config, ConfigError
from pg_core.lab import Run

RESULTS = ("updates", "episodes", "env_steps", "mean_return", "best_return")  # that can be compared, of a Run
HELP = (
    "Words of a name, note, tag or id, of a preset or setting (`plain reinforce`, `learning rate 0.01`), and "
    "conditions: `learning_rate=0.01`, `gamma>=0.99`, `baseline!=none`, "
    "`mean_return>400`. A condition names a [hyperparameter](derivations) as the command line does, or "
    f"{', '.join(RESULTS[:-1])} or {RESULTS[-1]}; all of them must hold."
)

# A name begins where a word does: to look for its end from each of its letters takes the square of their number.
_CONDITION = re.compile(r"\b(\w+)\s*(<=|>=|!=|==?|<|>)\s*([^\s,]*(?:\s*,\s*[^\s,]+)*)")  # layer sizes may have blanks


_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?(e[-+]?\d+)?")


def _equal(a: Any, b: Any) -> bool:
    return math.isclose(a, b, rel_tol=1e-9) if isinstance(a, float) else a == b


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": _equal, "==": _equal, "!=": lambda a, b: not _equal(a, b),
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """What a setting in force, or a result, must be."""

    name: str
    operator: str
    value: Any

    def holds(self, run: Run) -> bool:
        """Return whether it is so; a result that is not there is neither."""
        value = getattr(run if self.name in RESULTS else run.current, self.name)
        return value is not None and _OPERATORS[self.operator](value, self.value)


@dataclass(frozen=True)
class Search:
    """What a run must have."""

    words: tuple[str, ...]
    conditions: tuple[Condition, ...]

    def finds(self, run: Run) -> bool:
        """Return whether all conditions hold, and each word is one of its name, note, tags, id or settings."""
        return all(condition.holds(run) for condition in self.conditions) and self._says(run)

    def _says(self, run: Run) -> bool:
        said = "\n".join([run.name, run.note, run.id, *run.tags]).lower()
        missing = [word for word in self.words if word not in said]
        if not missing:
            return True
        settings = lab.search_words(run).lower()
        return all(_in(word, settings) for word in missing)


def _in(word: str, text: str) -> bool:
    """Return whether a word is in a text; a number only as a whole: 0.1 is not in 0.15."""
    if not _NUMBER.fullmatch(word):
        return word in text
    return any(_NUMBER.fullmatch(part) and float(part) == float(word) for part in re.split(r"[\s,]+", text))


def parse(text: str) -> Search:
    """Read what was typed.

    Raises:
        ConfigError: a condition can never hold: nothing has that name, or it cannot have such a value.
    """
    conditions = tuple(_condition(*found.groups()) for found in _CONDITION.finditer(text))
    return Search(tuple(_CONDITION.sub(" ", text).lower().split()), conditions)


def _condition(name: str, sign: str, text: str) -> Condition:
    if name in RESULTS:
        return Condition(name, sign, _number(name, text))
    arguments = name in HYPERPARAMETERS and HYPERPARAMETERS[name].kind is dict  # which CartPole need not know
    value = HYPERPARAMETERS[name].parse(text) if arguments else getattr(Config.from_strings({name: text}), name)
    if sign in ("<", "<=", ">", ">=") and HYPERPARAMETERS[name].kind not in (int, float):
        raise ConfigError(f"`{name}` can only be compared by = and !=, got {sign}")
    return Condition(name, sign, value)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"`{name}` must be a number, got {text[:80]!r}") from None
