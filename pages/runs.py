"""Runs: every run that was ever started, and the way back to each."""

from typing import Any

import streamlit as st

from pages.widgets import controls
from pg_core import lab

controls.load_link()
st.title("Runs")

REFRESH_SECONDS = 2.0  # while a run is active


def draw(refreshing: bool) -> None:
    """Draw the table of all runs; the one that is selected opens on the Train page."""
    runs = lab.runs()
    if not runs:
        st.info("No run yet. Press Train on the Train page; every run is kept here.")
        st.page_link("train.py", label="Go to the Train page", icon=":material/play_arrow:")
        return
    st.caption("Select a row to open the run on the Train page.")
    table = st.dataframe(
        list(map(row, runs)),
        key="runs",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "updates": st.column_config.NumberColumn(format="localized"),
            "episodes": st.column_config.NumberColumn(format="localized"),
            "mean return": st.column_config.NumberColumn(format="%.1f"),
            "solved": st.column_config.NumberColumn("agents solved"),
            "started": st.column_config.DatetimeColumn("started (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"),
        },
    )
    if chosen := table.selection.rows:
        controls.open_run(runs[chosen[0]].id)
        st.switch_page("train.py")
    if refreshing != any(run.active for run in runs):
        st.rerun()


def row(run: lab.Run) -> dict[str, Any]:
    """Return what the table says of one run."""
    solved = sum(steps is not None for steps in run.env_steps_to_solve)
    return {
        "name": run.name,
        "state": run.state,
        "environment": run.config.env_id,
        "agents": run.config.num_agents,
        "updates": run.updates,
        "episodes": run.episodes,
        "mean return": run.mean_return,
        "solved": None if run.reward_threshold is None else solved,
        "started": run.created_at,
    }


active = any(run.active for run in lab.runs())
st.fragment(draw, run_every=REFRESH_SECONDS if active else None)(active)
