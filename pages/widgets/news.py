"""What the instrument of the Train page is told of a run: its state, numbers, charts and policies, and when to ask."""

import json
import time
import zlib
from collections.abc import Sequence

import numpy as np

from pages.widgets import figure
from pages.widgets.effects import effect
from pages.widgets.figure import Json, Shown
from pages.widgets.text import big, duration, number
from pg_core import lab
from pg_core.config import Config
from pg_core.lab import Progress, Run

# All who watch a run are told to ask at multiples of these, so that one answer does for many: while something moves;
# while a run rests that somebody may resume; until the first update, and for the rest of a very long run.
BEAT_SECONDS, REST_SECONDS, FIRST_SECONDS = 0.4, 2.0, 0.05
SLOW_PACE = 1  # updates a second, up to which the stage shows every policy
RECENT_POLICIES = 6
TYPICAL = (
    "Interquartile mean (IQM) over the agents of each one’s mean return of its last 100 episodes, with its 95 % "
    "bootstrap interval"
)
COMPUTING = "Environment steps of all agents for each second of computing; waits for the pace do not count"
RUNNING = "Wall-clock time for which the run has run, waits for the pace included, pauses not"
STRIP = 9  # policies on the filmstrip, but for the newest


def news(progress: Progress, shown: Shown, beside: Sequence[Progress] = (), versions: Sequence[int] = ()) -> Json:
    """Return what is new of a run since the curves that the browser has; JSON-serialisable.

    Args:
        progress: of the open run.
        shown: what is to be seen.
        beside: the runs that are drawn behind.
        versions: of the curves of all these runs that the browser has, the open run's first.
    """
    run = progress.run
    every = [other.curves.version for other in (progress, *beside)]
    found = {
        "version": "-".join(map(str, every)),
        # What begins in a moment is not worth a run of the page, unless somebody else has changed its settings.
        "token": None if _begins(progress) and run.current == run.config else token(progress),
        "told": told(progress),
        "stage": _stage(run),
    }
    # Who has the axes of another run gets a run's curves with its first update, and no axes without curves before.
    if list(versions) != every and (run.updates or not versions or not _begins(progress)):
        found["charts"] = figure.charts(progress, shown, run.reward_threshold, beside, versions)
        found["rows"] = figure.rows(progress.curves, shown.over, versions[0] if versions else 0)
    return found


def nothing_yet(config: Config, shown: Shown) -> Json:
    """Return what the instrument is told before the first run: empty axes and the untrained policy."""
    threshold = config.environment.reward_threshold
    return {
        "version": "0", "token": "",
        "told": {
            "state": "ready", "words": "press Train: agents start from scratch", "progress": 0.0,
            "sentence": _limits(config) or "Turn a knob while they learn: the very next update uses it.",
            "numbers": _numbers(None, config),
        },
        "stage": {"newest": 0, "kept": [0], "every": False, "strip": [0]},
        "charts": figure.charts(None, shown, threshold), "rows": {"from": 0, "update": [], "x": []},
    }  # fmt: skip


def token(progress: Progress) -> str:
    """Return what the native part of the page depends on: where it is another, the page runs once."""
    run = progress.run
    parts = (
        "active" if run.active else run.state, run.target, run.updates if run.state == "paused" else run.updates > 0,
        run.current.model_dump_json(), run.rewinds, progress.changes[-1].update if progress.changes else None,
    )  # fmt: skip
    return repr(parts)


def told(progress: Progress) -> Json:
    """Return the state in words, the share that is done, one sentence and the numbers."""
    run = progress.run
    return {
        "state": _state(run),
        "words": _position(progress),
        "progress": _share(progress),
        "sentence": run.reason or _last_change(progress) or _limits(run.current) or _hint(run),
        "numbers": _numbers(progress, run.config),
    }


def _state(run: Run) -> str:
    """Return the run's state, or what it was told to do and has not done yet."""
    ordered = {"pause": "pausing…", "stop": "stopping…"}.get(run.target)
    return ordered if ordered and run.state == "running" else run.state


def _position(progress: Progress) -> str:
    run = progress.run
    if progress.queue_position:
        place = "next" if progress.queue_position == 1 else f"number {progress.queue_position}"
        return f"{place} in the queue · {run.name}"
    words = [f"update {run.updates:,} of at most {run.current.num_updates:,}"]
    if not progress.curves.complete:
        words.append(f"the charts have read {progress.curves.update[-1] + 1:,} so far")
    if run.reward_threshold is not None:
        solved = sum(steps is not None for steps in run.env_steps_to_solve)
        words.append(f"solved {solved} of {run.config.num_agents}")
    if progress.seconds_left is not None:
        words.append(f"at most {duration(progress.seconds_left)} left")
    return " · ".join([*words, run.name])


def _share(progress: Progress) -> float:
    """Return how much of a run is done: of its updates, or of the way to the return that counts as solved."""
    run, curves = progress.run, progress.curves
    if run.state in ("solved", "finished"):
        return 1.0
    done = min(1.0, run.updates / run.current.num_updates)
    if run.reward_threshold is None or not run.current.stop_when_solved or not len(curves.update):
        return done
    first, last = curves.mean_return[0], curves.mean_return[-1]
    climbed = np.clip((last - first) / np.maximum(run.reward_threshold - first, 1e-9), 0, 1)
    solved = np.array([steps is not None for steps in run.env_steps_to_solve])
    return max(done, float(np.where(solved, 1, climbed).mean()))


def _last_change(progress: Progress) -> str:
    """Say what the last change did: when, what it means, and what the agents earned then and earn now."""
    if not progress.changes or not len(progress.curves.update):
        return ""
    change, curves = progress.changes[-1], progress.curves
    then = curves.iqm[max(0, int(np.searchsorted(curves.update, change.update)) - 1), 0]
    what = ", ".join(effect(name, old, new) for name, (old, new) in change.values.items())
    now = f"typical return {number(then)} then, {number(curves.iqm[-1, 0])} now"
    return f"Since update {change.update + 1:,}: {what}; {now}."


def _limits(config: Config) -> str:
    """Say what an environment does not tell: a return that counts as solved, a time limit."""
    spec = config.environment
    if spec.reward_threshold is not None:
        return spec.limit_note
    given = f" with {json.dumps(spec.env_kwargs)}" if spec.env_kwargs else ""
    threshold = f"No return counts as solved in {config.env_id}{given}: the run ends after its last update."
    return f"{threshold} {spec.limit_note}".rstrip()


def _hint(run: Run) -> str:
    if run.active:
        return "Turn a knob: the very next update uses it, and the curve gets a flag."
    return "Click a point of a curve, or a picture of the filmstrip, to see the policy of that moment play."


def _numbers(progress: Progress | None, config: Config) -> list[Json]:
    """Return what the line of numbers says, each with what it means."""
    run = progress.run if progress else None
    curves = progress.curves if progress and len(progress.curves.update) else None
    agents = config.num_agents
    middle, low, high = curves.iqm[-1] if curves else (np.nan,) * 3
    typical = "mean return", number(middle), "Mean return of the last 100 episodes"
    if agents > 1:
        interval = f" ({number(low)} to {number(high)})" if curves else ""
        typical = f"typical of {agents} agents", f"{number(middle)}{interval}", TYPICAL
    cells = [
        typical,
        ("best episode", number(run.best_return) if run else "–", "The highest return of a single episode"),
        ("episodes", f"{run.episodes:,}" if run else "–", "Played by all agents together"),
        ("steps", big(run.env_steps) if run else "–", "Environment steps, done by all agents together"),
        ("steps/s computing", big(run.steps_per_second) if run and run.updates else "–", COMPUTING),
        ("running for", duration(run.elapsed_seconds) if run else "–", RUNNING),
    ]
    return [dict(zip(("name", "value", "title"), cell, strict=True)) for cell in cells]


def _stage(run: Run) -> Json:
    """Return which policies there are to be seen: the newest ones, and an even spread over the run."""
    kept = lab.policies(run.id) or [0]  # with which it will begin
    return {
        "newest": kept[-1],
        "kept": kept[-RECENT_POLICIES:],
        "every": 0 < run.current.pace <= SLOW_PACE,
        "strip": _spread(kept),
    }


def _spread(kept: Sequence[int]) -> list[int]:
    """Return at most `STRIP` kept updates, nearest to multiples of a power of two: they stay as a run grows."""
    stride = 1
    while kept[-1] // stride >= STRIP:
        stride *= 2
    nearest = [kept[int(np.abs(np.subtract(kept, at)).argmin())] for at in range(0, kept[-1] + 1, stride)]
    return list(dict.fromkeys(nearest))


def beat(progress: Progress, beside: Sequence[Progress] = ()) -> float | None:
    """Return how often the browser is to ask, None if nothing more is to be expected."""
    run = progress.run
    if not progress.curves.complete or _begins(progress):
        return FIRST_SECONDS
    rests = run.state == "paused" and run.target == "pause" and run.until <= run.updates
    if (run.active and not rests) or any(other.run.active for other in beside):
        return BEAT_SECONDS
    return REST_SECONDS if run.active or run.changeable else None


def _begins(progress: Progress) -> bool:
    """Return whether the first update, or the first one after a pause, is to be expected in a moment."""
    run = progress.run
    first = run.state == "starting" or (run.state == "running" and not run.updates)
    return run.target == "run" and (first or (progress.queue_position == 1 and not run.reason))


def seconds_until(beat: float | None, run_id: str) -> float | None:
    """Return the seconds from now until the next multiple of a beat, which is another moment for another run."""
    if beat is None:
        return None
    shift = zlib.crc32(run_id.encode()) / 2**32
    return beat - (time.monotonic() + shift * beat) % beat
