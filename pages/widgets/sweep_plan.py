"""What a declared sweep will try, before anything is trained."""

import streamlit as st

from pages.widgets import axes
from pages.widgets.text import plain
from pg_core import lab
from pg_core.config import HYPERPARAMETERS

MOST_LISTED = 24  # settings


def plan(sweep: lab.Sweep) -> None:
    """List the settings of a grid, or say who is to choose them."""
    seeds = f"each with the same {sweep.seeds} seeds" if sweep.seeds > 1 else "each with the same seed"
    with st.container(key="sweep_plan"):
        if sweep.sampler != "grid":
            st.markdown(f"**To be tried:** {_settings(sweep.trials)} within these ranges, {seeds}.")
            return
        settings = sweep.grid()
        st.markdown(f"**To be tried:** {_settings(len(settings))}, {seeds}.")
        rows = [
            [str(number), *(plain(HYPERPARAMETERS[name].show(value)) for name, value in values.items())]
            for number, values in enumerate(settings[:MOST_LISTED], 1)
        ]
        heads = ["Setting", *(plain(axes.label(name)) for name in settings[0])]
        st.markdown("\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)))
        if len(settings) > MOST_LISTED:
            st.caption(f"… and {len(settings) - MOST_LISTED:,} more.")


def _settings(count: int) -> str:
    return f"{count:,} setting{'s' * (count > 1)}"
