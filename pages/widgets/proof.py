"""One statement on the page of derivations: its text, and the panel that checks it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.widgets.words import plain
from pg_core import lab
from pg_core.proofs import PARAMETERS, STATEMENTS

TEXTS = Path(__file__).parents[2] / "assets" / "derivations"
HOLDS, FOUND_OUT, WRONG = "✓ holds", "✓ found out", "✗ WRONG"
SHOWN_NUMBERS = 2


@dataclass(frozen=True)
class Text:
    """A statement as its file has it: the title, one sentence, and what follows each heading."""

    title: str
    gist: str
    sections: dict[str, str]


@st.cache_data
def text_of(name: str) -> Text:
    """Read a statement's file."""
    content = (TEXTS / f"{name}.md").read_text(encoding="utf-8")
    head, *parts = re.split(r"^## ", content, flags=re.MULTILINE)
    title, gist = head.removeprefix("# ").split("\n", 1)
    return Text(title, gist.strip(), {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip() for part in parts})


def parameters(name: str) -> dict[str, Any]:
    """Return what the controls of a statement's check hold."""
    return {key: st.session_state.get(f"{name}.{key}", PARAMETERS[key].default) for key in STATEMENTS[name]}


def verdict(name: str) -> str:
    """Return the verdict of a statement's check in a word, empty if it has not run with these parameters."""
    answer, pending = lab.checked(name, **parameters(name))
    if pending:
        return "… running"
    if answer is None:
        return ""
    return WRONG if answer.check is None or not answer.check["passed"] else "✓ right"


def statement(name: str) -> None:
    """Draw a statement: text, proof and check."""
    text = text_of(name)
    st.header(text.title, anchor=name, divider="gray")
    st.markdown(f"*{text.gist}*")
    for heading, body in text.sections.items():
        if heading == "Source text":
            st.info(f"**The source text.** {body}", icon=":material/history_edu:")
        elif heading == "References":
            with st.expander("References"):
                st.markdown(body)
        else:
            with st.container(key=f"{heading.split()[0].lower()}-{name}"):
                st.markdown(f"**{heading}**\n\n{body}")
        if heading == "Proof":
            _panel(name)


@st.fragment
def _panel(name: str) -> None:
    """Draw the check of a statement; what is done in it does not draw the whole page again."""
    with st.container(border=True, key=f"check-{name}"):
        for column, key in zip(st.columns(len(STATEMENTS[name])), STATEMENTS[name], strict=True):
            with column:
                _control(name, key)
        answer, pending = lab.checked(name, **parameters(name))
        label = "Running …" if pending else "Run the check"
        if st.button(label, key=f"run-{name}", icon=":material/function:", disabled=pending):
            lab.ask_check(name, **parameters(name))
            st.rerun()  # all of the page: its contents watch what runs
        if answer and answer.error:
            st.error(plain(answer.error))
        elif answer and answer.check:
            _result(name, answer.check)
        elif not pending:
            st.caption("Not run yet with these values.")
        code = st.expander("The code that runs", on_change="rerun", key=f"code-{name}")
        with code:
            for source in lab.sources(name) if code.open else ():
                st.markdown(f"`{source.name}`")
                st.code(source.code, language="python")


def _control(name: str, key: str) -> None:
    parameter = PARAMETERS[key]
    step = 0.05 if isinstance(parameter.default, float) else 1
    st.number_input(
        f"{parameter.label} {parameter.symbol}" if parameter.symbol != key else parameter.label,
        parameter.low, parameter.high, parameter.default, step, key=f"{name}.{key}", persist_state="session",
    )  # fmt: skip


def _result(name: str, check: dict[str, Any]) -> None:
    """Draw what a check gave."""
    rows = check["comparisons"]
    wrong, right = sum(row["wrong"] for row in rows), sum(not row["wrong"] for row in rows)
    if check["passed"]:
        said = f"{right} {'equation holds' if right == 1 else 'equations hold'}"
        st.success(f"{said}{f', {wrong} wrong found out' if wrong else ''}.", icon=":material/check:")
    else:
        st.error("A verdict is wrong: see the table.")
    for formula in check["formulas"]:
        st.latex(formula)
    st.dataframe(
        [_row(row) for row in rows],
        hide_index=True,
        height="content",
        column_config={
            "difference": st.column_config.NumberColumn(format="%.1e"),
            "allowed": st.column_config.NumberColumn(format="%.1e", help="Rounding, or 4 standard errors of a sample."),
            "variance": st.column_config.NumberColumn(format="%.4g", help="Of the estimator on the left side."),
        },
    )
    for index, picture in enumerate(check["pictures"]):
        st.plotly_chart(_figure(picture), key=f"picture-{name}-{index}", config={"displayModeBar": False})


def _row(row: dict[str, Any]) -> dict[str, Any]:
    word = (FOUND_OUT if row["wrong"] else HOLDS) if row["passed"] else WRONG
    return {
        "verdict": word, "what is compared": row["claim"],
        "difference": row["difference"], "allowed": row["bound"], "variance": row["variance"],
        "left": _numbers(row["left"], row["size"]), "right": _numbers(row["right"], row["size"]),
    }  # fmt: skip


def _numbers(values: list[float | None], size: int) -> str:
    shown = ", ".join("–" if value is None else f"{value:.4g}" for value in values[:SHOWN_NUMBERS])
    return shown + (f", … ({size})" if size > SHOWN_NUMBERS else "")


def _figure(picture: dict[str, Any]) -> go.Figure:
    figure = go.Figure()
    bars = picture["kind"] == "bars"
    for series in picture["series"]:
        figure.add_trace(go.Bar(series) if bars else go.Scatter(series, mode="lines"))
    axis = "log" if picture["log"] else "linear"
    figure.update_layout(
        title=picture["title"], height=340, margin={"l": 10, "r": 10, "t": 50, "b": 10},
        showlegend=len(picture["series"]) > 1, legend={"orientation": "h", "y": -0.25},
        xaxis={"title": picture["x_title"], "type": "category" if bars else axis},
        yaxis={"title": picture["y_title"], "type": axis},
    )  # fmt: skip
    return figure
