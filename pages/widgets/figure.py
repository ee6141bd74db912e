"""What the charts of the Train page show of a run, and the same in numbers: bounded, whatever the run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pages.widgets import traces
from pages.widgets.text import legend
from pg_core.lab import Axis, Curves, Progress

Panel = Literal["gradient", "entropy", "noise", "kl", "baseline", "loss"]
X = Axis
Json = dict[str, Any]

MAX_NUMBERS = 20
DEFAULT_PANELS: tuple[Panel, Panel] = ("gradient", "entropy")  # below the returns
X_TITLES = {
    "episodes": "episodes of each agent",
    "env_steps": "environment steps of each agent",
    "seconds": "training time (s)",
}


@dataclass(frozen=True)
class Measure:
    """One pair of axes: the curve it shows, its name, what its numbers mean and where that is derived, why none."""

    curve: str
    name: str
    meaning: str = ""
    statement: str = ""
    undefined: str = ""
    axis: Json = field(default_factory=dict)


RETURNS = Measure("mean_return", "episode return")
PANELS: dict[Panel, Measure] = {
    "gradient": Measure(
        "grad_norm", "gradient norm ‖ĝ‖", "log scale", "reinforce", "zero in every update",
        {"type": "log", "tickformat": "~g", "dtick": "D2"},
    ),
    "entropy": Measure("entropy", "policy entropy", "nats; 0 = certain", "entropy"),
    "noise": Measure(
        "grad_snr", "signal-to-noise", "1 = pure noise", "variance", "undefined with one episode per update"
    ),
    "kl": Measure("approx_kl", "approx. KL of a step", "nats", "entropy", axis={"rangemode": "tozero"}),
    "baseline": Measure(
        "explained_variance", "explained variance", "1 = perfect, 0 = useless baseline", "baselines",
        "undefined while all returns are the same", {"range": [-1, 1]},
    ),
    "loss": Measure("policy_loss", "surrogate loss", "no measure of progress", "surrogate_loss"),
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """What a page shows: of which run or config, over what, and beside which other runs.

    Attributes:
        run_id: of the open run, None before the first.
        start: the config of the next run as JSON, where there is no run.
        over: the horizontal axis.
        panels: the two curves below the returns.
        beside: ids of runs whose curves are drawn behind.
    """

    run_id: str | None
    start: str = ""
    over: X = "episodes"
    panels: tuple[Panel, Panel] = DEFAULT_PANELS
    beside: tuple[str, ...] = ()


def charts(
    progress: Progress | None, shown: Shown, threshold: float | None = None,
    beside: Sequence[Progress] = (), versions: Sequence[int] = (),
) -> list[Json]:  # fmt: skip
    """Return Plotly's `data` and `layout`, a `name` and a `label` in words of each chart: JSON-serialisable.

    Args:
        progress: of the open run, None for empty axes.
        shown: what is to be seen.
        threshold: the return that counts as solved, or None.
        beside: the runs that are drawn behind.
        versions: of the curves of all these runs that the browser has; of each trace only the points `from` one on
            are returned that it does not have.
    """
    known = [*versions, *[0] * (1 + len(beside) - len(versions))]
    curves = progress.curves if progress and len(progress.curves.update) else None
    drawn = [
        _chart("returns", RETURNS, progress, curves, shown, known[0], threshold),
        *(_chart(name, PANELS[name], progress, curves, shown, known[0]) for name in shown.panels),
    ]
    behind = [_ghost(other, progress, known, shown.over, place) for place, other in enumerate(beside)]
    drawn[0]["data"] = [*behind, *drawn[0]["data"]]
    return drawn


def rows(curves: Curves, over: X, version: int) -> Json:
    """Return the updates of the curves' points `from` one on, and where they are on the horizontal axis."""
    first, _ = curves.known(version)
    return {
        "from": first,
        "update": (curves.update[first:] + 1).tolist(),
        "x": traces.plain(getattr(curves, over)[first:]),
    }


def numbers(progress: Progress | None, panels: Sequence[Panel]) -> list[dict[str, float | None]]:
    """Return what the charts show as a table of at most 20 rows, evenly spread over the run."""
    if progress is None or not len(progress.curves.update):
        return []
    curves = progress.curves
    table = {
        "update": curves.update + 1,
        "episodes": curves.episodes,
        "environment steps": curves.env_steps,
        "seconds": curves.seconds,
        "return, IQM": curves.iqm[:, 0],
        "95 % low": curves.iqm[:, 1],
        "95 % high": curves.iqm[:, 2],
    }
    for measure in (RETURNS, *(PANELS[name] for name in panels)):
        values = getattr(curves, measure.curve)
        table[f"{measure.name}, mean"] = traces.mean(values)
        table[f"{measure.name}, lowest"] = np.fmin.reduce(values, axis=1)
        table[f"{measure.name}, highest"] = np.fmax.reduce(values, axis=1)
    chosen = np.unique(np.linspace(0, len(curves.update) - 1, MAX_NUMBERS).round().astype(int))
    columns = [traces.plain(column[chosen]) for column in table.values()]
    return [dict(zip(table, row, strict=True)) for row in zip(*columns, strict=True)]


def _chart(
    name: str, measure: Measure, progress: Progress | None, curves: Curves | None, shown: Shown, version: int,
    threshold: float | None = None,
) -> Json:  # fmt: skip
    data: list[Json] = []
    marks: Json = {}
    if progress and curves:
        data = _returns(curves, shown.over, version) if name == "returns" else _panel(curves, measure, shown, version)
        at = getattr(curves, shown.over)
        marks = traces.change_marks(progress.changes, curves.update, at, progress.run.parent_update)
    if threshold is not None:
        data.append(traces.threshold(threshold, float(getattr(curves, shown.over)[-1]) if curves else 1))
    there = curves is not None and bool(np.isfinite(getattr(curves, measure.curve)).any())
    layout = {
        **_axes(measure, curves is None, threshold),
        "showlegend": name == "returns",
        "uirevision": f"{shown.run_id} {name} {shown.over}",
        "shapes": marks.get("lines", []),
        "annotations": [
            *(marks.get("labels", []) if name == "returns" else []),
            *([] if there else [_hint(measure, progress, curves)]),
        ],
    }
    points = len(curves.update) if curves else 0
    label = f"Chart of the {measure.name} over {X_TITLES[shown.over]}, {points} points"
    return {"name": name, "data": data, "layout": layout, "label": label}


def _returns(curves: Curves, over: X, version: int) -> list[Json]:
    first, episode = curves.known(version)
    x, values = getattr(curves, over)[first:], curves.mean_return[first:]
    drawn = traces.agents(x, values, "mean of last 100 episodes", "mean return")
    if (count := values.shape[1]) > 1:
        middle, low, high = curves.iqm[first:].T
        typical = traces.center(x, middle, f"typical of {count} agents, with its uncertainty", "mean return")
        typical["hovertemplate"] = (
            "typical return %{y}<br>interquartile mean (IQM) of the agents’ means,<br>"
            "band: 95 % bootstrap interval<extra></extra>"
        )
        drawn = [*traces.band(x, low, high), *drawn, typical]
    singles = traces.episodes(_episode_x(curves, over)[episode:], curves, episode)
    return [{**singles, "from": episode}, *({**trace, "from": first} for trace in drawn)]


def _panel(curves: Curves, measure: Measure, shown: Shown, version: int) -> list[Json]:
    first, _ = curves.known(version)
    x, values = getattr(curves, shown.over)[first:], getattr(curves, measure.curve)[first:]
    middle = traces.mean(values)
    if measure.axis.get("type") == "log":  # 0 has no place there
        values, middle = (np.where(y > 0, y, np.nan) for y in (values, middle))
    drawn = traces.agents(x, values, measure.name, measure.name)
    if values.shape[1] > 1:
        drawn.append(traces.center(x, middle, f"mean of {values.shape[1]} agents", measure.name))
    return [{**trace, "from": first} for trace in drawn]


def _ghost(other: Progress, progress: Progress | None, known: Sequence[int], over: X, place: int) -> Json:
    """Draw the typical return of a run beside the open one: dashed, and no further than it, if it is its twin."""
    curves, run = other.curves, other.run
    first, _ = curves.known(known[1 + place])
    twin = progress is not None and run.parent_id == progress.run.id
    end = len(curves.update)
    if twin and progress:
        own = progress.curves
        seen, _ = own.known(known[0])
        first = min(first, int(np.searchsorted(curves.update, own.update[:seen].max(initial=-1), "right")))
        end = int(np.searchsorted(curves.update, own.update.max(initial=-1), "right"))
    trace = traces.center(
        getattr(curves, over)[first:end], curves.iqm[first:end, 0], legend(run.name), "mean return",
        f"beside-{run.id}", traces.BESIDE[place % len(traces.BESIDE)],
    )  # fmt: skip
    trace["line"] |= {"width": 2, "dash": "dash" if twin else "solid"}
    return {**trace, "opacity": 0.8, "from": first}


def _episode_x(curves: Curves, over: X) -> traces.Array:
    return curves.episode_number + 1 if over == "episodes" else getattr(curves, f"episode_{over}")


def _axes(measure: Measure, empty: bool, threshold: float | None) -> Json:
    axes: Json = {"xaxis": {"rangemode": "tozero"}, "yaxis": dict(measure.axis)}
    if empty:
        axes["xaxis"] |= {"range": [0, 1], "showticklabels": False}
        shown = {"range": sorted((0, 1.1 * (threshold or 1))), "showticklabels": bool(threshold)}
        axes["yaxis"] = {**shown, **axes["yaxis"]}
    return axes


def _hint(measure: Measure, progress: Progress | None, curves: Curves | None) -> Json:
    """Say in the middle of empty axes why they are empty."""
    waiting = "press Train" if progress is None else "waiting for the first update"
    return {
        "text": measure.undefined if curves else waiting, "x": 0.5, "xref": "paper", "y": 0.5, "yref": "paper",
        "showarrow": False, "font": {"size": 13, "color": "@faint"},
    }  # fmt: skip
