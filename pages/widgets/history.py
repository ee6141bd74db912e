"""What became of a run, in words: where it comes from and what changed in it, with an offer to fork it there."""

import uuid

import streamlit as st

from pages.widgets import controls, traces
from pages.widgets.command import command
from pg_core import lab

MAX_CHANGES = 3  # newest


def history(progress: lab.Progress | None) -> None:
    """Tell where the run comes from and what changed in it, newest first, and offer to fork it there."""
    with st.expander("History", key="history"):
        if progress is None:
            st.caption("Where a run comes from, and what is changed in it, will be told here.")
            return
        run = progress.run
        if run.parent_id:
            st.text(f"Forked after {run.parent_update:,} updates of {lab.name_of(run.parent_id)}.")
        if run.updates and not (run.active or run.changeable):
            _fork_row("To go on from its last checkpoint with other settings:", "fork it", run.updates)
        for change in progress.changes[: -MAX_CHANGES - 1 : -1]:
            _fork_row(f"What changed: {_change_in_words(change)}", "fork from here", change.update)


def _fork_row(text: str, label: str, update: int) -> None:
    help = "A new run that shares this one's past, up to the last checkpoint there; it waits for what is to differ."
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.text(text, width="content")
        key = f"{label} {update}"
        st.button(label, key=key, type="tertiary", help=help, on_click=_fork, args=(update, uuid.uuid4().hex))


def _change_in_words(change: lab.Change) -> str:
    """Return `update 21: α 0.01 → 0.003`."""
    return f"update {change.update + 1}: {', '.join(traces.in_words(change.values))}"


@command
def _fork(update: int, child: str) -> None:
    """Fork the open run at the last checkpoint that was kept in its first `update` updates."""
    run_id = st.session_state.run_id
    kept = [done for done in lab.checkpoints(run_id) if done <= update]
    controls.open_fork(run_id, kept[-1] if kept else update, child)
