"""The check of a statement: what may be varied in it, what it shows, and what it compared."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.widgets.text import plain
from pg_core import lab
from pg_core.proofs import PARAMETERS, STATEMENTS

RIGHT, WRONG, RUNNING = "right", "wrong", "running"
HOLDS, FOUND_OUT, MISJUDGED = "✓ holds", "≠ found out", "✗ WRONG"
ASK_SECONDS = 0.3  # while a check runs
MAX_JUDGED = 3
SHOWN_NUMBERS = 2


def parameters(name: str) -> dict[str, Any]:
    """Return what the controls of a statement's check hold."""
    return {key: st.session_state.get(f"{name}.{key}", PARAMETERS[key].default) for key in STATEMENTS[name]}


def verdict(name: str) -> str:
    """Return the verdict of a statement's check, empty if it has not run with these parameters."""
    answer, pending = lab.checked(name, **parameters(name))
    if pending:
        return RUNNING
    if answer is None:
        return ""
    return RIGHT if answer.check is not None and answer.check["passed"] else WRONG


def ask(name: str) -> None:
    """Have the check of a statement run, if it has not with these parameters."""
    if lab.checked(name, **parameters(name)) == (None, False):
        lab.ask_check(name, **parameters(name))


def check(name: str) -> None:
    """Draw the check of a statement: its controls, and what came out, if need be with the values of before."""
    with st.container(horizontal=True, key=f"controls-{name}"):
        for key in STATEMENTS[name]:
            _control(name, key)
    answer, pending = lab.checked(name, **parameters(name))
    result = _result(name)
    if answer and answer.error:
        st.error(plain(answer.error))
    if pending:
        _await(name, "Computing …" if result is None else "Computing with these values; below, what came out before.")
    elif result:
        _summary(result)
    if result:
        _pictures(name, result)


def compared(name: str) -> None:
    """Draw what the check compared, after a question or two."""
    result = _result(name)
    if result is None:
        return
    rows = result["comparisons"]
    _questions(name, rows)
    with st.expander(f"All {len(rows)} comparisons", key=f"rows-{name}"):
        st.dataframe([_row(index, row) for index, row in enumerate(rows, 1)], hide_index=True, height="content",
                     column_config={"#": st.column_config.NumberColumn(width=30),
                                    "what is compared": st.column_config.TextColumn(width=330)})  # fmt: skip


def code(name: str) -> None:
    """Draw the functions that the check runs."""
    shown = st.expander("The code that runs", on_change="rerun", key=f"code-{name}")
    with shown:
        for source in lab.sources(name) if shown.open else ():
            st.markdown(f"`{source.name}`")
            st.code(source.code, language="python")


@st.fragment(run_every=ASK_SECONDS)
def _await(name: str, said: str) -> None:
    """Say that a check runs, and once it has, have the browser ask for the page: pictures stay as they are till then.

    `st.rerun` would draw it for the address of before, and take the place of a link that has been followed meanwhile.
    """
    st.caption(said)
    if not lab.checked(name, **parameters(name))[1]:
        with st.container(key="checked"):  # assets/links.js looks for it
            st.caption("Drawing …")


def _control(name: str, key: str) -> None:
    parameter = PARAMETERS[key]
    step = 0.05 if isinstance(parameter.default, float) else 1
    st.number_input(
        f"{parameter.label} {parameter.symbol}" if parameter.symbol != key else parameter.label,
        parameter.low, parameter.high, parameter.default, step, key=f"{name}.{key}", persist_state="session", width=125,
    )  # fmt: skip


def _result(name: str) -> dict[str, Any] | None:
    """Return what the check gave, with other values if it is still running with these."""
    results = st.session_state.setdefault("results", {})
    answer, _ = lab.checked(name, **parameters(name))
    if answer:
        results[name] = answer.check
    kept: dict[str, Any] | None = results.get(name)
    return kept


def _summary(result: dict[str, Any]) -> None:
    rows = result["comparisons"]
    wrong, right = sum(row["wrong"] for row in rows), sum(not row["wrong"] for row in rows)
    if result["passed"]:
        said = f"{right} {'equation holds' if right == 1 else 'equations hold'}"
        st.success(f"{said}{f', {wrong} wrong found out' if wrong else ''}.", icon=":material/check:")
    else:
        st.error("A verdict is wrong: see the comparisons.")


def _pictures(name: str, result: dict[str, Any]) -> None:
    for formula in result["formulas"]:
        st.latex(formula)
    for index, picture in enumerate(result["pictures"]):
        st.plotly_chart(_figure(picture), key=f"picture-{name}-{index}", config={"displayModeBar": False})


def _questions(name: str, rows: list[dict[str, Any]]) -> None:
    """Have the reader judge some claims before the verdict is shown: wrong ones, and right ones that look wrong."""
    odd = [row for row in rows if row["wrong"] or row["claim"].startswith("looks wrong")]
    if odd:
        st.markdown("**Right or wrong?**")
    for row in odd[:MAX_JUDGED]:
        claim = row["claim"].removeprefix("looks wrong: ")
        said = st.segmented_control(claim, ("right", "wrong"), key=f"judge-{name}-{row['claim']}")
        if said:
            truth = "wrong" if row["wrong"] else "right"
            by = f": the sides differ by {row['difference']:.3g}" if row["wrong"] and row["difference"] else ""
            st.markdown(f"{'Yes' if said == truth else 'No'}, it is {truth}{by}.")


def _row(index: int, row: dict[str, Any]) -> dict[str, Any]:
    word = (FOUND_OUT if row["wrong"] else HOLDS) if row["passed"] else MISJUDGED
    apart = "not a number" if row["difference"] is None else f"{row['difference']:.3g}"
    return {
        "#": index, "verdict": word, "what is compared": row["claim"],
        "difference": "rounding" if row["agrees"] and row["bound"] < 1e-6 else apart,
        "variance": "" if row["variance"] is None else f"{row['variance']:.4g}",
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
