"""The axes of a sweep on the controls that hyperparameters have: a range with a count, or a choice of values."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from pg_core import lab
from pg_core.config import HYPERPARAMETERS, ConfigError
from pg_core.hyperparameters import Hyperparameter

MAX_SLIDER = 1000  # whole numbers that a slider has room for
MAX_COUNT = 64
SCALES = {"log": "log", "linear": "linear", "list": "list"}
SPACED = "  \n**log**, **linear**: values in equal ratios or steps between both ends. **list**: these values."


@dataclass(frozen=True)
class Drawn:
    """What the controls of an axis hold.

    Attributes:
        scale: log or linear for a range, list for what was chosen or written.
        low: end of the range.
        high: end of the range.
        count: values of the range.
        values: what was chosen.
        text: what was written, as `SweepAxis.of` reads it.
    """

    scale: str
    low: Any = 0
    high: Any = 0
    count: int = 3
    values: tuple[Any, ...] = ()
    text: str = ""


def label(name: str) -> str:
    """Return the name of a hyperparameter with its symbol."""
    return " ".join(filter(None, (HYPERPARAMETERS[name].label, HYPERPARAMETERS[name].symbol)))


def in_words(axes: Sequence[lab.SweepAxis]) -> str:
    """Return the names of axes: `Learning rate × Discount factor`."""
    return " × ".join(HYPERPARAMETERS[axis.name].label for axis in axes)


def proposed(parameter: Hyperparameter, held: Any) -> Drawn:
    """Return an axis to begin with: all choices, or a range around a value."""
    if _options(parameter):
        return Drawn("list", values=_options(parameter))
    if parameter.scale == "log":
        near = [value for value in parameter.grid() if held / 4 <= value <= held * 4] or parameter.grid()
        return Drawn("log", near[0], near[-1], 4)
    if _has_slider(parameter):
        low, high = parameter.low or 0, parameter.high or 1
        reach = (high - low) / 10
        ends = max(low, held - reach), min(high, held + reach)
        return Drawn("linear", *(round(end, None if parameter.kind is int else 6) for end in ends))
    return Drawn("list", text=str(held))


def drawn_of(axis: lab.SweepAxis) -> Drawn:
    """Return how an axis is drawn: as a range if it is one that a control can show."""
    if _options(HYPERPARAMETERS[axis.name]):
        return Drawn("list", values=axis.values)
    text = axis.text.partition("=")[2]
    if axis.scale == "list" or ":" not in text or not _has_slider(HYPERPARAMETERS[axis.name]):
        return Drawn("list", text=text)
    return Drawn(axis.scale, axis.values[0], axis.values[-1], len(axis.values))


def axis_of(name: str, drawn: Drawn) -> lab.SweepAxis:
    """Return the axis that the controls declare.

    Raises:
        SweepError: it is none.
    """
    if _options(HYPERPARAMETERS[name]):
        return lab.SweepAxis(name=name, values=drawn.values)
    if drawn.scale == "list":
        return lab.SweepAxis.of(f"{name}={drawn.text}")
    log = "log:" if drawn.scale == "log" else ""
    return lab.SweepAxis.of(f"{name}={drawn.low:.12g}:{drawn.high:.12g}:{log}{drawn.count}")


def text_of(name: str, drawn: Drawn) -> str:
    """Return an axis as a link has it; nothing where it is none yet."""
    with contextlib.suppress(ConfigError):
        return axis_of(name, drawn).text
    return ""


def controls_of_axis(parameter: Hyperparameter, drawn: Drawn, of: str) -> Drawn:
    """Draw the controls of an axis, which have `of` in their keys; return what they hold."""
    if options := _options(parameter):
        values = st.multiselect(
            label(parameter.name), options, list(drawn.values), format_func=parameter.show, key=f"values_{of}",
            help=parameter.help,
        )  # fmt: skip
        return replace(drawn, values=tuple(values))
    scale = "list"
    if _has_slider(parameter):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            scale = _scale(parameter, drawn, of)
            if scale != "list":
                drawn = _as_range(parameter, drawn, scale)
                count = st.number_input("Values", 2, MAX_COUNT, drawn.count, key=f"count_{of}", width=84)
                drawn = replace(drawn, count=int(count))
    return _list(parameter, drawn, of) if scale == "list" else _range(parameter, drawn, of)


def _options(parameter: Hyperparameter) -> tuple[Any, ...]:
    return (False, True) if parameter.kind is bool else tuple(parameter.choices)


def _has_slider(parameter: Hyperparameter) -> bool:
    small = parameter.kind is int and (parameter.high or 0) <= MAX_SLIDER and not parameter.choices
    return parameter.scale == "log" or bool(parameter.step) or small


def _scale(parameter: Hyperparameter, drawn: Drawn, of: str) -> str:
    offered = [scale for scale in SCALES if scale != "log" or (parameter.low or 0) > 0]
    chosen = st.segmented_control(
        label(parameter.name), offered, default=drawn.scale, format_func=SCALES.__getitem__, required=True,
        key=f"scale_{of}", help=parameter.help + SPACED,
    )  # fmt: skip
    return str(chosen)


def _as_range(parameter: Hyperparameter, drawn: Drawn, scale: str) -> Drawn:
    """Return an axis as a range, around the default if it was a list from the start."""
    if drawn.low == drawn.high:
        drawn = replace(proposed(parameter, parameter.default), count=drawn.count)
    return replace(drawn, scale=scale)


def _list(parameter: Hyperparameter, drawn: Drawn, of: str) -> Drawn:
    text = drawn.text if drawn.scale == "list" else f"{drawn.low:.12g}, {drawn.high:.12g}"
    between = "semicolons" if parameter.kind in (tuple, dict) else "commas"
    written = st.text_input(
        f"Values of {label(parameter.name)}", text, key=f"text_{of}", help=f"With {between} between them."
    )
    return replace(drawn, scale="list", text=written)


def _range(parameter: Hyperparameter, drawn: Drawn, of: str) -> Drawn:
    common: dict[str, Any] = {"label": f"Range of {label(parameter.name)}", "label_visibility": "collapsed"}
    common |= {"value": (drawn.low, drawn.high), "key": f"range_{of}"}
    if parameter.scale == "log":
        options = sorted({*parameter.grid(), drawn.low, drawn.high})
        low, high = st.select_slider(options=options, format_func=parameter.show, **common)
    else:
        low, high, step = map(parameter.kind, (parameter.low or 0, parameter.high or 1, parameter.step or 1))
        low, high = st.slider(min_value=low, max_value=high, step=step, format="%.4g", **common)
    return replace(drawn, low=low, high=high)
