"""The table of runs: found, sorted and selected."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.widgets import search
from pages.widgets.text import cell, plain
from pg_core import lab
from pg_core.config import ConfigError


def _fewest_steps(run: lab.Run) -> float:
    steps = [math.inf if steps is None else steps for steps in run.env_steps_to_solve]
    return sum(steps) / len(steps)


SORTS: dict[str, tuple[str, Callable[[lab.Run], Any]]] = {
    "newest": ("newest", lambda run: -run.created_at.timestamp()),
    "oldest": ("oldest", lambda run: run.created_at),
    "name": ("name", lambda run: run.name.casefold()),
    "return": ("highest mean return", lambda run: math.inf if run.mean_return is None else -run.mean_return),
    "solved": ("fewest steps to solve", _fewest_steps),
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


def table(runs: Sequence[lab.Run]) -> list[lab.Run]:
    """Draw the runs, and return those that are selected: the same ones, whatever comes, goes or moves."""
    places = {run_id: place for place, run_id in enumerate(lab.queue(), 1)}
    selected = set(st.session_state.get("selected", st.session_state.choices["selected"]))
    selection = st.dataframe(
        [_row(run, places.get(run.id)) for run in runs],
        key=f"runs {hash(tuple(run.id for run in runs))}",  # a selection is of rows: other rows, another table
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [i for i, run in enumerate(runs) if run.id in selected]}},
        alt="Runs",
        placeholder="–",
        column_config={
            "name": st.column_config.TextColumn(width="medium"),
            "updates": st.column_config.NumberColumn(format="localized"),
            "episodes": st.column_config.NumberColumn(format="localized"),
            "mean return": st.column_config.NumberColumn(format="%.1f"),
            "solved": st.column_config.NumberColumn("agents solved"),
            "tags": st.column_config.ListColumn(),
            "started": st.column_config.DatetimeColumn("started (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"),
        },
    )
    chosen = [runs[index] for index in selection.selection.rows]
    st.session_state.selected = [run.id for run in chosen]
    return chosen


def _row(run: lab.Run, place: int | None) -> dict[str, Any]:
    """Return what the table says of one run, at its place in the queue if it waits there."""
    solved = sum(steps is not None for steps in run.env_steps_to_solve)
    return {
        "name": cell(f"{'📌 ' if run.pinned else ''}{run.name}"),
        "state": f"{_state(run)}, number {place}" if place else _state(run),
        "environment": run.config.env_id,
        "agents": run.config.num_agents,
        "updates": run.updates,
        "episodes": run.episodes,
        "mean return": run.mean_return,
        "solved": None if run.reward_threshold is None else solved,
        "tags": list(map(cell, run.tags)),
        "started": run.created_at,
    }
