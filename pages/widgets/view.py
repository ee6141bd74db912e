"""What a person has chosen to see on the Train page: the axis, the curves below the returns, the runs behind."""

import streamlit as st

from pages.widgets import link
from pages.widgets.figure import Shown
from pg_core.config import Config


def shown(config: Config | None) -> Shown:
    """Return what is to be seen: of the open run, or of the config of the next one."""
    run_id = st.session_state.run_id
    start = config.model_dump_json() if config and not run_id else ""
    state = st.session_state
    return Shown(
        run_id, start, state.over, tuple(state.view), tuple(other for other in state.beside if other != run_id)
    )


def chosen() -> None:
    """Take up what was chosen in the instrument, and write it into the link."""
    over, *panels = map(str, st.session_state.instrument.view)
    st.session_state.over = link.CHOICES["over"].read("over", [over])
    st.session_state.view = link.CHOICES["view"].read("view", panels)
    link.write("train")


def stale() -> bool:
    """Return whether the instrument has heard that the page was drawn from something else."""
    return "instrument" in st.session_state and bool(st.session_state.instrument.get("stale"))
