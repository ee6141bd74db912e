"""The fixed bar: buttons that each mean one command, in places that do not depend on the state, and the pace."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.widgets import beside, controls
from pages.widgets.command import command
from pages.widgets.text import NOT_YOURS
from pg_core import lab
from pg_core.config import Config

PAUSE = "Hold after the update that is under way."
RESUME = "Go on from where it was held, stopped or interrupted."


def bar(run: lab.Run | None) -> None:
    """Draw the buttons and the pace.

    A button is drawn with all that its press means, so that a press that Streamlit brings twice is the same command:
    the id of the run that Train would start, the update up to which one step would train.
    """
    next_id = next_run()
    mine = run is None or lab.may_control(run)
    help = None if mine else NOT_YOURS
    stopping = run is not None and run.active and run.target == "stop"
    steerable = run is not None and mine and run.changeable and not stopping
    with st.container(key="bar", horizontal=True, vertical_alignment="center"):
        with st.container(key="slot_main"):
            _main(run, steerable, help, next_id)
        with st.container(key="slot_step"):
            updates = run.updates if run else 0
            _button(
                "One update", "step", "skip_next", help or "Train one more update of a run that is held.",
                not (steerable and _meaning(run) == "resume"), _order, run, lab.step, updates + 1,
            )  # fmt: skip
        with st.container(key="slot_stop"):
            stoppable = run is not None and mine and run.active and not stopping
            _button(
                "Stop", "stop", "stop", help or "End this run, which is kept.", not stoppable, _order, run, lab.stop
            )
        with st.container(key="slot_anew"):
            again = run is not None and _meaning(run) != "train"
            anew = "Stop this run, which is kept, and start another with these settings."
            _button("Train anew", "anew", "restart_alt", anew, not again, _train, next_id)
        with st.container(key="slot_pace"):
            controls.control("pace", label="Pace, updates a second", label_visibility="collapsed")


def next_run() -> str:
    """Return the id of the run that is started next."""
    if st.session_state.get("next_run") in (None, st.session_state.run_id):
        st.session_state.next_run = uuid.uuid4().hex
    return str(st.session_state.next_run)


def _meaning(run: lab.Run | None) -> str:
    """Return which of train, pause and resume comes next."""
    if run is None or not run.changeable:
        return "train"
    return "resume" if not run.active or run.target == "pause" else "pause"


def _main(run: lab.Run | None, steerable: bool, help: str | None, next_id: str) -> None:
    meaning = _meaning(run)
    if meaning == "train":
        _button("Train", "train", "play_arrow", "Start a run with these settings.", False, _train, next_id,
                type="primary")  # fmt: skip
    elif meaning == "pause":
        _button("Pause", "pause", "pause", help or PAUSE, not steerable, _order, run, lab.pause, type="primary")
    else:
        _button("Resume", "resume", "resume", help or RESUME, not steerable, _order, run, lab.resume, type="primary")


def _button(
    label: str, key: str, icon: str, help: str, disabled: bool, act: Callable[..., None], *args: Any, **more: Any
) -> None:
    st.button(
        label, key=key, icon=f":material/{icon}:", help=help, disabled=disabled, on_click=act, args=args,
        width="stretch", **more,
    )  # fmt: skip


@command
def _train(run_id: str) -> None:
    """Start the run with this id as the controls say, and open it; the run that is open and active is stopped."""
    start({run_id: (None, controls.config())})


def start(runs: Mapping[str, tuple[str | None, Config]]) -> None:
    """Start runs, by id, each with a name and a config; the first one is opened, the others are drawn behind it."""
    before = lab.run(st.session_state.run_id) if st.session_state.run_id else None
    if before and before.active and before.id not in runs and lab.may_control(before):
        lab.stop(before.id)
    first, *others = runs
    for run_id, (name, config) in runs.items():
        lab.start(config, name, run_id)
        if run_id == first:
            controls.open_run(lab.run(first))
    beside.keep(*others)


@command
def _order(run: lab.Run, order: Callable[..., None], *args: Any) -> None:
    """Steer a run, unless a newer press has: of presses that wait together, Streamlit calls the newest first."""
    context = get_script_run_ctx()
    here = context and context.cursors  # another object in each run of the script
    if here is None or st.session_state.get("steered_in") is not here:
        st.session_state.steered_in = here
        order(run.id, *args)
