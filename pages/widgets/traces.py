"""What a live chart is made of: Plotly traces and marks from a run's curves, each bounded whatever the run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pg_core.config import HYPERPARAMETERS
from pg_core.lab import Change, Curves

Array = npt.NDArray[Any]
Json = dict[str, Any]

# A role keeps its place in the theme's chart colours on every view; assets/instrument/charts.js fills them in.
CENTER, THRESHOLD, CHANGE, AGENT, EPISODE = "@0", "@2", "@3", "@5", "@7"
BESIDE = ("@4", "@1", "@6", "@7")  # runs that are drawn behind
MAX_AGENTS, MAX_MARKS = 16, 40
# Pixels of a phone's plot, the narrowest: what does not overlap there overlaps nowhere.
PLOT_WIDTH, LETTER_WIDTH, LABEL_HEIGHT, LABEL_ROWS = 290, 5.6, 14, 2


def plain(values: Array) -> list[float | None]:
    """Return numbers as JSON has them: integers as they are, else five significant digits, null where not finite."""
    if values.dtype.kind == "i":
        return list(values.tolist())
    numbers = values.astype(float).ravel()
    numbers[~np.isfinite(numbers)] = np.nan
    with np.errstate(divide="ignore"):
        size = np.nan_to_num(np.floor(np.log10(np.abs(numbers))), neginf=0)  # of 0: none, like that of 1
    scale = 10.0 ** np.abs(4 - size)
    rounded = np.where(size < 4, np.round(numbers * scale) / scale, np.round(numbers / scale) * scale)
    return list(np.where(np.isnan(numbers), None, rounded).tolist())


def episodes(x: Array, curves: Curves, first: int = 0) -> Json:
    """Draw single episodes as faint dots, those from `first` on at `x [m]`; the legend says how many, if not all."""
    total, shown = int(curves.episodes[-1]) * curves.mean_return.shape[1], len(curves.episode_return)
    return {
        "name": "single episodes" if shown == total else f"{shown:,} of {total:,} episodes",
        "uid": "episodes", "type": "scatter", "mode": "markers",
        "x": plain(x), "y": plain(curves.episode_return[first:]),
        "customdata": np.stack([curves.episode_agent, curves.episode_update + 1], -1)[first:].tolist(),
        "marker": {"color": EPISODE, "size": 4, "opacity": 0.35},
        "hovertemplate": "return %{y}<br>agent %{customdata[0]}, update %{customdata[1]}<extra></extra>",
    }  # fmt: skip


def agents(x: Array, values: Array, name: str, what: str) -> list[Json]:
    """Draw the curves of at most 16 agents, values `[n, P]` at `x [n]`, with one line in the legend."""
    num_agents = values.shape[1]
    shown = min(num_agents, MAX_AGENTS)
    who = "each agent" if shown == num_agents else f"{shown} of {num_agents} agents"
    at = plain(x)
    return [{
        "name": name if num_agents == 1 else f"{who}, {name}", "uid": f"agent{agent} {what}", "type": "scatter",
        "mode": "lines", "x": at, "y": plain(values[:, agent]), "legendgroup": f"agents {what}",
        **({"showlegend": False} if agent else {}),
        "line": {"color": AGENT, "width": 2.5 if num_agents == 1 else 1}, "opacity": 1 if num_agents == 1 else 0.6,
        "hovertemplate": f"{what} %{{y}}<br>agent {agent}<extra></extra>",
    } for agent in range(shown)]  # fmt: skip


def center(x: Array, values: Array, name: str, what: str, group: str = "center", color: str = CENTER) -> Json:
    """Draw what stands for a whole population, values `[n]` at `x [n]`; with its band in one group of the legend."""
    return {
        "name": name, "uid": f"{group} {what}", "type": "scatter", "mode": "lines", "x": plain(x), "y": plain(values),
        "legendgroup": group, "line": {"color": color, "width": 2.5},
        "hovertemplate": f"%{{fullData.name}}<br>{what} %{{y}}<extra></extra>",
    }  # fmt: skip


def band(x: Array, low: Array, high: Array, group: str = "center", color: str = CENTER) -> list[Json]:
    """Fill the interval from low to high, both `[n]`, around the centre; where one is not a number, there is a gap."""
    there, at = np.isfinite(low) & np.isfinite(high), plain(x)
    edge = {
        "type": "scatter", "mode": "lines", "x": at, "line": {"width": 0},
        "legendgroup": group, "showlegend": False, "hoverinfo": "skip",
    }  # fmt: skip
    return [
        {**edge, "uid": f"{group} low", "y": plain(np.where(there, low, np.nan))},
        {**edge, "uid": f"{group} high", "y": plain(np.where(there, high, np.nan)), "fill": "tonexty",
         "fillcolor": f"{color}/0.2"},
    ]  # fmt: skip


def threshold(value: float, end: float) -> Json:
    """Draw the return that counts as solved, from 0 to the end of the curves."""
    return {
        "name": f"solved: mean of the last 100 episodes at {value:g}",
        "uid": "threshold", "type": "scatter", "mode": "lines", "x": [0, end],
        "y": [value, value], "line": {"color": THRESHOLD, "width": 1.5, "dash": "dash"}, "hoverinfo": "skip",
    }  # fmt: skip


def mean(values: Array) -> Array:
    """Return the mean `[n]` over the agents that have a value, of values `[n, P]`; NaN where none has."""
    there = np.isfinite(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def change_marks(
    changes: Sequence[Change], update: Array, x: Array, forked_after: int | None = None
) -> dict[str, list[Json]]:
    """Return vertical `lines` and their `labels` where a run left its parent and where it was changed, newest first.

    A change is in force from its update on: it stands where the update before it ended. Newer changes get the
    better label: the values, else the symbols, else a mark, else none; hovering over a label tells all.

    Args:
        changes: in order.
        update: indices of the curves' rows, `[n]`.
        x: where each of these updates ended, `[n]`, above 0.
        forked_after: updates that a run shares with its parent.
    """
    ends, end = np.append(0, update + 1), float(x[-1])
    lines: list[Json] = []
    labels: list[Json] = []
    taken: list[list[tuple[float, float]]] = [[] for _ in range(LABEL_ROWS)]
    marks = [(change.update, *_texts(change)) for change in changes[: -MAX_MARKS - 1 : -1]]
    if forked_after is not None:
        marks.insert(0, (forked_after, "fork", "fork"))
    for first, full, short in marks:
        at = float(np.interp(first, ends, np.append(0, x)))
        lines.append({
            "type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "layer": "below",
            "line": {"color": CHANGE, "width": 1, "dash": "dot"},
        })  # fmt: skip
        if label := _place(full, short, at / end * PLOT_WIDTH, taken):
            labels.append({"x": at, **label})
    return {"lines": lines, "labels": labels}


def _texts(change: Change) -> tuple[str, str]:
    return ", ".join(in_words(change.values)), " ".join(_symbol(name) for name in change.values)


def _place(full: str, short: str, at: float, taken: list[list[tuple[float, float]]]) -> Json | None:
    """Find the longest text and the lowest row that are free at pixel `at`, and take them; None if there is no room."""
    for text in (full, short, "▾"):
        width = LETTER_WIDTH * (len(text) + 1)
        # Beginning at its line wherever possible: a label that ends there seems to belong to the line before.
        for anchor, left in (("left", at - 3), ("center", at - width / 2), ("right", at - width + 3)):
            for row, spans in enumerate(taken):
                free = all(left > end or left + width < start for start, end in spans)
                if free and left >= -3 and left + width - 3 <= PLOT_WIDTH:
                    spans.append((left, left + width))
                    return _label(text, full, anchor, row)
    return None


def _label(text: str, full: str, anchor: str, row: int) -> Json:
    return {
        "text": text, "hovertext": full, "xanchor": anchor, "y": 1, "yref": "paper", "yanchor": "bottom",
        "yshift": row * LABEL_HEIGHT, "borderpad": 0, "showarrow": False, "font": {"size": 11},
    }  # fmt: skip


def in_words(values: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """Return each change as `α 0.01 → 0.003`."""
    show = {name: HYPERPARAMETERS[name].show for name in values}
    return [f"{_symbol(name)} {show[name](old)} → {show[name](new)}" for name, (old, new) in values.items()]


def _symbol(name: str) -> str:
    return HYPERPARAMETERS[name].symbol or HYPERPARAMETERS[name].label
