"""Runs that leave the lab as files, and runs that come in."""

import io
import re
from collections.abc import Sequence
from functools import partial

import streamlit as st

from pages.widgets import controls, uploads
from pages.widgets.text import REFUSALS, plain
from pg_core import lab

SLOW = {"keras": "Keras takes some seconds to start.", "parquet": "For pandas and polars.", "zip": "For Import, below."}


def export(run: lab.Run) -> None:
    """Draw a download of each kind; a file is made when its button is clicked."""
    with st.popover("Export", icon=":material/download:", key="export"):
        agent = None
        if run.config.num_agents > 1:
            agent = st.number_input(
                "Agent of the Keras model and the script", 0, run.config.num_agents - 1, None,
                placeholder="the one with the highest mean return", key=f"export agent {run.id}",
            )  # fmt: skip
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", run.name).strip("-.") or "run"
        for kind, (ending, meaning) in lab.export_formats().items():
            st.download_button(
                f"{meaning[0].upper()}{meaning[1:]}", partial(_bytes, run.id, kind, agent), f"{stem}{ending}",
                "application/octet-stream", key=f"export {kind} {run.id}", help=SLOW.get(kind), on_click="ignore",
                type="tertiary", icon=":material/download:",
            )  # fmt: skip


def export_shown(runs: Sequence[lab.Run], what: str) -> None:
    """Draw downloads of several runs as one tidy table, with the settings as columns."""
    with st.popover(
        "Export",
        help=f"All that is {what}, with the settings as columns.",
        icon=":material/download:",
        key=f"export_{what}",
    ):
        ids = [run.id for run in runs]
        for kind, (ending, meaning) in lab.TIDY.items():
            refused = lab.too_large(runs, kind)
            st.download_button(
                f"{meaning[0].upper()}{meaning[1:]}", partial(_tidy, ids, kind), f"runs{ending}",
                "application/octet-stream", key=f"export {what} {kind}", help=refused or None, disabled=bool(refused),
                on_click="ignore", type="tertiary", icon=":material/download:",
            )  # fmt: skip


def _tidy(ids: Sequence[str], kind: str) -> bytes:
    file = io.BytesIO()
    lab.export_tidy(ids, kind, file)
    return file.getvalue()


def _bytes(run_id: str, kind: str, agent: int | None) -> bytes:
    file = io.BytesIO()
    lab.export(run_id, kind, file, agent)
    return file.getvalue()


def importing() -> None:
    """Draw where an exported run comes in, and what became of it."""
    with st.expander("Import a run", icon=":material/upload:", expanded="imported" in st.session_state):
        with st.form("import", clear_on_submit=True, border=False):
            file = st.file_uploader("A zip that a lab has exported", "zip", help="Nothing in it is executed.")
            asked = st.form_submit_button("Import")
        if asked and file:
            try:
                with st.spinner("Importing …"):
                    st.session_state.imported = lab.import_run(file)
                st.rerun()
            except REFUSALS as error:
                st.error(plain(str(error)))
            finally:
                uploads.free(file)
        elif asked:  # with none, or with one that went when the connection was lost
            st.error("Choose a file first.")
        if run_id := st.session_state.get("imported"):
            _imported(run_id)


def _imported(run_id: str) -> None:
    try:
        run = lab.run(run_id)
    except lab.UnknownRun:  # it was deleted long ago
        return
    with st.container(horizontal=True, vertical_alignment="center", key="imported-run"):
        st.text(f"Imported: {run.name}, {run.state} after {run.updates:,} updates.", width="content")
        if st.button("Open", key="open imported", icon=":material/open_in_full:"):
            controls.open_run(run)
            st.switch_page("train.py")
