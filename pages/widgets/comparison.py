"""Several runs on one chart, and the settings in which they differ."""

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from pages.widgets.words import legend, plain
from pg_core import lab
from pg_core.config import HYPERPARAMETERS

AXES = {"env_steps": "environment steps of each agent", "episodes": "episodes of each agent", "seconds": "seconds"}


def comparison(runs: Sequence[lab.Run]) -> None:
    """Draw the runs' curves over a common axis, then a table of what distinguishes their settings."""
    axis = st.segmented_control(
        "Compare by", AXES, default="env_steps", format_func=lambda name: AXES[name].split(" of ")[0], required=True,
        key="compare_by", persist_state="session",
    )  # fmt: skip
    figure = go.Figure()
    for run in runs:
        curves = lab.progress(run.id).curves
        low, high = curves.iqm[:, 1], curves.iqm[:, 2]
        x = getattr(curves, axis)
        figure.add_scatter(
            x=x, y=curves.iqm[:, 0], name=legend(run.name), mode="lines",
            error_y={"type": "data", "symmetric": False, "array": high - curves.iqm[:, 0],
                     "arrayminus": curves.iqm[:, 0] - low, "thickness": 0.5, "width": 0},
        )  # fmt: skip
    figure.update_layout(
        height=380, margin={"l": 10, "r": 10, "t": 10, "b": 10}, legend={"orientation": "h", "y": -0.2},
        xaxis_title=AXES[axis], yaxis_title="mean return: IQM, 95 % interval",
    )  # fmt: skip
    st.plotly_chart(figure, key="comparison", config={"displayModeBar": False})
    _differences(runs)


def _differences(runs: Sequence[lab.Run]) -> None:
    values = {
        parameter.label: [parameter.show(getattr(run.current, name)) for run in runs]
        for name, parameter in HYPERPARAMETERS.items()
    }
    different = {label: shown for label, shown in values.items() if len(set(shown)) > 1}
    if not different:
        st.caption("Their settings are the same.")
        return
    head = ["setting", *(plain(run.name) for run in runs)]
    rows = [[plain(label), *map(plain, shown)] for label, shown in different.items()]
    st.markdown("\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)))
