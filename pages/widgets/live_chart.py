"""The live chart: a run's progress, drawn by Plotly in a component that keeps its node, zoom and legend choices."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import orjson
import streamlit as st

from pages.widgets import ASSETS, traces
from pg_core.lab import Curves, Progress

View = Literal["returns", "entropy", "gradient", "baseline"]
X = Literal["episodes", "env_steps", "seconds"]
Json = dict[str, Any]

MAX_NUMBERS = 20
X_TITLES = {
    "episodes": "episodes of each agent",
    "env_steps": "environment steps of each agent",
    "seconds": "training time (s)",
}


@dataclass(frozen=True)
class Panel:
    """One pair of axes: the curve it shows, its name, what its numbers mean, and why there may be none."""

    curve: str
    name: str
    meaning: str = ""
    undefined: str = ""
    axis: Json = field(default_factory=dict)


VIEWS: dict[View, tuple[Panel, ...]] = {
    "returns": (Panel("mean_return", "episode return"),),
    "entropy": (Panel("entropy", "policy entropy", "nats; 0 = certain"),),
    "gradient": (
        Panel("grad_norm", "gradient norm ‖ĝ‖", "log scale", axis={"type": "log", "tickformat": "~g"}),
        Panel("grad_snr", "signal-to-noise", "1 = pure noise", "undefined with one episode per update"),
    ),
    "baseline": (
        Panel("explained_variance", "explained variance", "1 = perfect, 0 = useless baseline",
              "undefined while all returns are the same", axis={"range": [-1, 1]}),
    ),
}  # fmt: skip

_component = st.components.v2.component(
    "live_chart",
    js=(ASSETS / "live_chart.js").read_text(),
    css=(ASSETS / "live_chart.css").read_text(),
    isolate_styles=False,  # Plotly puts its own style sheet into the document
)


def live_chart(
    progress: Progress | None, view: View, x: X, key: str, reward_threshold: float | None, pause: float | None
) -> None:
    """Show one view of a run, growing in place as the run does.

    Args:
        progress: of the run, or None for empty axes.
        view: which curves.
        x: over what.
        key: of the component, the same for as long as it should keep its node.
        reward_threshold: what empty axes show; a run knows its own.
        pause: seconds until the next look, None if there is none. Where it does not come, because the message that
            asks the browser for it was lost, the browser asks for the whole page.
    """
    draw({**figure(progress, view, x, reward_threshold), "pause": pause, "drawn_at": time.time()}, key, st.rerun)


def draw(figure: Json, key: str, on_late: Callable[[], None] | None = None) -> None:
    """Draw a figure: Plotly's `data` and `layout` with the theme's colours as `@0`, and a `label` in words."""
    # As bytes: Streamlit would write JSON twice, and slowly.
    _component(key=key, data=orjson.dumps(figure), on_late_change=on_late)


def figure(progress: Progress | None, view: View, x: X, reward_threshold: float | None = None) -> Json:
    """Return Plotly's `data` and `layout` and a `label` in words: JSON-serialisable, bounded whatever the run."""
    panels = VIEWS[view]
    curves = progress.curves if progress and len(progress.curves.update) else None
    solved_at = progress.run.reward_threshold if progress else reward_threshold
    data = _curves(curves, panels, x) if curves else []
    if view == "returns" and solved_at is not None:
        data.append(traces.threshold(solved_at, float(getattr(curves, x)[-1]) if curves else 1))
    marks = {}
    if progress and curves:
        forked = progress.run.parent_update
        marks = traces.change_marks(progress.changes, curves.update, getattr(curves, x), forked)
    layout = {
        **_axes(panels, x, curves is None, solved_at),
        "showlegend": True,
        "uirevision": f"{progress.run.id if progress else ''} {view} {x}",
        "shapes": marks.get("lines", []),
        "annotations": [*marks.get("labels", []), *_hints(progress, curves, panels)],
    }
    return {"data": data, "layout": layout, "label": _label(panels, x, curves)}


def numbers(progress: Progress | None, view: View) -> list[dict[str, float | None]]:
    """Return what a view shows as a table of at most 20 rows, evenly spread over the run."""
    if progress is None or not len(progress.curves.update):
        return []
    curves = progress.curves
    table = {
        "update": curves.update + 1,
        "episodes": curves.episodes,
        "environment steps": curves.env_steps,
        "seconds": curves.seconds,
    }
    if view == "returns":
        table |= {"IQM": curves.iqm[:, 0], "95 % low": curves.iqm[:, 1], "95 % high": curves.iqm[:, 2]}
    for panel in VIEWS[view]:
        values = getattr(curves, panel.curve)
        table[f"{panel.name}, mean"] = traces.mean(values)
        table[f"{panel.name}, lowest"] = np.fmin.reduce(values, axis=1)
        table[f"{panel.name}, highest"] = np.fmax.reduce(values, axis=1)
    rows = np.unique(np.linspace(0, len(curves.update) - 1, MAX_NUMBERS).round().astype(int))
    columns = [traces.plain(column[rows]) for column in table.values()]
    return [dict(zip(table, row, strict=True)) for row in zip(*columns, strict=True)]


def _curves(curves: Curves, panels: tuple[Panel, ...], x: X) -> list[Json]:
    drawn = []
    for number, panel in enumerate(panels, 1):
        own = _returns(curves, x) if panel.curve == "mean_return" else _diagnostics(curves, panel, x)
        # The second panel's legend would only say again what the first one's does.
        quiet = {"showlegend": False} if number > 1 else {}
        drawn += [{**trace, "yaxis": f"y{number}", **quiet} for trace in own]
    return drawn


def _returns(curves: Curves, x: X) -> list[Json]:
    over, values = getattr(curves, x), curves.mean_return
    singles = traces.episodes(_episode_x(curves, x), curves)
    each = traces.agents(over, values, "mean of last 100 episodes", "mean return")
    if values.shape[1] == 1:
        return [singles, each]
    middle, low, high = curves.iqm.T
    name = f"IQM of {values.shape[1]} seeds, 95 % bootstrap interval"
    return [singles, traces.band(over, low, high), each, traces.center(over, middle, name, "mean return")]


def _diagnostics(curves: Curves, panel: Panel, x: X) -> list[Json]:
    over, values = getattr(curves, x), getattr(curves, panel.curve)
    middle = traces.mean(values)
    if panel.axis.get("type") == "log":  # 0 has no place there
        values, middle = (np.where(y > 0, y, np.nan) for y in (values, middle))
    each = traces.agents(over, values, panel.name, panel.name)
    if values.shape[1] == 1:
        return [each]
    return [each, traces.center(over, middle, f"mean of {values.shape[1]} agents", panel.name)]


def _episode_x(curves: Curves, x: X) -> traces.Array:
    return curves.episode_number + 1 if x == "episodes" else getattr(curves, f"episode_{x}")


def _axes(panels: tuple[Panel, ...], x: X, empty: bool, solved_at: float | None) -> Json:
    axes: Json = {"xaxis": {"title": {"text": X_TITLES[x]}, "rangemode": "tozero", "anchor": f"y{len(panels)}"}}
    for number, panel in enumerate(panels, 1):
        top, bottom = 1 - (number - 1) / len(panels), 1 - number / len(panels)
        meaning = f"<br><span style='font-size: 11px'>{panel.meaning}</span>" if panel.meaning else ""
        axes[f"yaxis{number}"] = {
            "title": {"text": panel.name + meaning},
            "domain": [bottom + (0.06 if number < len(panels) else 0), top],
            **panel.axis,
        }
    if empty:
        axes["xaxis"] |= {"range": [0, 1], "showticklabels": False}
        axes["yaxis1"] = {
            "range": sorted((0, 1.1 * (solved_at or 1))),
            "showticklabels": bool(solved_at),
            **axes["yaxis1"],
        }
    return axes


def _hints(progress: Progress | None, curves: Curves | None, panels: tuple[Panel, ...]) -> list[Json]:
    """Say in the middle of empty axes why they are empty."""
    hints = []
    for number, panel in enumerate(panels, 1):
        if curves and np.isfinite(getattr(curves, panel.curve)).any():
            continue
        waiting = "press Train" if progress is None else "waiting for the first update"
        hints.append({
            "text": panel.undefined if curves else waiting, "x": 0.5, "xref": "paper", "y": 0.5,
            "yref": f"y{number} domain", "showarrow": False, "font": {"size": 15, "color": "@faint"},
        })  # fmt: skip
    return hints


def _label(panels: tuple[Panel, ...], x: X, curves: Curves | None) -> str:
    names = " and ".join(panel.name for panel in panels)
    return f"Chart of {names} over {X_TITLES[x]}, {len(curves.update) if curves else 0} points"
