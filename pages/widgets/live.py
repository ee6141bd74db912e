"""All of the Train page that moves: state, buttons, chart, policy and tiles, in one fragment that ticks."""

from typing import get_args

import streamlit as st

from pages.widgets import controls
from pages.widgets.live_chart import View, X, live_chart, numbers
from pages.widgets.policy_player import policy_player
from pages.widgets.words import big, duration
from pg_core import lab
from pg_core.config import Config, ConfigError
from pg_core.environments import describe

TICK_SECONDS = {"running": 0.4, "starting": 0.4, "queued": 1.0, "paused": 1.0}
CLIP_SECONDS = 1.0  # between looks for a clip that is being rendered
VIEWS = {"returns": "Returns", "entropy": "Entropy", "gradient": "Gradient", "baseline": "Baseline"}
AXES = {"episodes": "episodes", "env_steps": "env steps", "seconds": "seconds"}
STATES = {
    "queued": ("gray", "hourglass_empty"),
    "starting": ("blue", "hourglass_top"),
    "running": ("blue", "play_arrow"),
    "paused": ("orange", "pause"),
    "solved": ("green", "check"),
    "finished": ("green", "flag"),
    "stopped": ("gray", "stop"),
    "failed": ("red", "error"),
    "interrupted": ("orange", "link_off"),
}


def live() -> None:
    """Draw the open run, again and again while there is something new to expect."""
    seconds = st.session_state.get("tick_seconds", CLIP_SECONDS)
    st.fragment(_draw, run_every=seconds)(seconds)


def _draw(seconds: float | None) -> None:
    progress = lab.progress(st.session_state.run_id) if st.session_state.run_id else None
    clip, pending = _clip(progress)
    with st.container(key="toolbar"):
        _status(progress)
        _buttons(progress)
    chart, player = st.columns([2.3, 1], gap="medium")
    with chart, st.container(key="chart"):
        _chart(progress)
    with player, st.container(key="player"):
        env_id = progress.run.config.env_id if progress else controls.value("env_id")
        if clip or pending:
            policy_player(clip, env_id, key="policy_player")
        else:
            st.caption(f"{env_id} cannot be drawn here.")
    with st.container(key="tiles"):
        _tiles(progress)
    wanted = TICK_SECONDS[progress.run.state] if progress and progress.run.active else CLIP_SECONDS if pending else None
    if wanted != seconds:
        st.session_state.tick_seconds = wanted
        st.rerun()


def _clip(progress: lab.Progress | None) -> tuple[lab.LabeledClip | None, bool]:
    """Return the newest clip of the open run, or of the policy that it begins with, and whether to look again."""
    if progress:
        clip, pending = lab.clip(progress.run.id)
        return (clip, pending) if clip else lab.untrained_clip(progress.run.config)
    try:
        return lab.untrained_clip(controls.config())
    except ConfigError:
        return lab.untrained_clip(Config())


def _status(progress: lab.Progress | None) -> None:
    if progress is None:
        st.markdown("Press **Train**: five agents start from scratch, and their returns appear here.")
        return
    run = progress.run
    color, icon = STATES[run.state]
    with st.container(horizontal=True, vertical_alignment="center", key="status"):
        st.badge(run.state, color=color, icon=f":material/{icon}:")
        st.text(run.name, width="content")
        st.text(_position(progress), width="content")
    if run.reason:
        st.text(run.reason)
    st.progress(min(1.0, run.updates / run.current.num_updates))


def _position(progress: lab.Progress) -> str:
    run = progress.run
    words = f"update {run.updates:,} of {run.current.num_updates:,}"
    if progress.queue_position:
        return f"number {progress.queue_position} in the queue"
    if progress.seconds_left is not None:
        return f"{words} · at most {duration(progress.seconds_left)} left"
    return words


def _buttons(progress: lab.Progress | None) -> None:
    run = progress.run if progress else None
    with st.container(horizontal=True, vertical_alignment="bottom", key="buttons"):
        label = "Train" if run is None or not run.active else "Train anew"
        kind = "secondary" if run and run.active else "primary"
        st.button(label, key="train", type=kind, icon=":material/play_arrow:", on_click=_train)
        if run:
            resumable = run.state in ("paused", "stopped", "interrupted")
            if resumable:
                st.button("Resume", key="resume", icon=":material/resume:", on_click=_act, args=("resume",))
            else:
                pause = {"icon": ":material/pause:", "on_click": _act, "args": ("pause",)}
                st.button("Pause", key="pause", disabled=not run.active, **pause)
            can_step = run.active or resumable
            st.button(
                "Step", key="step", icon=":material/skip_next:", disabled=not can_step, on_click=_act, args=("step",)
            )
            st.button(
                "Stop", key="stop", icon=":material/stop:", disabled=not run.active, on_click=_act, args=("stop",)
            )
        controls.pace()


def _train() -> None:
    st.session_state.complaint = ""
    try:
        config = controls.config()
        if st.session_state.run_id and lab.run(st.session_state.run_id).active:
            lab.stop(st.session_state.run_id)
        st.session_state.run_id = lab.start(config)
    except (ConfigError, LookupError, lab.StoreError) as error:
        st.session_state.complaint = str(error)
    st.rerun()  # link and complaint are drawn outside of the fragment


def _act(order: str) -> None:
    st.session_state.complaint = ""
    try:
        getattr(lab, order)(st.session_state.run_id)
    except (LookupError, lab.StoreError) as error:
        st.session_state.complaint = str(error)
    st.rerun()


def _chart(progress: lab.Progress | None) -> None:
    with st.container(horizontal=True, key="chart_options"):
        view = st.segmented_control(
            "Curve", get_args(View), format_func=VIEWS.get, key="view", default="returns", required=True,
            label_visibility="collapsed", persist_state="session",
        )  # fmt: skip
        x = st.segmented_control(
            "Over", get_args(X), format_func=AXES.get, key="x_axis", default="episodes", required=True,
            label_visibility="collapsed", persist_state="session",
        )  # fmt: skip
    threshold = None if progress else _threshold(controls.value("env_id"))
    live_chart(progress, view, x, key="live_chart", reward_threshold=threshold)
    if progress and st.toggle("Numbers as a table", key="numbers"):
        st.dataframe(numbers(progress, view), hide_index=True)


def _threshold(env_id: str) -> float | None:
    try:
        return describe(env_id).reward_threshold
    except ValueError:
        return None


def _tiles(progress: lab.Progress | None) -> None:
    run = progress.run if progress else None
    solved = [steps for steps in run.env_steps_to_solve if steps is not None] if run else []
    with st.container(horizontal=True):
        st.metric("Episodes", f"{run.episodes:,}" if run else "–", border=True)
        st.metric("Environment steps", big(run.env_steps) if run else "–", border=True)
        st.metric("Steps/s", big(run.steps_per_second) if run and run.updates else "–", border=True)
        st.metric("Best return", f"{run.best_return:.4g}" if run and run.best_return is not None else "–", border=True)
        st.metric(
            "Solved",
            f"{len(solved)} of {run.config.num_agents}" if run and run.reward_threshold is not None else "–",
            delta=f"first after {big(min(solved))} steps" if solved else None, delta_color="off", delta_arrow="off",
            border=True,
        )  # fmt: skip
