"""All of the Train page that moves: state, buttons, chart, policy and tiles, in one fragment that ticks."""

import math
import time
from typing import NamedTuple, get_args

import streamlit as st

from pages.widgets import controls, link, press
from pages.widgets.crowd import seconds_between_looks
from pages.widgets.figure import View, X, numbers
from pages.widgets.history import history
from pages.widgets.live_chart import READ_SECONDS, live_chart
from pages.widgets.policy_player import policy_player
from pages.widgets.words import NOT_YOURS, REFUSALS, STATES, big, duration
from pg_core import lab
from pg_core.config import HYPERPARAMETERS, Config

TICK_SECONDS = {"running": 0.4, "starting": 0.4, "queued": 1.0, "paused": 1.0}
FIRST_SECONDS = 0.25  # between looks for the first update of a run that nothing stands before
BEGIN_SECONDS = 0.3  # in which a warm worker has done it: nothing need be drawn before
DRAWING_SECONDS = 0.2  # in which the browser shows that update, before it is given the rest of the page to draw
DOUBLE_CLICK_SECONDS = 1.0  # in which a second click on Train means the same as the first
CLIP_SECONDS = 1.0  # between looks for a clip that is being rendered
VIEWS = {"returns": "Returns", "entropy": "Entropy", "gradient": "Gradient", "baseline": "Baseline"}
AXES = {"episodes": "episodes", "env_steps": "env steps", "seconds": "seconds"}


class Look(NamedTuple):
    """What is to be seen now: the open run, its config or that of the next run, and a clip of its policy."""

    progress: lab.Progress | None
    config: Config | None
    clip: lab.LabeledClip | None
    clip_pending: bool
    problem: str
    pause: float  # before the next look, at least

    @property
    def outside(self) -> tuple[float | None, str | None, str]:
        """What the rest of the page depends on, outside of the fragment: its interval, the open run, what is wrong."""
        return self.seconds, self.progress and self.progress.run.id, self.problem

    @property
    def seconds(self) -> float | None:
        """The time until the next look, None if nothing more is to be expected."""
        if self.progress and not self.progress.curves.complete:
            return FIRST_SECONDS
        if self.progress and self.progress.run.active:
            run = self.progress.run
            begins = run.updates == 0 and run.target == "run" and (self.progress.queue_position or 1) == 1
            return FIRST_SECONDS if begins else max(TICK_SECONDS[run.state], self.pause)
        return CLIP_SECONDS if self.clip_pending else None


def live() -> None:
    """Draw the open run, again and again while there is something new to expect."""
    looks = [_look()]  # for the first drawing; each later one looks again
    first = looks[0]

    def draw() -> None:
        look = looks.pop() if looks else _look()
        _draw(look)
        if look.outside != first.outside:
            if st.session_state.get("next_click") == math.inf:  # Train was pressed
                time.sleep(DRAWING_SECONDS)
                st.session_state.next_click = time.monotonic() + DOUBLE_CLICK_SECONDS
            st.rerun()

    st.fragment(draw, run_every=first.seconds)()


def _look() -> Look:
    run_id = st.session_state.run_id
    pause = seconds_between_looks(run_id is not None)
    progress = lab.progress(run_id, READ_SECONDS) if run_id else None
    config = progress.run.config if progress else controls.valid_config()
    clip, pending = lab.clip(progress.run) if progress else (None, False)
    if config and not clip:
        clip, pending = lab.untrained_clip(config)
    return Look(progress, config, clip, pending, controls.problem(), pause)


def _draw(look: Look) -> None:
    progress, config = look.progress, look.config
    with st.container(key="toolbar"):
        _status(progress)
        _buttons(progress)
    chart, player = st.columns([2.3, 1], gap="medium")
    with chart, st.container(key="chart"):
        _chart(progress, config, look.seconds)
    with player, st.container(key="player"):
        if config and (look.clip or look.clip_pending):
            policy_player(look.clip, config.env_id, key="policy_player")
        else:
            missing = f"No picture of {config.env_id} could be made; the server's log says why." if config else ""
            st.text(missing or "There is no policy for these settings.")
    with st.container(key="tiles"):
        _tiles(progress)
        _numbers(progress)
    press.answered()
    if progress:
        controls.follow(progress.run)


def _status(progress: lab.Progress | None) -> None:
    run = progress.run if progress else None
    color, icon = STATES[run.state] if run else ("gray", "circle")
    with st.container(horizontal=True, vertical_alignment="center", key="status"):
        st.badge(_state(run), color=color, icon=f":material/{icon}:")
        if run and progress:
            st.text(run.name, width="content")
            st.text(_position(progress), width="content")
        else:
            st.markdown("Press **Train**: agents start from scratch, and their returns appear below.", width="content")
    ended_well = run and run.state in ("solved", "finished")
    st.progress(1.0 if ended_well else min(1.0, run.updates / run.current.num_updates) if run else 0.0)


def _state(run: lab.Run | None) -> str:
    """Return the run's state, or what it was told to do and has not done yet."""
    if run is None:
        return "ready"
    ordered = {"pause": "pausing…", "stop": "stopping…"}.get(run.target)
    return ordered if ordered and run.state == "running" else run.state


def _position(progress: lab.Progress) -> str:
    run = progress.run
    words = f"update {run.updates:,} of {run.current.num_updates:,}"
    if not progress.curves.complete:
        return f"{words} · the chart has read {progress.curves.update[-1] + 1:,} so far"
    if progress.queue_position == 1:
        return f"next in the queue: {run.reason or 'it starts as soon as a worker is ready'}"
    if progress.queue_position:
        return f"number {progress.queue_position} in the queue"
    if run.reason:
        return run.reason
    if progress.seconds_left is not None:
        return f"{words} · at most {duration(progress.seconds_left)} left"
    return words


def _buttons(progress: lab.Progress | None) -> None:
    run = progress.run if progress else None
    with st.container(horizontal=True, vertical_alignment="bottom", key="buttons"):
        again = run is not None and run.active and lab.may_control(run)
        before = "Stop this run, which is kept, and start" if again else "Start"
        icon, meaning = ":material/play_arrow:", f"{before} a run with these settings."
        st.button(
            "Train anew" if again else "Train", on_click=_train, key="train", type="primary", icon=icon, help=meaning
        )
        if run:
            _orders(run)
        controls.pace()
        different = run.current.differences(controls.valid_config() or run.current) if run else {}
        if different:
            labels = ", ".join(HYPERPARAMETERS[name].label for name in different)
            st.caption(f"For the next run: {labels}.")


def _orders(run: lab.Run) -> None:
    """Draw the buttons of a run; one that means something else keeps its place, and so the keyboard's focus."""
    mine, stopping = lab.may_control(run), run.active and run.target == "stop"
    steerable = mine and run.changeable and not stopping
    resumable = run.state == "paused" or (run.changeable and not run.active)
    buttons = {
        "pause": ("Resume", "resume", steerable) if resumable else ("Pause", "pause", steerable),
        "step": ("Step", "skip_next", steerable),
        "stop": ("Stop", "stop", mine and run.active and not stopping),
    }
    help = None if mine else NOT_YOURS
    for key, (label, icon, enabled) in buttons.items():
        icon = f":material/{icon}:"
        st.button(label, key=key, icon=icon, help=help, disabled=not enabled, on_click=_act, args=(key, label.lower()))


def _train() -> None:
    if time.monotonic() < st.session_state.get("next_click", 0.0):
        return  # the second half of a double click
    st.session_state.complaint = ""
    try:
        config = controls.config()
        run = lab.run(st.session_state.run_id) if st.session_state.run_id else None
        if run and run.active and lab.may_control(run):
            lab.stop(run.id)
        st.session_state.run_id, st.session_state.known = lab.start(config), config
        st.session_state.next_click = math.inf
        lab.await_update(st.session_state.run_id, BEGIN_SECONDS)
    except REFUSALS as error:
        st.session_state.complaint = str(error)


def _act(key: str, order: str) -> None:
    if press.repeated(key):
        return  # the button may mean something else by now
    st.session_state.complaint = ""
    try:
        getattr(lab, order)(st.session_state.run_id)
    except REFUSALS as error:
        st.session_state.complaint = str(error)


def _chart(progress: lab.Progress | None, config: Config | None, pause: float | None) -> None:
    begin = st.session_state.choices
    with st.container(horizontal=True, key="chart_options"):
        view = st.segmented_control(
            "Curve", get_args(View), format_func=VIEWS.get, key="view", default=begin["view"], required=True,
            label_visibility="collapsed", persist_state="session", on_change=link.write, args=("train",),
        )  # fmt: skip
        x = st.segmented_control(
            "Over", get_args(X), format_func=AXES.get, key="over", default=begin["over"], required=True,
            label_visibility="collapsed", persist_state="session", on_change=link.write, args=("train",),
        )  # fmt: skip
    threshold = config.environment.reward_threshold if config else None
    live_chart(progress, view, x, "live_chart", threshold, pause)
    if progress:
        history(progress)


def _numbers(progress: lab.Progress | None) -> None:
    if st.toggle("Numbers as a table", key="numbers", disabled=progress is None) and progress:
        rows = numbers(progress, st.session_state.view)
        columns = {name: st.column_config.NumberColumn(format="%.4g") for name in rows[0]} if rows else {}
        counts = ("update", "episodes", "environment steps")
        columns |= {name: st.column_config.NumberColumn(format="localized") for name in counts}
        st.dataframe(rows, hide_index=True, column_config=columns)


def _tiles(progress: lab.Progress | None) -> None:
    run = progress.run if progress else None
    solved = [steps for steps in run.env_steps_to_solve if steps is not None] if run else []
    of_all = f"{len(solved)} of {run.config.num_agents}" if run and run.reward_threshold is not None else "–"
    tiles = {
        "Episodes": f"{run.episodes:,}" if run else "–",
        "Environment steps": big(run.env_steps) if run else "–",
        "Steps/s": big(run.steps_per_second) if run and run.updates else "–",
        "Best return": f"{run.best_return:.4g}" if run and run.best_return is not None else "–",
        f"Solved, first at {big(min(solved))} steps" if solved else "Solved": of_all,
    }
    with st.container(horizontal=True):
        for label, number in tiles.items():
            st.metric(label, number, border=True)
