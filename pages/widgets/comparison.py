"""Several runs on one chart, the numbers that it shows, and the settings in which they differ."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import streamlit as st

from pages.widgets import traces
from pages.widgets.figure import X_TITLES, X
from pages.widgets.instrument import draw
from pages.widgets.text import cell, legend
from pg_core import lab
from pg_core.config import HYPERPARAMETERS

AXES = {"episodes": "episodes", "env_steps": "env steps", "seconds": "seconds"}
MAX_COMPARED = 8  # as many as the theme has colours
RUN_COLUMN = st.column_config.TextColumn(width="medium")  # beside which a phone still shows another


def comparison(runs: Sequence[lab.Run]) -> None:
    """Draw the runs' curves over a common axis, then a table of what distinguishes their settings."""
    axis = st.segmented_control(
        "Compare by", get_args(X), format_func=AXES.get, required=True, key="compare_by", persist_state="session",
        default=st.session_state.choices["compare_by"],
    )  # fmt: skip
    curves = {run.id: lab.progress(run.id).curves for run in runs}
    drawn = [run for run in runs if len(curves[run.id].update)]
    draw(figure(drawn, curves, axis, _colors(runs)), key="comparison")
    if any(run.config.env_kwargs != runs[0].config.env_kwargs or run.config.env_id != runs[0].config.env_id
           for run in runs):  # fmt: skip
        st.caption("These runs earn different rewards: compare how they learn, not how high they are.")
    if waiting := [run.name for run in runs if run not in drawn]:
        st.text(f"Without an update: {', '.join(waiting)}.")
    if st.toggle("Numbers as a table", key="compared_numbers"):
        columns: dict[str, Any] = {
            name: st.column_config.NumberColumn(format="%.4g") for name in ("IQM", "95 % low", "95 % high")
        }
        columns["run"] = RUN_COLUMN
        st.dataframe(numbers(drawn, curves, axis), hide_index=True, column_config=columns, alt="Numbers of the chart")
    _differences(runs)


def figure(
    runs: Sequence[lab.Run], curves: Mapping[str, lab.Curves], axis: X, colors: Mapping[str, str]
) -> dict[str, Any]:
    """Return Plotly's `data` and `layout`, and a `label` in words: each run's IQM, with its interval if it has one."""
    data: list[dict[str, Any]] = []
    for run in runs:
        x, (middle, low, high) = getattr(curves[run.id], axis), curves[run.id].iqm.T
        if run.config.num_agents > 1:
            data += traces.band(x, low, high, run.id, colors[run.id])
        agents = f"{run.config.num_agents} agent{'s' * (run.config.num_agents > 1)}"
        data.append(traces.center(x, middle, f"{legend(run.name)}, {agents}", "mean return", run.id, colors[run.id]))
    layout = {
        "xaxis": {"title": {"text": X_TITLES[axis]}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "mean return: IQM, 95 % interval"}},
        "showlegend": True,
        "uirevision": f"{axis} {' '.join(run.id for run in runs)}",
    }
    return {"data": data, "layout": layout, "label": f"Chart of the mean return of {len(runs)} runs over {AXES[axis]}"}


def numbers(runs: Sequence[lab.Run], curves: Mapping[str, lab.Curves], axis: X) -> list[dict[str, Any]]:
    """Return what the chart shows as a table, with rows evenly spread over each run."""
    names, table = (AXES[axis], "IQM", "95 % low", "95 % high"), []
    for run in runs:
        columns = lab.curve_rows(curves[run.id], axis)
        for row in zip(*map(traces.plain, columns), strict=True):
            table.append({"run": cell(run.name), **dict(zip(names, row, strict=True))})
    return table


def _colors(runs: Sequence[lab.Run]) -> dict[str, str]:
    """Return each run's colour: the same one for as long as it is selected, whatever else is."""
    before = st.session_state.get("colors", {})
    colors = {run.id: before[run.id] for run in runs if run.id in before}
    free = (f"@{place}" for place in range(MAX_COMPARED) if f"@{place}" not in colors.values())
    colors |= {run.id: next(free) for run in runs if run.id not in colors}
    st.session_state.colors = colors
    return colors


def _differences(runs: Sequence[lab.Run]) -> None:
    different = lab.differences(runs)
    if not different:
        st.caption("Their settings are the same.")
        return
    shown = {HYPERPARAMETERS[name].label: map(HYPERPARAMETERS[name].show, values) for name, values in different.items()}
    rows = zip([cell(run.name) for run in runs], *shown.values(), strict=True)
    st.dataframe(
        [dict(zip(("run", *shown), row, strict=True)) for row in rows],
        hide_index=True, alt="Settings in which the runs differ", column_config={"run": RUN_COLUMN},
    )  # fmt: skip
