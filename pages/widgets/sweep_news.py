"""What the moving part of the Sweeps page is told: how a sweep is, and each setting that is another than before."""

import math
import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from pages.widgets import axes, traces
from pages.widgets.figure import Json
from pages.widgets.text import big, number
from pg_core import lab
from pg_core.config import HYPERPARAMETERS

BEAT_SECONDS, REST_SECONDS = 0.4, 2.0  # between questions, while it is trained and while it rests
MAX_POINTS, FEWEST_POINTS, MOST_POINTS = 6_000, 16, 100  # of all curves, and of each
INTERVAL = "with its 95 % bootstrap interval"
STEPS: lab.Measure = "env_steps_to_solve"
MEANINGS: dict[lab.Measure, str] = {
    "env_steps_to_solve": f"Median over seeds of the environment steps that an agent does until it solves, {INTERVAL}.",
    "final_return": f"IQM over seeds of the mean return of the last 100 episodes, {INTERVAL}.",
    "area_under_curve": f"IQM over seeds of the mean of the learning curve over all its updates, {INTERVAL}.",
}


def news(view: lab.SweepView, known: str = "") -> Json:
    """Return what is new of a sweep; JSON-serialisable.

    Args:
        view: of the sweep.
        known: the version that the browser has; settings that are as they were there are left out.
    """
    marks = {setting.number: _mark(setting) for setting in view.settings}
    before = set(known.split("-"))
    points = max(FEWEST_POINTS, min(MOST_POINTS, MAX_POINTS // max(1, len(view.settings))))
    return {
        "version": "-".join(marks.values()),
        "token": token(view),
        "told": told(view),
        "numbers": list(marks),
        "settings": [
            _setting(view.sweep, setting, points) for setting in view.settings if marks[setting.number] not in before
        ],
    }


def measures(view: lab.SweepView) -> list[lab.Measure]:
    """Return by what the settings can be told apart: steps to solve only where there is something to solve."""
    solvable = any(setting.config.environment.reward_threshold is not None for setting in view.settings)
    return [name for name in lab.TITLES if solvable or name != STEPS]


def token(view: lab.SweepView) -> str:
    """Return what the native part of the page depends on: where it is another, the page runs once."""
    return f"{view.state} {len(view.settings)} {any(setting.active for setting in view.settings)}"


def axes_of(sweep: lab.Sweep) -> list[Json]:
    """Return name and headings of each axis: its values, or what lies between them where a sampler draws from it."""
    return [
        {"name": axis.name, "label": axes.label(axis.name), "headings": _headings(sweep, axis)} for axis in sweep.axes
    ]


def _drawn_from(sweep: lab.Sweep, axis: lab.SweepAxis) -> bool:
    return sweep.sampler != "grid" and axis.scale != "list"


def _headings(sweep: lab.Sweep, axis: lab.SweepAxis) -> list[str]:
    shown = list(map(HYPERPARAMETERS[axis.name].show, axis.values))
    if not _drawn_from(sweep, axis):
        return shown
    return [f"{low} to {high}" for low, high in pairwise(shown)]


def told(view: lab.SweepView) -> Json:
    """Return the state in words, and the share that is done."""
    ended = [setting for setting in view.settings if not setting.active]
    words = [f"{len(ended):,} of {view.sweep.most:,} settings done"]
    for state in ("training", "queued", "diverged", "failed"):
        if count := sum(setting.state == state for setting in view.settings):
            words.append(f"{count:,} {state}")
    done = sum(map(_share, view.settings)) / max(1, view.sweep.most, len(view.settings))
    return {"state": view.state, "words": " · ".join([*words, view.name]), "progress": min(1.0, done)}


def _share(setting: lab.Setting) -> float:
    if not setting.active:
        return 1.0
    return max(run.updates / run.current.num_updates for run in setting.runs)


def _mark(setting: lab.Setting) -> str:
    """Return what is another whenever anything is that is told of a setting."""
    runs = [(run.id, run.name, run.updates, run.rewinds, run.state, run.target) for run in setting.runs]
    return f"{setting.number}.{zlib.crc32(repr((setting.state, setting.seeds, runs)).encode()):x}"


def _setting(sweep: lab.Sweep, setting: lab.Setting, points: int) -> Json:
    solvable = setting.config.environment.reward_threshold
    return {
        "number": setting.number,
        "name": in_words(setting),
        "shown": [HYPERPARAMETERS[axis].show(value) for axis, value in setting.values.items()],
        "cell": [_place(sweep, axis, setting.values[axis.name])[0] for axis in sweep.axes],
        "at": [_place(sweep, axis, setting.values[axis.name])[1] for axis in sweep.axes],
        "state": setting.state,
        "active": setting.active,
        "seeds": setting.seeds,
        "solved": None if solvable is None else setting.solved,
        "threshold": solvable,
        "left_out": setting.left_out,
        "measures": {name: measured(setting, name) for name in lab.TITLES},
        "curve": _curve(setting.curve, points),
        "runs": [_run(run) for run in setting.runs],
    }


def in_words(setting: lab.Setting) -> str:
    """Return the values of a setting: `Learning rate α 0.01, Discount factor γ 1`."""
    return ", ".join(
        f"{axes.label(name)} {HYPERPARAMETERS[name].show(value)}" for name, value in setting.values.items()
    )


def _place(sweep: lab.Sweep, axis: lab.SweepAxis, value: float) -> tuple[int, float]:
    """Return below which heading a value is, and how far along the axis, in [0, 1]."""
    if not _drawn_from(sweep, axis):
        place = axis.values.index(value)
        return place, place / max(1, len(axis.values) - 1)
    low, high = axis.values[0], axis.values[-1]
    between = sum(value >= end for end in axis.values[1:-1])
    if axis.scale == "log":
        low, high, value = map(math.log, (low, high, value))
    return between, (value - low) / (high - low)


def measured(setting: lab.Setting, name: lab.Measure) -> Json:
    """Return a measure of a setting: its value, None where it has none, in words, and what is said beside it."""
    found, show = setting.measures[name], big if name == STEPS else number
    value = found.value if math.isfinite(found.value) else None
    if value is None:
        beside = f"{setting.solved} of {setting.seeds} solved" if setting.seeds and name == STEPS else ""
    else:
        beside = f"{_end(show, found.low)} to {_end(show, found.high)}"
    return {"value": value, "text": _instead(setting, found.value) or show(found.value), "beside": beside}


def _end(show: Callable[[float], str], value: float) -> str:
    return show(value) if math.isfinite(value) else "never" if value > 0 else "diverged"


def _instead(setting: lab.Setting, value: float) -> str:
    """Return what is said where a number would say less."""
    if setting.state == "diverged" and not math.isfinite(value):
        return "diverged"
    if math.isnan(value):
        return {"queued": "waits", "training": "begins"}.get(setting.state, setting.state)
    if math.isinf(value):
        return "not yet" if setting.active else "unsolved"
    return ""


def _curve(curve: lab.SettingCurve | None, points: int) -> Json | None:
    if curve is None:
        return None
    rows = np.unique(np.linspace(0, len(curve.update) - 1, points).round().astype(int))
    columns = {"env_steps": curve.env_steps, "episodes": curve.episodes}
    columns |= dict(zip(("iqm", "low", "high"), curve.iqm.T, strict=True))
    return {name: traces.plain(column[rows]) for name, column in columns.items()}


def _run(run: lab.Run) -> Json:
    seeds = f"seed {run.config.seed}, {run.config.num_agents} agent{'s' * (run.config.num_agents > 1)}"
    return {"id": run.id, "name": run.name, "words": f"{run.state} after {run.updates:,} updates · {seeds}"}


def beat(view: lab.SweepView) -> float | None:
    """Return after how many seconds the browser is to ask again, None if nothing more is to be expected."""
    return {"training": BEAT_SECONDS, "stopped": REST_SECONDS}.get(view.state)
