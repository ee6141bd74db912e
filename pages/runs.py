"""Runs: every run that was ever started, and the way back to each."""

import streamlit as st

from pages.widgets import controls
from pg_core import lab

controls.load_link()
st.title("Runs")

runs = lab.runs()
if not runs:
    st.info("No run yet. Press Train on the Train page; every run is kept here.")
    st.page_link("train.py", label="Go to the Train page", icon=":material/play_arrow:")
    st.stop()

table = [
    {
        "name": run.name,
        "state": run.state,
        "environment": run.config.env_id,
        "agents": run.config.num_agents,
        "updates": run.updates,
        "episodes": run.episodes,
        "mean return": run.mean_return,
        "solved": sum(steps is not None for steps in run.env_steps_to_solve),
        "started": run.created_at,
    }
    for run in runs
]
st.caption("Select a row to open the run on the Train page.")
chosen = st.dataframe(
    table,
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
).selection.rows
if chosen:
    controls.open_run(runs[chosen[0]].id)
    st.switch_page("train.py")
