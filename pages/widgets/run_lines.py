"""The runs of the list as lines: what each says, drawn by a component, as a table on a desk and as cards on a phone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import streamlit as st

from pages.widgets.figure import Json
from pages.widgets.instrument import component
from pages.widgets.text import STATES, big, number
from pg_core import lab

WIDTH, HEIGHT = 100, 24  # of a sparkline, in its own units

_list = component("run_list", "run_list.js")


def draw(runs: Sequence[lab.Run], left: int, sort: str) -> None:
    """Draw runs, of which those that are selected are marked; `left` more are not drawn yet."""
    places = {run_id: place for place, run_id in enumerate(lab.queue(), 1)}
    told = {
        "lines": lines(runs, lab.sparks(runs), places),
        "selected": st.session_state.selected,
        "open": st.session_state.drawer,
        "click": st.session_state.get("clicks", 0),
        "left": left,
        "sort": sort,
    }
    _list(
        key="run_list",
        data=orjson.dumps(told),
        on_chosen_change=_chosen,
        on_sorted_change=_sorted,
        on_more_change=_more,
    )


def lines(runs: Sequence[lab.Run], sparks: Mapping[str, Any], places: Mapping[str, int]) -> list[Json]:
    """Return what the list says of each run; curves of one environment are drawn to one scale."""
    scales = _scales(runs, sparks)
    return [_line(run, sparks.get(run.id), scales.get(_task(run), (0, 1)), places.get(run.id)) for run in runs]


def _line(run: lab.Run, spark: Any, scale: tuple[float, float], place: int | None) -> Json:
    state = "deleted" if run.deleted else run.state
    color, _ = STATES.get(state, ("gray", ""))
    return {
        "id": run.id,
        "name": run.name,
        "pinned": run.pinned,
        "state": f"{state}, number {place}" if place else state,
        "color": color,
        "tags": run.tags,
        "note": run.note[:80],
        "started": run.created_at.strftime("%Y-%m-%d %H:%M"),
        "settings": lab.described(run),
        "of": f"{run.config.env_id} · {run.config.num_agents} agent{'s' * (run.config.num_agents > 1)}",
        "solved": "–" if run.reward_threshold is None else f"{run.solved} of {run.config.num_agents}",
        "steps": big(run.steps_to_solve) if np.isfinite(run.steps_to_solve) else "–",
        "return": number(run.mean_return),
        "updates": big(run.updates),
        "spark": None if spark is None else _spark(run, spark, scale),
    }


def _task(run: lab.Run) -> str:
    return f"{run.config.env_id} {run.config.env_kwargs}"


def _scales(runs: Sequence[lab.Run], sparks: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the lowest and the highest return of each environment, among them 0 and its threshold."""
    heights: dict[str, list[float]] = {}
    for run in runs:
        returns = sparks[run.id][:, 1] if run.id in sparks else np.empty(0)
        bounds = [*returns[np.isfinite(returns)], *([] if run.reward_threshold is None else [run.reward_threshold])]
        heights.setdefault(_task(run), []).extend([min(bounds), max(bounds)] if bounds else [])
    return {
        task: (min(0.0, *each) if min(each) >= 0 else min(each), max(each)) for task, each in heights.items() if each
    }


def _spark(run: lab.Run, spark: Any, scale: tuple[float, float]) -> Json:
    """Return a path from update 0 to the last, and where on it the run was changed: all in whole units."""
    low, high = scale
    end = max(float(spark[-1, 0]), 1.0)

    def x(update: float) -> int:
        return round(WIDTH * update / end)

    def y(value: float) -> int:
        return round(HEIGHT * (1 - (value - low) / max(high - low, 1e-9)))

    points = [f"{x(update)} {y(value)}" for update, value in spark if np.isfinite(value)]
    solved = None if run.reward_threshold is None else y(run.reward_threshold)
    marks = [x(change.update) for change in lab.changes(run)]
    return {"path": f"M{'L'.join(points)}" if points else "", "marks": sorted(set(marks)), "threshold": solved}


def _chosen() -> None:
    """Take up which runs were selected; what the component says may be anything."""
    chosen = st.session_state.run_list.chosen
    if isinstance(chosen, dict) and isinstance(chosen.get("ids"), list):
        st.session_state.selected = [run_id for run_id in chosen["ids"] if isinstance(run_id, str)]
        st.session_state.drawer = bool(chosen.get("open"))
        st.session_state.clicks = chosen.get("click") if isinstance(chosen.get("click"), int) else 0


def _sorted() -> None:
    from pages.widgets.run_table import SORTS

    if (sort := st.session_state.run_list.sorted) in SORTS:
        st.session_state.sort = sort


def _more() -> None:
    st.session_state.lines = st.session_state.get("lines", 0) + 1
