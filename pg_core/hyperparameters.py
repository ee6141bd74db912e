"""What a hyperparameter is: one declaration that a control, an option, a link and a line of documentation share."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from pydantic import Field
from pydantic.fields import FieldInfo

Group = Literal["Run", "Policy", "Estimator", "Optimiser"]
Scale = Literal["linear", "log"]
GROUPS: tuple[Group, ...] = get_args(Group)


def hyperparameter(
    default: Any,
    label: str,
    symbol: str,
    help: str,
    *,
    group: Group,
    live: bool,
    ge: float | None = None,
    le: float | None = None,
    scale: Scale = "linear",
    step: float | None = None,
    choices: Mapping[Any, str] | None = None,
    statement: str = "",
) -> Any:
    """Declare one field of `Config` with all that its control, option and documentation need."""
    extra: Any = {"symbol": symbol, "group": group, "live": live, "low": ge, "high": le, "statement": statement}
    extra |= {"scale": scale, "step": step, "choices": dict(choices or {})}
    return Field(default, title=label, description=help, ge=ge, le=le, json_schema_extra=extra)


def object_of(text: str) -> dict[str, Any]:
    """Read an object: JSON, or `name=value` pairs with commas between them; `""` and `none` are an empty one.

    Raises:
        ValueError: it is neither.
    """
    if text.strip() in ("", "none"):
        return {}
    if not text.lstrip().startswith("{"):
        pairs = (pair.split("=", 1) for pair in text.split(","))
        return {name.strip(): _scalar(value.strip()) for name, value in pairs}
    try:
        value: dict[str, Any] = json.loads(text)
    except RecursionError:
        raise ValueError("too many brackets") from None
    return value


def _scalar(text: str) -> Any:
    """Read a value as JSON or as Python writes it; what is neither is a text."""
    try:
        return json.loads({"True": "true", "False": "false", "None": "null"}.get(text, text))
    except (ValueError, RecursionError):
        return text


READERS: dict[type, Callable[[str], Any]] = {int: int, float: float, dict: object_of}


@dataclass(frozen=True)
class Hyperparameter:
    """What a control, an option or a page of documentation shows of one field of `Config`."""

    name: str
    label: str
    symbol: str
    help: str
    default: Any
    group: Group
    live: bool
    low: float | None
    high: float | None
    scale: Scale
    step: float | None
    choices: dict[Any, str]
    statement: str  # derivation that says what it is for; empty where there is none
    kind: type

    @classmethod
    def of(cls, name: str, field: FieldInfo) -> Self:
        """Return what a field of `Config`, made by `hyperparameter`, declares."""
        extra: Any = field.json_schema_extra
        return cls(
            name=name, label=str(field.title), help=str(field.description), default=field.default,
            kind=type(field.default), **extra,
        )  # fmt: skip

    def parse(self, text: str) -> Any:
        """Read a value from text; text that is not of this type is returned as it is, for validation to refuse."""
        if self.kind is bool:
            return {"true": True, "false": False}.get(text.lower(), text)
        try:
            return READERS[self.kind](text) if self.kind in READERS else text
        except ValueError:
            return text

    @property
    def rule(self) -> str:
        """The bounds in words: `in [0, 1]`, `one of none, value`."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if self.kind is bool:
            return "true or false"
        if self.kind is tuple:
            return "up to three layer sizes in [1, 512], separated by commas"
        if self.kind is dict:
            return 'a flat JSON object of texts, numbers and truth values, such as {"is_slippery": false}'
        if self.kind is str:
            return "a Gymnasium id"
        return f"{'a whole number ' if self.kind is int else ''}in [{self.low:.12g}, {self.high:.12g}]"

    def grid(self) -> list[Any]:
        """Return the values of a slider on a logarithmic scale: 1, 1.5, 2, 2.5, 3, 4, 5, 7 times each power of ten."""
        low, high = self.low or 1, self.high or 1
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        values = [float(f"{mantissa}e{decade}") for decade in decades for mantissa in (1, 1.5, 2, 2.5, 3, 4, 5, 7)]
        return [self.kind(value) for value in values if low <= value <= high and value == self.kind(value)]

    def show(self, value: Any) -> str:
        """Return a value as pages and tables print it: `0.003`, `as fast as possible`, `64, 64`."""
        if self.choices:
            return self.choices.get(value, str(value))
        if self.kind is bool:
            return "on" if value else "off"
        if self.kind is tuple:
            return ", ".join(map(str, value)) or "none"
        if self.kind is dict:
            return json.dumps(value, ensure_ascii=False) if value else "none"
        return f"{value:.4g}" if self.kind is float else str(value)
