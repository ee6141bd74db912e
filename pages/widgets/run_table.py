"""The runs that are listed: found, sorted and selected."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.widgets import run_lines, search
from pages.widgets.run_lines import Entry, Fold
from pages.widgets.text import plain
from pg_core import lab
from pg_core.config import ConfigError

PAGE = 100  # runs that are listed at a time

SORTS: dict[str, tuple[str, Callable[[lab.Run], Any]]] = {
    "newest": ("newest", lambda run: -run.created_at.timestamp()),
    "oldest": ("oldest", lambda run: run.created_at),
    "name": ("name", lambda run: run.name.casefold()),
    "return": ("highest mean return", lambda run: math.inf if run.mean_return is None else -run.mean_return),
    "solved": ("fewest steps to solve", lambda run: run.steps_to_solve),
    "updates": ("most updates", lambda run: -run.updates),
}


def found(runs: Sequence[lab.Run]) -> list[lab.Run]:
    """Draw the search, and return the runs that it finds, pinned ones first."""
    begin = st.session_state.choices
    chosen: dict[str, list[str]] = {}
    with st.container(horizontal=True, key="filters"):
        text = st.text_input(
            "Search", begin["search"], key="search", placeholder="words, or learning_rate=0.01", help=search.HELP,
            width=340, persist_state="session",
        )  # fmt: skip
        for name in FILTERS:
            options = sorted({value for run in runs for value in FILTERS[name](run)}.union(begin[name]))
            chosen[name] = st.multiselect(
                name.capitalize(), options, begin[name], key=name, placeholder="all", width=170, persist_state="session"
            )
        sort = st.selectbox(
            "Sort by", SORTS, list(SORTS).index(begin["sort"]), key="sort", format_func=lambda sort: SORTS[sort][0],
            width=170, persist_state="session",
        )  # fmt: skip
    wanted = search.parse("")
    try:
        wanted = search.parse(text)
    except ConfigError as error:
        st.error(plain(str(error)))

    def fits(run: lab.Run) -> bool:
        kept = all(FILTERS[name](run) & set(values) for name, values in chosen.items() if values)
        return kept and bool(chosen["state"] or not run.deleted) and wanted.finds(run)

    return sorted(filter(fits, runs), key=lambda run: (not run.pinned, SORTS[sort][1](run)))


def _state(run: lab.Run) -> str:
    return "deleted" if run.deleted else run.state


FILTERS: dict[str, Callable[[lab.Run], set[str]]] = {
    "state": lambda run: {_state(run)},
    "environment": lambda run: {run.config.env_id},
    "tag": lambda run: set(run.tags),
}


def _sort() -> None:
    """Sort by the column whose head was pressed."""
    if (sort := st.session_state.run_list.sorted) in SORTS:
        st.session_state.sort = sort


def unfolded(runs: Sequence[lab.Run], open_sweeps: Sequence[str]) -> list[Entry]:
    """Return the lines of a list: a sweep is one, where its first run is, with its runs below it if it is unfolded."""
    sweeps: dict[str, list[lab.Run]] = {}
    for run in runs:
        if run.sweep_id:
            sweeps.setdefault(run.sweep_id, []).append(run)
    names = {sweep.id: sweep for sweep in lab.sweeps()} if sweeps else {}
    found: list[Entry] = []
    for run in runs:
        if run.sweep_id not in names:
            found.append(run)
        elif run is sweeps[run.sweep_id][0]:
            is_open = run.sweep_id in open_sweeps
            found.append(Fold(names[run.sweep_id], tuple(sweeps[run.sweep_id]), is_open))
            found += sweeps[run.sweep_id] if is_open else []
    return found


def listed(runs: Sequence[lab.Run]) -> list[lab.Run]:
    """Draw the list of runs, and return those that are selected, be they listed or not."""
    st.session_state.setdefault("selected", st.session_state.choices["selected"])
    st.session_state.setdefault("drawer", bool(st.session_state.selected))
    entries = unfolded(runs, st.session_state.setdefault("unfolded", []))
    shown = entries[: PAGE * (1 + st.session_state.get("pages", 0))]
    run_lines.draw(shown, len(entries) - len(shown), st.session_state.sort, _sort)
    found = {run.id: run for run in runs}
    return [found[run_id] for run_id in st.session_state.selected if run_id in found]
