"""Groups of runs on one chart, the numbers that it shows, and what their lines are."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import streamlit as st

from pages.widgets import traces
from pages.widgets.figure import PANELS, RETURNS, Json
from pages.widgets.instrument import component
from pages.widgets.text import big, cell, legend, number, plain
from pages.widgets.verdict import verdict
from pg_core import lab
from pg_core.config import HYPERPARAMETERS

ALONG: dict[lab.Along, str] = {
    "updates": "updates", "episodes": "episodes of each agent", "env_steps": "environment steps of an agent, mean",
    "seconds": "training time (s)",
}  # fmt: skip
MEASURES = {
    measure.curve: measure.name
    for measure in (RETURNS, *PANELS.values())
} | {"mean_return": "mean return", "value_loss": "value loss"}  # fmt: skip
DASHES = ("solid", "dash", "dot", "dashdot")
COLORS = 8  # of the theme's charts
MAX_BANDS = 8  # intervals that can be told apart; of more lines only the legend has them
MAX_NUMBERS = 10  # rows of a line in the table of numbers

_comparison = component("comparison", "comparison.js")


class Line(NamedTuple):
    """How a group is drawn."""

    color: str
    dash: str


def comparison(runs: Sequence[lab.Run]) -> None:
    """Draw the runs' typical curves, a line for each setting, and below it what the lines are and a verdict."""
    with st.container(horizontal=True, key="compared_by"):
        measure, along = _chosen()
        groups = lab.groups(runs, _colored_by(runs))
    if len(groups) > lab.MAX_GROUPS:
        st.info(
            f"These runs have {len(groups)} settings, and a chart tells {lab.MAX_GROUPS} apart: "
            "search for fewer, or select fewer."
        )
        return
    if len(groups) > 1:
        verdict(groups)
    courses = lab.courses(groups, measure, along)
    told = figure(groups, courses, measure, along, lines(groups))
    _comparison(key="comparison", data=orjson.dumps(told))
    for caption in captions(groups, courses):
        st.caption(plain(caption))
    if st.toggle("Numbers as a table", key="compared_numbers"):
        columns = {name: st.column_config.NumberColumn(format="%.4g") for name in ("IQM", "95 % low", "95 % high")}
        st.dataframe(
            numbers(groups, courses, along), hide_index=True, column_config=columns, alt="Numbers of the chart"
        )


def _colored_by(runs: Sequence[lab.Run]) -> list[str]:
    """Draw by which settings the lines are grouped, where there is a choice, and return these."""
    different = list(lab.differences(runs))
    if len(different) < 2:
        return []
    begin = [name for name in st.session_state.choices["group_by"] if name in different]
    with st.container(width=150):
        return st.multiselect(
            "Colour by", different, begin, key="group_by", format_func=_label, placeholder="every setting",
            persist_state="session",
            help="Agents of equal settings are one line, whichever runs they are of. Lines that are alike in what is "
            "chosen here have one colour; they are not pooled where they differ in anything else.",
        )  # fmt: skip


def _label(name: str) -> str:
    return HYPERPARAMETERS[name].label


def _chosen() -> tuple[str, lab.Along]:
    """Draw what is compared and along which axis, and return both."""
    choices, axes = st.session_state.choices, list(ALONG)
    measure = st.selectbox(
        "Measure", MEASURES, list(MEASURES).index(choices["measure"]), key="measure", width=145,
        format_func=MEASURES.__getitem__, persist_state="session",
    )  # fmt: skip
    along = st.selectbox(
        "Along", axes, axes.index(choices["compare_by"]), key="compare_by", width=160,
        format_func=lambda axis: axis.replace("_", " "), persist_state="session",
    )  # fmt: skip
    return measure, along


def lines(groups: Sequence[lab.Group]) -> list[Line]:
    """Return how each group is drawn: a family has one colour; the dashes tell the rest apart."""
    families = list(dict.fromkeys(group.family for group in groups))
    found, drawn = [], dict.fromkeys(families, 0)
    for group in groups:
        place = families.index(group.family)
        dash = place // COLORS + drawn[group.family]
        drawn[group.family] += 1
        found.append(Line(f"@{place % COLORS}", DASHES[dash % len(DASHES)]))
    return found


def figure(
    groups: Sequence[lab.Group], courses: Sequence[lab.Course | None], measure: str, along: lab.Along,
    drawn: Sequence[Line],
) -> Json:  # fmt: skip
    """Return Plotly's `data` and `layout`, a `label` in words, and `rows` of what each line is."""
    data: list[Json] = []
    for group, course, line in zip(groups, courses, drawn, strict=True):
        if course:
            data += _traces(group, course, line, measure, len(groups) <= MAX_BANDS)
    shared = {group.runs[0].reward_threshold for group in groups}
    there = [course for course in courses if course]
    if measure == "mean_return" and len(shared) == 1 and there and (threshold := shared.pop()) is not None:
        data.append({**traces.threshold(threshold, max(float(course.x[-1]) for course in there)), "showlegend": False})
    positive = all(np.nanmin(course.values[:, 0]) > 0 for course in there) if there else False
    layout = {
        "xaxis": {"title": {"text": ALONG[along]}, "rangemode": "tozero"},
        "yaxis": {
            "title": {"text": f"{MEASURES[measure]}: IQM{', 95 % interval' * (len(groups) <= MAX_BANDS)}"},
            **({"type": "log"} if measure == "grad_norm" and positive else {}),
        },
        "showlegend": False,
        "hovermode": "closest",
        "uirevision": f"{measure} {along} {' '.join(group.id for group in groups)}",
    }
    label = f"Chart of {MEASURES[measure]} along {ALONG[along]}, {len(there)} lines"
    rows = [
        {**line._asdict(), "label": group.label, "cells": cells(group, course)}
        for group, course, line in zip(groups, courses, drawn, strict=True)
    ]
    return {"data": data, "layout": layout, "label": label, "rows": rows}


def _traces(group: lab.Group, course: lab.Course, line: Line, measure: str, banded: bool) -> list[Json]:
    middle, low, high = course.values.T
    center = traces.center(course.x, middle, legend(group.label), MEASURES[measure], group.id, line.color)
    center["line"] |= {"dash": line.dash, "width": 2}
    band = traces.band(course.x, low, high, group.id, line.color) if banded and len(group.agents) > 1 else []
    return [*band, center, *_marks(group, course, line)]


def _marks(group: lab.Group, course: lab.Course, line: Line) -> list[Json]:
    """Mark on a line where its settings were changed; hovering tells what."""
    if not course.changes:
        return []
    x = np.array([place for place, _ in course.changes])
    return [{
        "uid": f"{group.id} changes", "type": "scatter", "mode": "markers",
        "legendgroup": group.id, "showlegend": False,
        "x": traces.plain(x), "y": traces.plain(np.interp(x, course.x, course.values[:, 0])),
        "marker": {"symbol": "diamond", "size": 8, "color": line.color, "line": {"width": 1, "color": "@text"}},
        "customdata": [legend(", ".join(traces.in_words(change.values))) for _, change in course.changes],
        "hovertemplate": "%{customdata}<extra></extra>",
    }]  # fmt: skip


def cells(group: lab.Group, course: lab.Course | None) -> dict[str, str]:
    """Return what the legend says of a group beside its label."""
    steps = float(np.median([np.inf if steps is None else steps for steps in group.steps]))
    last = course.values[-1] if course else [None] * 3
    interval = f" ({number(last[1])} to {number(last[2])})" if course and len(group.agents) > 1 else ""
    return {
        "Solved": f"{group.solved} of {len(group.agents)}",
        "Median steps": big(steps) if np.isfinite(steps) else "–",
        "At the end": f"{number(last[0])}{interval}",
    }


def captions(groups: Sequence[lab.Group], courses: Sequence[lab.Course | None]) -> list[str]:
    """Return what must be said of these lines, a sentence each."""
    said = []
    configs = [group.runs[0].config for group in groups]
    if any((each.env_id, each.env_kwargs) != (configs[0].env_id, configs[0].env_kwargs) for each in configs):
        said.append("These runs earn different rewards: compare how they learn, not how high they are.")
    if any(len(group.runs) > 1 for group in groups):
        said.append("Agents of equal settings are pooled; a line ends where the first of them ended unsolved.")
    if doubles := sum(run.config.num_agents for group in groups for run in group.runs) - sum(
        len(group.agents) for group in groups
    ):
        said.append(f"{doubles:,} agents have the seed of another one, and count once.")
    waiting = [run.name for group, course in zip(groups, courses, strict=True) if not course for run in group.runs]
    if waiting:
        said.append(f"Without an update: {', '.join(waiting[:8])}{' …' if len(waiting) > 8 else ''}.")
    return said


def numbers(
    groups: Sequence[lab.Group], courses: Sequence[lab.Course | None], along: lab.Along
) -> list[Mapping[str, Any]]:
    """Return what the chart shows as a table, with rows evenly spread over each line."""
    table: list[Mapping[str, Any]] = []
    for group, course in zip(groups, courses, strict=True):
        if not course:
            continue
        places = np.unique(np.linspace(0, len(course.x) - 1, min(len(course.x), MAX_NUMBERS)).round().astype(int))
        columns = [traces.plain(values[places]) for values in (course.x, *course.values.T)]
        names = (ALONG[along], "IQM", "95 % low", "95 % high")
        table += [
            {"line": cell(group.label), **dict(zip(names, row, strict=True))} for row in zip(*columns, strict=True)
        ]
    return table
