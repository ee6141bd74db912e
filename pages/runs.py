"""Runs: every run that was ever started; find, describe, compare, continue, fork and delete them."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages.widgets import controls
from pages.widgets.comparison import comparison
from pages.widgets.exchange import export, importing
from pages.widgets.words import NOT_YOURS, plain
from pg_core import lab
from pg_core.config import ConfigError

REFRESH_SECONDS = 2.0  # while a run is active
MAX_COMPARED = 8

controls.load_link()
st.title("Runs")


def found(runs: Sequence[lab.Run]) -> list[lab.Run]:
    """Draw the search, and return the runs that it finds, pinned ones first."""
    words, states, environments, tags = st.columns([2, 1, 1, 1])
    with words:
        text = st.text_input("Search", key="search", placeholder="name, note or id", persist_state="session")
    chosen: dict[str, list[str]] = {}
    for column, label, values in (
        (states, "State", {run.state for run in runs}),
        (environments, "Environment", {run.config.env_id for run in runs}),
        (tags, "Tag", {tag for run in runs for tag in run.tags}),
    ):
        with column:
            chosen[label] = st.multiselect(label, sorted(values), key=f"filter {label}", placeholder="all")

    def fits(run: lab.Run) -> bool:
        told = f"{run.name}\n{run.note}\n{run.id}".lower()
        has = {"State": {run.state}, "Environment": {run.config.env_id}, "Tag": set(run.tags)}
        kept = all(has[label] & set(values) for label, values in chosen.items() if values)
        return kept and text.strip().lower() in told

    return sorted(filter(fits, runs), key=lambda run: not run.pinned)


def row(run: lab.Run) -> dict[str, Any]:
    """Return what the table says of one run."""
    solved = sum(steps is not None for steps in run.env_steps_to_solve)
    return {
        "name": f"{'📌 ' if run.pinned else ''}{run.name}",
        "state": run.state,
        "environment": run.config.env_id,
        "agents": run.config.num_agents,
        "updates": run.updates,
        "episodes": run.episodes,
        "mean return": run.mean_return,
        "solved": None if run.reward_threshold is None else solved,
        "tags": list(run.tags),
        "started": run.created_at,
    }


def table(runs: Sequence[lab.Run]) -> list[lab.Run]:
    """Draw the runs, and return those that are selected."""
    selection = st.dataframe(
        list(map(row, runs)),
        key=f"runs {hash(tuple(run.id for run in runs))}",  # a selection is of rows: other rows, another table
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "updates": st.column_config.NumberColumn(format="localized"),
            "episodes": st.column_config.NumberColumn(format="localized"),
            "mean return": st.column_config.NumberColumn(format="%.1f"),
            "solved": st.column_config.NumberColumn("agents solved"),
            "tags": st.column_config.ListColumn(),
            "started": st.column_config.DatetimeColumn("started (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"),
        },
    )
    return [runs[index] for index in selection.selection.rows]


def actions(runs: Sequence[lab.Run]) -> None:
    """Draw what can be done with the selected runs."""
    one = runs[0] if len(runs) == 1 else None
    with st.container(horizontal=True, key="actions"):
        if one and st.button("Open", type="primary", icon=":material/open_in_full:"):
            controls.open_run(one.id)
            st.switch_page("train.py")
        mine, active = all(map(lab.may_control, runs)), any(run.active for run in runs)
        if one and mine and one.changeable and not active and st.button("Resume", icon=":material/play_arrow:"):
            lab.resume(one.id)
            st.rerun()
        help = "Stop what is being trained first." if active else None if mine else NOT_YOURS
        if st.button("Delete", icon=":material/delete:", disabled=active or not mine, help=help):
            lab.delete(*(run.id for run in runs))
            st.session_state.deleted = [run.id for run in runs]
            st.rerun()
    if one:
        export(one)
        describe(one)
        fork(one)
    elif len(runs) <= MAX_COMPARED:
        comparison(runs)
    else:
        st.info(f"Select at most {MAX_COMPARED} runs to compare them.")


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
            except (ConfigError, lab.NotAllowed) as error:
                st.error(plain(str(error)))


def fork(run: lab.Run) -> None:
    """Draw where a run can be forked, and say where it was forked from."""
    if run.parent_id:
        st.caption(f"Forked after {run.parent_update:,} updates of run {run.parent_id}.")
    kept = lab.checkpoints(run.id)
    if not kept:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="fork"):
        at = kept[0] if len(kept) == 1 else st.select_slider("Fork after update", kept, kept[-1], key=f"fork {run.id}")
        if st.button("Fork", icon=":material/call_split:", help="A new run that shares this one's past up to there."):
            controls.open_run(lab.fork(run.id, at))
            st.switch_page("train.py")


def undo() -> None:
    """Offer to take the last deletion back."""
    if ids := st.session_state.get("deleted"):
        with st.container(horizontal=True, vertical_alignment="center", key="undo"):
            st.text(f"{len(ids)} {'run' if len(ids) == 1 else 'runs'} deleted.", width="content")
            if st.button("Undo", icon=":material/undo:"):
                lab.restore(*ids)
                del st.session_state.deleted
                st.rerun()


def draw(refreshing: bool) -> None:
    """Draw the page, again and again while a run is active."""
    runs = lab.runs()
    undo()
    if not runs:
        st.info("No run yet. Press Train on the Train page; every run is kept here.")
        st.page_link("train.py", label="Go to the Train page", icon=":material/play_arrow:")
        return
    if not (shown := found(runs)):
        st.info("No run fits this search.")
    elif selected := table(shown):
        actions(selected)
    else:
        st.caption("Select a run to open, describe, fork or delete it; several to compare them.")
    if refreshing != any(run.active for run in runs):
        st.rerun()


active = any(run.active for run in lab.runs())
st.fragment(draw, run_every=REFRESH_SECONDS if active else None)(active)
importing()
