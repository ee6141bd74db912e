"""Sweeps: choose what to vary, train every setting with the same seeds, and see which one is best."""

import streamlit as st

from pages.widgets import ASSETS, declaration, link, sweep_bar
from pages.widgets.sweep_plan import plan
from pages.widgets.sweep_verdict import verdict
from pages.widgets.sweep_view import moving
from pages.widgets.text import plain
from pg_core import lab
from pg_core.config import ConfigError

EMPTY = (
    "**No sweep is open.** Choose under **Vary** what the settings differ in, drag the ranges, and press **Train**: "
    "every setting is trained with the same seeds, and a map shows which one is best."
)


def opened() -> lab.SweepView | None:
    """Return the open sweep; one that is gone is open no more."""
    try:
        return lab.sweep(st.session_state.sweep) if st.session_state.sweep else None
    except (lab.UnknownSweep, ConfigError) as error:
        st.session_state.sweep, st.session_state.complaint = "", str(error)
        return None


def begin(view: lab.SweepView | None) -> None:
    """Put on the controls what a link declares, or else what the sweep that it opens does."""
    if "axes" in st.session_state:
        return
    texts = st.session_state.choices
    complaints = declaration.begin(texts)
    if view and texts["axis"] == declaration.DEFAULTS["axis"]:
        declaration.show(view.sweep)
    st.session_state.complaint = " ".join(filter(None, [st.session_state.complaint, *complaints]))


@st.fragment
def whole() -> None:
    """Draw the page. It is a fragment since a click outside any would throw away the presses that still wait."""
    view = opened()
    begin(view)
    # In the order of a narrow page; on a wide one assets/sweeps.css puts the controls to the left.
    with st.container(key="sweep_page"):
        place = st.container(key="sweep_head")
        moves = st.container(key="sweep_moves")
        with moves:
            if view and view.settings:
                moving(view)
                verdict(view)
            else:
                st.info(EMPTY, icon=":material/grid_view:")
        with st.container(key="sweep_controls"):
            declaration.declaration()
        sweep, problem = declared()
        if sweep and not (view and view.settings):
            with moves:
                plan(sweep)
        with place:
            sweep_bar.bar(view, sweep)
            if said := " ".join(filter(None, [st.session_state.complaint, problem])):
                st.error(plain(said))
    link.write("sweeps")


def declared() -> tuple[lab.Sweep | None, str]:
    """Return what the controls declare, and what is wrong with it."""
    try:
        return declaration.declared(), ""
    except ConfigError as error:
        return None, str(error)


link.load()
st.html(ASSETS / "sweeps.css")
st.html("<h1 class='lab-unseen'>Sweeps</h1>")  # for screen readers
whole()
