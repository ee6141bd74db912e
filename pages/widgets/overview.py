"""All statements at a glance: what each says, what rests on what, the symbols, and the text that the lab grew from."""

import streamlit as st

from pages.widgets import ASSETS, contents
from pages.widgets.statement import linked, number, text_of
from pages.widgets.text import plain
from pg_core.config import HYPERPARAMETERS
from pg_core.proofs import FIRST_EVENING, GROUPS, STATEMENTS

INTRODUCTION = (
    "What the agent rests on, proved line by line, each statement on those before it. Every proof has a check: one "
    "side is computed by the code that trains, the other without it, in small processes where an expectation is a "
    "finite sum. Beside what is right stand wrong estimators that people really write, which the check must find out, "
    "and estimators that look wrong and are right."
)


def table(head: str, rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    return "\n".join([head, "|---" * len(rows[0]) + "|", *(f"| {' | '.join(row)} |" for row in rows)])


def overview(asked: str | None) -> None:
    """Draw the page that no statement is open on."""
    with st.container(width=860, key="derivations"):
        st.title("Derivations", anchor=False)
        if asked:
            st.warning(f"There is no statement {plain(repr(asked[:40]))}; these are all.")
        st.markdown(INTRODUCTION)
        st.markdown(f"**For a first evening:** {' → '.join(map(_link, FIRST_EVENING))}.")
        for group, names in GROUPS.items():
            rows = [(str(number(name)), _link(name), linked(_one_line(text_of(name).gist))) for name in names]
            st.markdown(f"**{group}**\n\n" + table("| | statement | what it says |", rows))
        with st.expander("What rests on what", key="map"):
            st.graphviz_chart(contents.map_of_all(), alt="Each statement with arrows to those whose proofs use it.")
        with st.expander("Symbols", key="symbols"):
            st.markdown(_without_title("notation.md"))
            st.markdown(table("| symbol | control on the Train page | in the code |", _controls()))
        with st.expander("All weights of a score"):
            st.markdown(_without_title("weights.md"))
        with st.expander("The source text, and where it is put right"):
            st.caption("What this lab grew from, beside what is said of it here.")
            st.markdown(table("| statement | what it puts right |", _put_right()))
            st.code((ASSETS / "source_text.md").read_text(encoding="utf-8"), language="markdown", wrap_lines=True)


def _without_title(file: str) -> str:
    return linked((ASSETS / file).read_text(encoding="utf-8").split("\n", 1)[1])


def _link(name: str) -> str:
    return f"[{text_of(name).title}](derivations?statement={name})"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _controls() -> list[tuple[str, ...]]:
    return [
        (p.symbol, f"[{p.label}](derivations?statement={p.statement})" if p.statement else p.label, f"`{p.name}`")
        for p in HYPERPARAMETERS.values()
        if p.symbol
    ]


def _put_right() -> list[tuple[str, ...]]:
    criticised = [name for name in STATEMENTS if "Source text" in text_of(name).sections]
    return [(_link(name), linked(_one_line(text_of(name).sections["Source text"]))) for name in criticised]
