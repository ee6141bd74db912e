"""Runs: every run that was ever started; find, describe, compare, continue, fork and delete them."""

import streamlit as st

from pages.widgets import link
from pages.widgets.drawer import drawer, undo
from pages.widgets.exchange import export_shown, importing
from pages.widgets.run_table import found, listed
from pages.widgets.text import plain
from pg_core import lab

REFRESH_SECONDS = 2.0  # while a run is active

link.load()
st.title("Runs")


def draw(seconds: float | None) -> None:
    """Draw the page, again and again while a run is active."""
    runs = lab.runs(deleted=True)
    undo()
    if not runs:
        st.info("No run yet. Press Train on the Train page; every run is kept here.")
        st.page_link("train.py", label="Go to the Train page", icon=":material/play_arrow:")
    elif not (shown := found(runs)):
        st.info("No run fits this search.")
    else:
        _listed(shown)
    if left_out := lab.unreadable():
        runs_are = "1 run is" if len(left_out) == 1 else f"{len(left_out):,} runs are"
        st.caption(plain(f"{runs_are} kept and not shown: {' '.join(sorted(set(left_out)))}"))
    link.write("runs")
    wanted = REFRESH_SECONDS if any(run.active for run in runs) else None
    if wanted != seconds:
        st.session_state.refresh_seconds = wanted
        st.rerun()


def _listed(shown: list[lab.Run]) -> None:
    """Draw the list and, of what is selected in it, the drawer beside it."""
    with st.container(key="runs_page"):
        with st.container(key="runs_list"):
            selected = listed(shown)
            with st.container(horizontal=True, vertical_alignment="center", key="below_list"):
                st.caption("A click opens a run, ticks compare several.")
                export_shown(shown, "shown")
        if selected and st.session_state.drawer:
            with st.container(key="drawer"):
                drawer(selected)


if st.session_state.complaint:
    st.error(plain(st.session_state.complaint))
seconds = st.session_state.get("refresh_seconds")
st.fragment(draw, run_every=seconds)(seconds)
importing()
