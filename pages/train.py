"""Train: set hyperparameters, press the button, watch a population learn, and turn a knob while it does."""

import streamlit as st

from pages.widgets import bar, beside, controls, link, view
from pages.widgets.diagnosis import diagnosis
from pages.widgets.doctor import doctor
from pages.widgets.history import history
from pages.widgets.instrument import instrument
from pages.widgets.live import READ_SECONDS
from pages.widgets.news import token
from pages.widgets.text import plain
from pg_core import lab


def opened() -> lab.Progress | None:
    """Return how far the open run is; one that is gone, or that somebody else has deleted, is open no more."""
    try:
        return lab.progress(lab.run(st.session_state.run_id).id, READ_SECONDS) if st.session_state.run_id else None
    except lab.UnknownRun as error:
        st.session_state.run_id, st.session_state.complaint = None, str(error)
        return None


@st.fragment
def moving(drawn: str, said: str) -> None:
    """Draw the buttons and the instrument, all that a press runs; the rest follows once the run has done as asked.

    Args:
        drawn: the token of the run that the rest of the page shows.
        said: the complaint that the rest of the page shows.
    """
    progress = opened()
    if view.stale() or st.session_state.complaint != said:
        st.rerun()
    run = progress.run if progress else None
    bar.bar(run)
    with st.container(key="moves"):
        config = run.config if run else controls.valid_config()
        instrument(progress, config, view.shown(config), drawn, view.chosen)
    link.write("train")


@st.fragment
def whole() -> None:
    """Draw the page. It is a fragment since a click outside any would throw away the presses that still wait."""
    progress = opened()
    run = progress.run if progress else None
    if run:
        controls.follow(run)
    # In the order of a narrow page; on a wide one assets/train.css puts the controls to the left.
    with st.container(key="page"):
        moving(token(progress) if progress else "", st.session_state.complaint)
        with st.container(key="controls"):
            with st.container(key="problem"):
                if problem := controls.problem():
                    st.error(plain(problem))
            controls.knobs()
            with st.container(key="next"):
                st.caption(plain(controls.for_the_next_run(run)) or "​")
            beside.comparisons(progress, bar.start)
            controls.more()
            doctor(controls.valid_config())
            diagnosis(run)
            history(progress)


link.load()
st.html("<h1 class='lab-unseen'>Train</h1>")  # for screen readers
whole()
