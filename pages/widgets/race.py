"""Estimators that race: forks of the open run, side by side on one chart as they learn."""

import contextlib

import streamlit as st

from pages.widgets.command import command
from pages.widgets.comparison import comparison
from pg_core import lab
from pg_core.config import ConfigError


@command
def ask() -> None:
    """Have the forks made that the component asks for; what it says may be anything."""
    match st.session_state.microscope.race:
        case {"update": int(update), "settings": [dict(), dict()] | [dict(), dict(), dict()] as settings}:
            asked = lab.race(st.session_state.run_id, update, settings)
            st.session_state.race, st.session_state.asked_race = asked.forks, asked.made
        case _:
            raise ConfigError("A race is asked for as an update and two or three estimators: reload the page.")


def told() -> None:
    """Take note of forks that have been made, or of why some could not be."""
    if (made := st.session_state.get("asked_race")) and made.done():
        del st.session_state.asked_race
        st.session_state.complaint = str(made.exception() or "")


def race(run: lab.Run) -> bool:
    """Draw the race of a run, if there is one; return whether more of it is to come."""
    if "asked_race" in st.session_state:
        st.caption("The run is trained again up to this update; its forks start from there.")
        return True
    runs = [found for run_id in st.session_state.race if (found := _found(run_id)) and found.parent_id == run.id]
    if not runs:
        return False
    comparison(runs)
    agents = run.config.num_agents
    of = f"{agents} agents, with the 95 % interval of their IQM" if agents > 1 else "1 agent, which has no interval"
    st.caption(f"Each curve is of {of}: it shows how a fork of this run learns, and ranks no estimators.")
    if st.button("Open them on the Runs page", icon=":material/list:"):
        st.session_state.selected = [run.id for run in runs]
        st.switch_page("runs.py")
    return any(run.active for run in runs)


def _found(run_id: str) -> lab.Run | None:
    with contextlib.suppress(lab.UnknownRun):  # it may be gone, or a link may say anything
        return lab.run(run_id)
    return None
