"""What a sweep is, declared once: a base config, axes, and how many seeds each setting is trained with."""

import itertools
import json
import math
import reprlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_serializer, model_validator

from pg_core.config import HYPERPARAMETERS, Config, ConfigError

MAX_SETTINGS, MAX_AXES, MAX_SEEDS = 256, 8, 512
MAX_TEXT = 100_000  # characters of a declaration
SIGNIFICANT = 4  # digits of a value within a range
# A sweep has these of its own: seeds are its agents, and it is trained as fast as possible.
OF_A_SWEEP = ("num_agents", "pace")
NO_AXES = ("seed", *OF_A_SWEEP)
Sampler = Literal["grid", "random", "tpe"]
_RULE = "`NAME=LOW:HIGH:N`, `NAME=LOW:HIGH:log:N`, or `NAME=VALUE,VALUE,…`"


class SweepError(ConfigError):
    """Raised when a sweep cannot be what it is declared to be; its message is a sentence for who declared it."""


class Axis(BaseModel):
    """One hyperparameter, and the values that it takes.

    Attributes:
        name: of the hyperparameter.
        values: in order; of a range both ends and what lies evenly between them.
        scale: `list`: only these values are ever tried. `linear`, `log`: a sampler may try any value of the range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    values: tuple[Any, ...]
    scale: Literal["list", "linear", "log"] = "list"

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SweepError(_sentence("an axis", error)) from None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:
        if not isinstance(given, dict):  # of a declaration as JSON
            raise SweepError(f"An axis must be one JSON object with `name` and `values`, got {_short(given)}.")
        name, values = given.get("name"), given.get("values")
        if not isinstance(name, str) or name not in HYPERPARAMETERS or name in NO_AXES:
            raise SweepError(f"An axis must be a hyperparameter other than {', '.join(NO_AXES)}, got {_short(name)}.")
        if not isinstance(values, list | tuple) or not 1 <= len(values) <= MAX_SETTINGS:
            count = len(values) if isinstance(values, list | tuple) else _short(values)
            raise SweepError(f"The values of `{name}` must be a list of 1 to {MAX_SETTINGS}, got {count}.")
        return given | {"values": tuple(_valid(name, value) for value in values)}

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        twice = [value for number, value in enumerate(self.values) if value in self.values[:number]]
        if twice:
            raise SweepError(f"The values of `{self.name}` must differ, got {twice[0]!r} twice.")
        if self.scale != "list":
            if HYPERPARAMETERS[self.name].kind not in (int, float) or HYPERPARAMETERS[self.name].choices:
                raise SweepError(f"A range must be one of numbers, `{self.name}` takes {_rule(self.name)}.")
            if list(self.values) != sorted(self.values) or len(self.values) < 2:
                raise SweepError(f"The range of `{self.name}` must go up, got {_short(self.values)}.")
            if self.scale == "log" and self.values[0] <= 0:
                raise SweepError(f"A logarithmic range of `{self.name}` must begin above 0, got {self.values[0]}.")
        return self

    @classmethod
    def of(cls, text: str) -> Self:
        """Read an axis as it is written in a shell or a link.

        `learning_rate=0.003:0.03:log:5` is five values in equal ratios, `gamma=0.9:1:3` three in equal steps,
        `baseline=none,leave_one_out` these two. Values that hold commas themselves, layers and arguments, have
        semicolons between them: `hidden_layers=64;64,64`.

        Raises:
            SweepError: it is none.
        """
        name, equals, values = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or len(text) > MAX_TEXT:
            raise SweepError(f"An axis must be {_RULE}, got {_short(text)}.")
        if name not in HYPERPARAMETERS:
            return cls(name=name, values=())
        parts = [part.strip() for part in values.split(":")]
        if HYPERPARAMETERS[name].kind in (int, float) and len(parts) > 1:
            return cls._range(name, parts, text)
        separator = ";" if HYPERPARAMETERS[name].kind in (tuple, dict) else ","
        return cls(name=name, values=[HYPERPARAMETERS[name].parse(part.strip()) for part in values.split(separator)])

    @classmethod
    def _range(cls, name: str, parts: list[str], text: str) -> Self:
        scale: Literal["linear", "log"] = "log" if len(parts) == 4 and parts[2] == "log" else "linear"
        try:
            low, high, count = float(parts[0]), float(parts[1]), int(parts[-1])
        except ValueError:
            low = math.nan
            high, count = 0.0, 0
        if len(parts) != (4 if scale == "log" else 3) or not low < high or not 2 <= count <= MAX_SETTINGS:
            raise SweepError(
                f"An axis must be {_RULE} with LOW < HIGH and N in [2, {MAX_SETTINGS}], got {_short(text)}."
            )
        return cls(name=name, values=spaced(name, low, high, count, scale), scale=scale)

    @property
    def text(self) -> str:
        """The axis as `of` reads it."""
        show = _text_of(HYPERPARAMETERS[self.name].kind)
        low, high, count = self.values[0], self.values[-1], len(self.values)
        if self.scale != "list" and tuple(spaced(self.name, low, high, count, self.scale)) == self.values:
            log = "log:" if self.scale == "log" else ""
            return f"{self.name}={show(low)}:{show(high)}:{log}{count}"
        separator = ";" if HYPERPARAMETERS[self.name].kind in (tuple, dict) else ","
        return f"{self.name}={separator.join(map(show, self.values))}"


class Sweep(BaseModel):
    """A sweep, completely: settings, each a config like any other, with the same seeds.

    Attributes:
        base: what the settings have in common; its seed is that of all: agent k draws the same numbers in each.
        axes: in which they differ.
        seeds: agents of each setting.
        sampler: `grid`: all combinations of the axes' values. `random`, `tpe`: so many trials, which Optuna chooses.
        trials: of a sampler; 0 for a grid.
        prune: whether a setting that Optuna's median pruner finds hopeless is stopped.

    Raises:
        SweepError: it cannot be trained.
        ConfigError: one of its settings cannot.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: Config
    axes: tuple[Axis, ...] = Field(min_length=1, max_length=MAX_AXES)
    seeds: int = Field(10, ge=1, le=MAX_SEEDS, strict=True)
    sampler: Sampler = "grid"
    trials: int = Field(0, ge=0, le=MAX_SETTINGS, strict=True)
    prune: bool = Field(False, strict=True)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SweepError(_sentence("a sweep", error)) from None

    @field_serializer("base")
    def _base(self, base: Config) -> dict[str, Any]:
        return base.model_dump(mode="json")

    @model_validator(mode="after")
    def _can_be_trained(self) -> Self:
        names = [axis.name for axis in self.axes]
        if twice := [name for number, name in enumerate(names) if name in names[:number]]:
            raise SweepError(f"Each axis must be another hyperparameter, got `{twice[0]}` twice.")
        if self.sampler == "grid":
            self._check_grid()
        elif not self.trials:
            raise SweepError(f"`trials` must be in [1, {MAX_SETTINGS}] for {self.sampler}, got 0.")
        corners = self.grid() if self.sampler == "grid" else _corners(self.axes)
        for values in corners:
            self.config(values)
        return self

    def _check_grid(self) -> None:
        count = math.prod(len(axis.values) for axis in self.axes)
        if count > MAX_SETTINGS:
            sizes = " × ".join(str(len(axis.values)) for axis in self.axes)
            raise SweepError(
                f"A grid must have at most {MAX_SETTINGS} settings, got {sizes} = {count:,}; "
                "give an axis fewer values, or choose random or tpe with as many trials as you have time for."
            )
        if self.trials or self.prune:
            what = f"`trials` must be 0, got {self.trials}" if self.trials else "`prune` must be false"
            raise SweepError(f"{what}, for a grid, which tries all its settings side by side; random and tpe choose.")

    def grid(self) -> list[dict[str, Any]]:
        """Return all combinations of the axes' values, by name; the last axis changes first."""
        names = [axis.name for axis in self.axes]
        combined = itertools.product(*(axis.values for axis in self.axes))
        return [dict(zip(names, values, strict=True)) for values in combined]

    def config(self, values: Mapping[str, Any], repeat: int = 0) -> Config:
        """Return the config of a setting, as fast as possible.

        Args:
            values: by axis.
            repeat: 0: with the seed of the base; n: with further seeds, those that follow it by n.

        Raises:
            ConfigError: it cannot be trained.
        """
        own = {"num_agents": self.seeds, "pace": 0, "seed": self.base.seed + repeat}
        return Config(**{**self.base.model_dump(), **own, **values})

    def values_of(self, config: Config) -> dict[str, Any]:
        """Return the values of a setting, by axis."""
        return {axis.name: getattr(config, axis.name) for axis in self.axes}

    @property
    def most(self) -> int:
        """How many settings there may be."""
        return math.prod(len(axis.values) for axis in self.axes) if self.sampler == "grid" else self.trials

    def to_json(self) -> str:
        """Return the declaration as JSON, as it is stored and exported."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a declaration.

        Raises:
            SweepError: it is none.
            ConfigError: its base cannot be trained, or lacks a hyperparameter.
        """
        try:
            values = json.loads(text) if len(text) <= MAX_TEXT else None
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict) or not isinstance(values.get("axes"), list):
            raise SweepError(f"A sweep must be one JSON object of at most {MAX_TEXT:,} characters, with `axes`.")
        base = Config.from_json(json.dumps(values.get("base")))
        return cls(**values | {"base": base, "axes": tuple(values["axes"][: MAX_AXES + 1])})


def spaced(name: str, low: float, high: float, count: int, scale: Literal["linear", "log"]) -> list[Any]:
    """Return values of a hyperparameter evenly from one to another, rounded to four digits but for the ends."""
    if scale == "log" and low <= 0:
        raise SweepError(f"A logarithmic range of `{name}` must begin above 0, got {low:g}.")
    spread = np.geomspace if scale == "log" else np.linspace
    inner = spread(low, high, count)[1:-1].tolist()
    kind = HYPERPARAMETERS[name].kind
    whole = [low, *(rounded(value) for value in inner), high]
    return [round(value) for value in whole] if kind is int else whole


def rounded(value: float) -> float:
    """Return a value with four significant digits."""
    return float(f"{value:.{SIGNIFICANT}g}")


def _corners(axes: tuple[Axis, ...]) -> list[dict[str, Any]]:
    """Return settings in which each value occurs: what is valid of each alone may be too large together."""
    longest = max(len(axis.values) for axis in axes)
    return [{axis.name: axis.values[min(n, len(axis.values) - 1)] for axis in axes} for n in range(longest)]


def _valid(name: str, value: Any) -> Any:
    """Return a value as `Config` has it."""
    field = Config.model_fields[name]
    constrained: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    try:
        return TypeAdapter(constrained, config=ConfigDict(strict=True, allow_inf_nan=False)).validate_python(value)
    except ValidationError:
        raise SweepError(f"`{name}` must be {_rule(name)}, got {_short(value)}.") from None


def _rule(name: str) -> str:
    return HYPERPARAMETERS[name].rule


def _text_of(kind: type) -> Any:
    texts = {bool: lambda value: str(value).lower(), tuple: lambda value: ",".join(map(str, value)) or "none",
             dict: json.dumps, float: lambda value: f"{value:.12g}"}  # fmt: skip
    return texts.get(kind, str)


def _short(value: Any) -> str:
    return reprlib.repr(value)


def _sentence(what: str, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if cause := first.get("ctx", {}).get("error"):
        return str(cause)
    name, rule = ".".join(map(str, first["loc"])), first["msg"][:1].lower() + first["msg"][1:]
    return f"`{name}` of {what} is not as it must be: {rule}, got {_short(first['input'])}."
