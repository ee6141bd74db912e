"""The runs of the list as lines: what each says, drawn by a component, as a table on a desk and as cards on a phone."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import streamlit as st

from pages.widgets.figure import Json
from pages.widgets.instrument import component
from pages.widgets.text import STATES, big, number
from pg_core import lab
from pg_core.config import HYPERPARAMETERS

WIDTH, HEIGHT = 100, 24  # of a sparkline, in its own units

_list = component("run_list", "run_list.js")


@dataclass(frozen=True)
class Fold:
    """A sweep, of which the list shows one line, and its runs below it where it is unfolded."""

    sweep: lab.SweepRow
    runs: tuple[lab.Run, ...]
    is_open: bool

    @property
    def best(self) -> lab.Run:
        """The run with the highest mean return."""
        return max(self.runs, key=lambda run: -math.inf if run.mean_return is None else run.mean_return)


Entry = lab.Run | Fold


def draw(entries: Sequence[Entry], left: int, sort: str, on_sort: Callable[[], None]) -> None:
    """Draw lines, of which those that are selected are marked.

    Args:
        entries: one a line.
        left: how many more are not drawn yet.
        sort: by what they are sorted.
        on_sort: called when the head of a column was pressed; `st.session_state.run_list.sorted` says which.
    """
    places = {run_id: place for place, run_id in enumerate(lab.queue(), 1)}
    told = {
        "lines": lines(entries, places),
        "selected": st.session_state.selected,
        "open": st.session_state.drawer,
        "click": st.session_state.get("clicks", 0),
        "left": left,
        "sort": sort,
    }
    heard = {"on_chosen_change": _chosen, "on_sorted_change": on_sort, "on_more_change": _more}
    _list(key="run_list", data=orjson.dumps(told), on_unfold_change=_unfold, **heard)


def lines(entries: Sequence[Entry], places: Mapping[str, int]) -> list[Json]:
    """Return what the list says of each run and sweep; curves of one environment are drawn to one scale."""
    drawn = [entry.best if isinstance(entry, Fold) else entry for entry in entries]
    sparks = lab.sparks(drawn)
    scales = _scales(drawn, sparks)
    sweeps = {entry.sweep.id: entry.sweep for entry in entries if isinstance(entry, Fold)}
    found = []
    for entry, run in zip(entries, drawn, strict=True):
        spark = sparks.get(run.id)
        curve = None if spark is None else _spark(run, spark, scales.get(_task(run), (0, 1)))
        if isinstance(entry, Fold):
            found.append(_fold(entry) | {"spark": curve})
        else:
            found.append(_line(entry, places.get(run.id)) | {"spark": curve} | _inside(run, sweeps))
    return found


def _inside(run: lab.Run, sweeps: Mapping[str, lab.SweepRow]) -> Json:
    """Return what else is said of a run below the line of its sweep, whose name need not be told again."""
    if run.sweep_id not in sweeps:
        return {"inside": False}
    return {"inside": True, "name": run.name.removeprefix(f"{sweeps[run.sweep_id].name}: ")}


def _fold(fold: Fold) -> Json:
    """Return what the line of a sweep says: its axes, and of its runs how many have solved, and the best."""
    states = Counter(run.state for run in fold.runs)
    state = ", ".join(f"{count} {state}" for state, count in states.most_common())
    sweep, agents = lab.Sweep.from_json(fold.sweep.declaration), sum(run.config.num_agents for run in fold.runs)
    settings = len({run.setting for run in fold.runs})
    fewest = min(run.steps_to_solve for run in fold.runs)
    return {
        "id": fold.sweep.id,
        "runs": [run.id for run in fold.runs],
        "unfolded": fold.is_open,
        "name": fold.sweep.name,
        "pinned": any(run.pinned for run in fold.runs),
        "state": state,
        "color": STATES.get(states.most_common(1)[0][0], ("gray", ""))[0],
        "tags": [],
        "note": "",
        "started": fold.sweep.created_at.strftime("%Y-%m-%d %H:%M"),
        "settings": f"Sweep of {settings} setting{'s' * (settings > 1)}: {' × '.join(map(_axis, sweep.axes))}",
        "of": f"{sweep.base.env_id} · {agents} agents",
        "solved": "–" if fold.best.reward_threshold is None else f"{sum(r.solved for r in fold.runs)} of {agents}",
        "steps": f"best {big(fewest)}" if np.isfinite(fewest) else "–",
        "return": f"best {number(fold.best.mean_return)}",
        "updates": big(sum(run.updates for run in fold.runs)),
    }


def _axis(axis: lab.SweepAxis) -> str:
    """Return an axis as `α 0.003 … 0.03`, or with all its values where these are few."""
    shown = [HYPERPARAMETERS[axis.name].show(value) for value in axis.values]
    return f"{lab.symbol(axis.name)} {', '.join(shown) if len(shown) < 4 else f'{shown[0]} … {shown[-1]}'}"


def _line(run: lab.Run, place: int | None) -> Json:
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


def _more() -> None:
    st.session_state.pages = st.session_state.get("pages", 0) + 1


def _unfold() -> None:
    """Unfold a sweep, or fold it again."""
    sweep_id, before = st.session_state.run_list.unfold, st.session_state.unfolded
    if isinstance(sweep_id, str):
        st.session_state.unfolded = [one for one in (*before, sweep_id) if one != sweep_id or one not in before]
