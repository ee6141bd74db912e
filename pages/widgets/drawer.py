"""What is known of one run, beside the list: its curve, its last policy, its settings, forks of it, and notes."""

import uuid
from collections.abc import Callable, Sequence

import orjson
import streamlit as st

from pages.widgets import comparison, controls
from pages.widgets.addresses import address_of
from pages.widgets.diagnosis import diagnosis
from pages.widgets.exchange import export, export_shown
from pages.widgets.instrument import component
from pages.widgets.text import ACTIONS, NOT_YOURS, REFUSALS, plain
from pg_core import lab
from pg_core.config import HYPERPARAMETERS

_stage = component("last_policy", "last_policy.js")


def drawer(runs: Sequence[lab.Run]) -> None:
    """Draw one run, or several compared."""
    one = runs[0] if len(runs) == 1 else None
    with st.container(horizontal=True, vertical_alignment="center", key="drawer_head"):
        st.subheader(plain(one.name) if one else f"{len(runs)} runs", anchor=False)
        if not one:
            _delete_or_restore(runs)
            export_shown(runs, "selected")
        st.button("Close", key="close", icon=":material/close:", type="tertiary", on_click=_close)
    if one:
        _one(one)
    else:
        comparison.comparison(runs)


def _close() -> None:
    st.session_state.selected, st.session_state.drawer = [], False


def _one(run: lab.Run) -> None:
    _actions(run)
    if run.reason:
        st.text(f"{run.state.capitalize()}: {run.reason}")
    if run.updates:
        comparison.comparison([run])
        _last_policy(run)
    _settings(run)
    _fork(run)
    if diagnosis(run):
        st.switch_page("train.py")
    _describe(run)


def _actions(run: lab.Run) -> None:
    """Draw what can be done with a run; a fork that waits is to be resumed first of all."""
    mine = lab.may_control(run)
    resumable = mine and run.changeable and not run.active
    first = "Resume" if resumable and run.parent_id else "Open"
    with st.container(horizontal=True, key="actions"):
        if first == "Resume":
            _resume(run, "primary")
        if st.button("Open", type="primary" if first == "Open" else "secondary", icon=":material/open_in_full:"):
            controls.open_run(run)
            st.switch_page("train.py")
        if resumable and first == "Open":
            _resume(run, "secondary")
        if run.updates and st.button("Policy", icon=":material/biotech:", help="See what it learned, and why."):
            controls.open_run(run)
            st.switch_page("policy.py")
        export(run)
        _delete_or_restore([run])


def _resume(run: lab.Run, kind: str) -> None:
    if st.button("Resume", type="primary" if kind == "primary" else "secondary", icon=":material/play_arrow:"):
        attempt(lambda: lab.resume(run.id))


def _delete_or_restore(runs: Sequence[lab.Run]) -> None:
    ids, mine, active = [run.id for run in runs], all(map(lab.may_control, runs)), any(run.active for run in runs)
    if any(run.deleted for run in runs):
        if mine and st.button("Restore", icon=":material/restore_from_trash:"):
            attempt(lambda: lab.restore(*ids))
        return
    help = "Stop what is being trained first." if active else None if mine else NOT_YOURS
    if st.button("Delete", icon=":material/delete:", disabled=active or not mine, help=help):
        attempt(lambda: _delete(ids))


def attempt(act: Callable[[], None]) -> None:
    """Do something and draw the page again; say why, where it cannot be done."""
    try:
        act()
    except REFUSALS as error:
        st.error(plain(str(error)))
    else:
        st.rerun()


def _delete(ids: Sequence[str]) -> None:
    """Take runs out of sight, and remember them for Undo."""
    lab.delete(*ids)
    st.session_state.deleted, st.session_state.selected = ids, []


def undo() -> None:
    """Offer to take the last deletion back."""
    if ids := st.session_state.get("deleted"):
        with st.container(horizontal=True, vertical_alignment="center", key="undo"):
            st.text(f"{len(ids)} {'run' if len(ids) == 1 else 'runs'} deleted.", width="content")
            if st.button("Undo", icon=":material/undo:"):
                del st.session_state.deleted
                attempt(lambda: lab.restore(*ids))


def _last_policy(run: lab.Run) -> None:
    """Draw the stage, where the newest policy plays."""
    told = {
        "address": address_of(run), "update": run.updates,
        "actions": ACTIONS.get(run.config.env_id.rsplit("-v", 1)[0]),
    }  # fmt: skip
    _stage(key="last_policy", data=orjson.dumps(told))


def _settings(run: lab.Run) -> None:
    """Draw the settings: those that differ from Best at once, all of them on demand."""
    st.markdown(f"**Settings:** {plain(lab.described(run))}")
    with st.expander("All settings", key="all_settings"):
        paths = lab.setting_paths(run)
        shown = {name: lab.show_path(name, paths.get(name, (value,))) for name, value in run.current}
        rows = [f"| {plain(HYPERPARAMETERS[name].label)} | {plain(value)} |" for name, value in shown.items()]
        st.markdown("\n".join(["| Setting | Value |", "|---|---|", *rows]))


def _fork(run: lab.Run) -> None:
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


def _describe(run: lab.Run) -> None:
    """Draw a form for what a person says of a run; what is typed counts as soon as it is saved."""
    with st.form(f"describe {run.id}", border=True):
        name = st.text_input("Name", run.name, max_chars=80)
        tags = st.text_input("Tags", ", ".join(run.tags), help="With commas between them.")
        note = st.text_area("Note", run.note, max_chars=2000)
        pinned = st.checkbox("Pinned: stands before the others", run.pinned)
        mine = lab.may_control(run)
        with st.container(horizontal=True, vertical_alignment="center"):
            asked = st.form_submit_button("Save", disabled=not mine, help=None if mine else NOT_YOURS)
            if st.session_state.pop("saved", None) == run.id:
                st.text("Saved.", width="content")
    if asked:
        _save(run, name=name, note=note, pinned=pinned, tags=[tag for tag in map(str.strip, tags.split(",")) if tag])


def _save(run: lab.Run, **given: object) -> None:
    try:
        lab.label(run.id, **given)
    except REFUSALS as error:
        st.error(plain(str(error)))
    else:
        st.session_state.saved = run.id
        st.rerun()
