"""The contents of the derivations, beside every statement: in groups, with verdicts, and with what was read."""

import json

import streamlit as st

from pages.widgets import proof
from pages.widgets.statement import number, text_of
from pg_core.proofs import FIRST_EVENING, GROUPS, STATEMENTS

PAGE = "derivations.py"
ICONS = {proof.RIGHT: ":material/check:", proof.WRONG: ":material/close:", proof.RUNNING: ":material/hourglass_top:"}


def contents(open_name: str | None) -> None:
    """Draw links to all statements, in groups; those of a first evening alone if that is wanted."""
    read = st.session_state.setdefault("read", [])
    if open_name and open_name not in read:
        st.session_state.read = read = [*read, open_name]
    with st.sidebar, st.container(key="contents", gap="xxsmall"):
        st.page_link(PAGE, label="All statements", icon=":material/map:")
        few = st.toggle("A first evening: seven of them", key="first_evening", persist_state="session")
        for group, names in GROUPS.items():
            listed = [name for name in names if name in FIRST_EVENING or not few]
            if listed:
                st.caption(group)
            for name in listed:
                link(name, open_name, read=name in read)
        st.caption(f"{len(read)} of {len(STATEMENTS)} read.  ✓: its check came out right.")


def link(name: str, open_name: str | None = None, *, read: bool) -> None:
    """Draw a link to a statement: bold if it is open, with what its check said."""
    label = f"{number(name)}. {text_of(name).title}"
    st.page_link(
        PAGE,
        label=f"**{label}**" if name == open_name else label,
        icon=ICONS.get(proof.verdict(name), ":material/visibility:" if read else ":material/circle:"),
        query_params={"statement": name},
    )


def beside(name: str) -> None:
    """Draw links to the statement before and the one after, and to what this one rests on and what rests on it."""
    few = st.session_state.get("first_evening") and name in FIRST_EVENING
    names = list(FIRST_EVENING if few else STATEMENTS)
    at = names.index(name)
    with st.container(key="neighbours"):
        used, using = text_of(name).rests_on, [other for other in names if name in text_of(other).rests_on]
        for caption, others in (
            ("Rests on", used),
            ("Carries", using),
            ("Before it", names[max(at - 1, 0) : at]),
            ("Next", names[at + 1 : at + 2]),
        ):
            if others:
                with st.container(gap="xxsmall"):
                    st.caption(caption)
                    for other in others:
                        link(other, read=other in st.session_state.read)


def map_of_all() -> str:
    """Return the graph of which statement rests on which, as Graphviz has it."""
    edges = [f'"{number(used)}" -> "{number(name)}"' for name in STATEMENTS for used in text_of(name).rests_on]
    nodes = [
        f'"{number(name)}" [label={json.dumps(f"{number(name)}. {text_of(name).title}", ensure_ascii=False)}]'
        for name in STATEMENTS
    ]
    style = 'rankdir=LR; node [shape=box, style=rounded, fontsize=11, margin="0.08,0.04"]; ranksep=0.3; nodesep=0.12'
    return f"digraph {{ {style}; {'; '.join([*nodes, *edges])} }}"
