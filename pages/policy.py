"""Policy: what a run had learned at any of its updates, and why the gradient pointed where it did."""

import streamlit as st

from pages.widgets import link, race
from pages.widgets.microscope import microscope
from pages.widgets.text import plain
from pg_core import lab

REFRESH_SECONDS = 2.0  # while the run is active

st.set_page_config(page_title="Policy · Policy Gradient Lab")
link.load()
st.html("<h1 class='lab-unseen'>Policy</h1>")  # for screen readers


def opened() -> lab.Run | None:
    """Return the open run; one that is gone, or that somebody else has deleted, is open no more."""
    try:
        return lab.run(st.session_state.run_id) if st.session_state.run_id else None
    except lab.UnknownRun as error:
        st.session_state.run_id, st.session_state.complaint = None, str(error)
        return None


def draw(seconds: float | None) -> None:
    """Draw the page, again and again while the run is active."""
    race.told()
    run, races = opened(), False
    if st.session_state.complaint:
        st.error(plain(st.session_state.complaint))
    if run is None:
        st.info("No run is open: train one on the Train page, or open one on the Runs page.")
        st.page_link("train.py", label="Go to the Train page", icon=":material/play_arrow:")
    elif not run.updates:
        st.info(f"{plain(run.name)} has not done an update yet: there is no gradient to take apart.")
    else:
        microscope(run)
        races = race.race(run)
    link.write("policy")
    wanted = REFRESH_SECONDS if races or (run and run.active) else None
    if wanted != seconds:
        st.session_state.policy_refresh_seconds = wanted
        st.rerun()


seconds = st.session_state.get("policy_refresh_seconds")
st.fragment(draw, run_every=seconds)(seconds)
