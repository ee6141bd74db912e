"""What the live chart shows of a run, and the same in numbers: bounded, whatever the run."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pages.widgets import traces
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


def figure(
    progress: Progress | None, view: View, x: X, reward_threshold: float | None = None, version: int = 0
) -> Json:
    """Return Plotly's `data` and `layout`, a `label` in words and a `version`: JSON-serialisable.

    Args:
        progress: of the run, or None for empty axes.
        view: which curves.
        x: over what.
        reward_threshold: what empty axes show; a run knows its own.
        version: of the figure that the chart has; of each trace only the points `from` one on are returned that it
            does not have.
    """
    panels = VIEWS[view]
    curves = progress.curves if progress and len(progress.curves.update) else None
    solved_at = progress.run.reward_threshold if progress else reward_threshold
    data = _curves(curves, panels, x, version) if curves else []
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
    shown = progress.curves.version if progress else 0
    return {"data": data, "layout": layout, "label": _label(panels, x, curves), "version": shown}


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


def _curves(curves: Curves, panels: tuple[Panel, ...], x: X, version: int) -> list[Json]:
    drawn = []
    first, episode = curves.known(version)
    for number, panel in enumerate(panels, 1):
        own = _returns if panel.curve == "mean_return" else _diagnostics
        # The second panel's legend would only say again what the first one's does.
        quiet = {"showlegend": False} if number > 1 else {}
        drawn += [{**trace, "from": first, "yaxis": f"y{number}", **quiet} for trace in own(curves, panel, x, first)]
    if panels[0].curve == "mean_return":
        singles = traces.episodes(_episode_x(curves, x)[episode:], curves, episode)
        drawn.insert(0, {**singles, "from": episode, "yaxis": "y1"})
    return drawn


def _returns(curves: Curves, panel: Panel, x: X, first: int) -> list[Json]:
    over, values = getattr(curves, x)[first:], curves.mean_return[first:]
    each = traces.agents(over, values, "mean of last 100 episodes", "mean return")
    if values.shape[1] == 1:
        return each
    middle, low, high = curves.iqm[first:].T
    name = f"IQM of {values.shape[1]} seeds, 95 % bootstrap interval"
    return [*traces.band(over, low, high), *each, traces.center(over, middle, name, "mean return")]


def _diagnostics(curves: Curves, panel: Panel, x: X, first: int) -> list[Json]:
    over, values = getattr(curves, x)[first:], getattr(curves, panel.curve)[first:]
    middle = traces.mean(values)
    if panel.axis.get("type") == "log":  # 0 has no place there
        values, middle = (np.where(y > 0, y, np.nan) for y in (values, middle))
    each = traces.agents(over, values, panel.name, panel.name)
    if values.shape[1] == 1:
        return each
    return [*each, traces.center(over, middle, f"mean of {values.shape[1]} agents", panel.name)]


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
