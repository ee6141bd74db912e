"""Runs: every run that was ever started; find, describe, compare, continue, fork and delete them."""

import uuid
from collections.abc import Callable, Sequence

import streamlit as st

from pages.widgets import controls, link
from pages.widgets.comparison import MAX_COMPARED, comparison
from pages.widgets.diagnosis import diagnosis
from pages.widgets.exchange import export, importing
from pages.widgets.run_table import found, table
from pages.widgets.text import NOT_YOURS, REFUSALS, plain
from pg_core import lab

REFRESH_SECONDS = 2.0  # while a run is active

link.load()
st.title("Runs")


def actions(runs: Sequence[lab.Run]) -> None:
    """Draw what can be done with the selected runs."""
    one = runs[0] if len(runs) == 1 else None
    ids = [run.id for run in runs]
    with st.container(horizontal=True, key="actions"):
        if one and st.button("Open", type="primary", icon=":material/open_in_full:"):
            controls.open_run(one)
            st.switch_page("train.py")
        if one and one.updates and st.button("Policy", icon=":material/biotech:", help="See what it learned, and why."):
            controls.open_run(one)
            st.switch_page("policy.py")
        mine, active = all(map(lab.may_control, runs)), any(run.active for run in runs)
        if one and mine and one.changeable and not active and st.button("Resume", icon=":material/play_arrow:"):
            attempt(lambda: lab.resume(one.id))
        if any(run.deleted for run in runs):
            if mine and st.button("Restore", icon=":material/restore_from_trash:"):
                attempt(lambda: lab.restore(*ids))
        else:
            help = "Stop what is being trained first." if active else None if mine else NOT_YOURS
            if st.button("Delete", icon=":material/delete:", disabled=active or not mine, help=help):
                attempt(lambda: delete(ids))
    if one:
        if one.reason:
            st.text(f"{one.state.capitalize()}: {one.reason}")
        export(one)
        fork(one)
        if diagnosis(one):
            st.switch_page("train.py")
        describe(one)
    elif len(runs) <= MAX_COMPARED:
        comparison(runs)
    else:
        st.info(f"Select at most {MAX_COMPARED} runs to compare them.")


def attempt(act: Callable[[], None]) -> None:
    """Do something and draw the page again; say why, where it cannot be done."""
    try:
        act()
    except REFUSALS as error:
        st.error(plain(str(error)))
    else:
        st.rerun()


def delete(ids: Sequence[str]) -> None:
    """Take runs out of sight, and remember them for Undo."""
    lab.delete(*ids)
    st.session_state.deleted, st.session_state.selected = ids, []


def describe(run: lab.Run) -> None:
    """Draw a form for what a person says of a run."""
    with st.form(f"describe {run.id}", border=True):
        name, tags = st.columns(2)
        given = {
            "name": name.text_input("Name", run.name, max_chars=80),
            "tags": tags.multiselect("Tags", run.tags, run.tags, accept_new_options=True),
            "note": st.text_area("Note", run.note, max_chars=2000),
            "pinned": st.checkbox("Pinned: stands before the others", run.pinned),
        }
        mine = lab.may_control(run)
        if st.form_submit_button("Save", disabled=not mine, help=None if mine else NOT_YOURS):
            try:
                lab.label(run.id, **given)
                st.rerun()
            except REFUSALS as error:
                st.error(plain(str(error)))


def fork(run: lab.Run) -> None:
    """Draw where a run can be forked, and say where it was forked from."""
    if run.parent_id:
        st.text(f"Forked after {run.parent_update:,} updates of {lab.name_of(run.parent_id)}.")
    kept = lab.checkpoints(run.id)
    if not kept:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="fork"):
        at = kept[0] if len(kept) == 1 else st.select_slider("Fork after update", kept, kept[-1], key=f"fork {run.id}")
        help = "A new run that shares this one's past up to there. Set what is to differ, then resume it."
        if st.button("Fork", icon=":material/call_split:", help=help):
            controls.open_fork(run.id, at, uuid.uuid4().hex)
            st.switch_page("train.py")


def undo() -> None:
    """Offer to take the last deletion back."""
    if ids := st.session_state.get("deleted"):
        with st.container(horizontal=True, vertical_alignment="center", key="undo"):
            st.text(f"{len(ids)} {'run' if len(ids) == 1 else 'runs'} deleted.", width="content")
            if st.button("Undo", icon=":material/undo:"):
                del st.session_state.deleted
                attempt(lambda: lab.restore(*ids))


def draw(seconds: float | None) -> None:
    """Draw the page, again and again while a run is active."""
    runs = lab.runs(deleted=True)
    undo()
    if not runs:
        st.info("No run yet. Press Train on the Train page; every run is kept here.")
        st.page_link("train.py", label="Go to the Train page", icon=":material/play_arrow:")
    elif not (shown := found(runs)):
        st.info("No run fits this search.")
    elif selected := table(shown):
        actions(selected)
    else:
        st.caption("Select a run to open, describe, fork or delete it; several to compare them.")
    if left_out := lab.unreadable():
        runs_are = "1 run is" if len(left_out) == 1 else f"{len(left_out):,} runs are"
        st.caption(plain(f"{runs_are} kept and not shown: {' '.join(sorted(set(left_out)))}"))
    link.write("runs")
    wanted = REFRESH_SECONDS if any(run.active for run in runs) else None
    if wanted != seconds:
        st.session_state.refresh_seconds = wanted
        st.rerun()


if st.session_state.complaint:
    st.error(plain(st.session_state.complaint))
seconds = st.session_state.get("refresh_seconds")
st.fragment(draw, run_every=seconds)(seconds)
importing()
