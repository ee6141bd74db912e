"""Which group of runs is better, in one sentence; the numbers behind it, and a press that queues more seeds."""

import uuid
from collections.abc import Sequence

import streamlit as st

from pages.widgets.text import number, plain
from pg_core import lab

MEASURES: dict[lab.Measure, str] = {"env_steps_to_solve": "steps to solve", "final_return": "final return"}
MOST_SEEDS = 512  # agents of a run


def verdict(groups: Sequence[lab.Group]) -> None:
    """Draw the verdict on groups of runs, of two or of several against one of them."""
    with st.container(key="verdict"):
        said = st.container()
        with st.expander("Numbers of the verdict", key="verdict_numbers"):
            measure, base = _asked(groups)
            found = _judged(groups, measure, base)
            if found:
                st.markdown(table(list(found.values())))
        with said:
            _say(groups, found, base)


def _say(groups: Sequence[lab.Group], found: dict[int, lab.Verdict], base: int) -> None:
    """Write the sentence of the group that is furthest from the base, and what would settle it."""
    if not found:
        st.caption("A verdict needs two groups that have trained.")
        return
    furthest = max(found, key=lambda place: abs(found[place].probability - 0.5))
    st.markdown(f"**{plain(found[furthest].sentence)}**")
    _further(groups, found[furthest], furthest, base)
    if problem := st.session_state.pop("verdict_problem", ""):
        st.error(plain(problem))


def _asked(groups: Sequence[lab.Group]) -> tuple[lab.Measure, int]:
    """Draw by what the groups are compared, and with which, where there is a choice."""
    measures = list(MEASURES)
    if all(group.runs[0].reward_threshold is None for group in groups):
        measures = ["final_return"]
    begin = measures.index("final_return") if not any(group.solved for group in groups) else 0
    with st.container(horizontal=True, key="verdict_by"):
        measure = st.selectbox(
            "Verdict by",
            measures,
            begin,
            format_func=MEASURES.__getitem__,
            key=f"verdict_measure {len(measures)} {begin}",
        )
        if len(groups) == 2:
            return measure, 1
        labels = {group.id: group.label for group in groups}
        base = st.selectbox("Against", list(labels), format_func=labels.__getitem__, key=f"against {' '.join(labels)}")
    return measure, list(labels).index(base)


def _judged(groups: Sequence[lab.Group], measure: lab.Measure, base: int) -> dict[int, lab.Verdict]:
    """Return the verdicts; what is asked again before a run has grown is not calculated again."""
    grown = [(run.id, run.updates, run.rewinds) for group in groups for run in group.runs]
    key = [group.label for group in groups], measure, base, grown
    if st.session_state.get("judged", (None,))[0] != key:
        st.session_state.judged = key, lab.judge(groups, measure, base)
    found: dict[int, lab.Verdict] = st.session_state.judged[1]
    return found


def _further(groups: Sequence[lab.Group], found: lab.Verdict, place: int, base: int) -> None:
    """Offer to queue the seeds that the sentence asks for."""
    sides = [groups[place], groups[base]]
    count = found.further_seeds
    if not count or count > MOST_SEEDS:
        return
    able = lab.can_be_extended(sides)
    st.button(
        f"Queue {count} more seed{'s' * (count > 1)} a side", key="further", icon=":material/add:",
        disabled=not able, on_click=_queue, args=(sides, count, [uuid.uuid4().hex for _ in sides]),
        help="Two new runs with the same new seeds, as fast as possible; they join their lines here." if able
        else "A new run has neither the past of a fork nor settings that were changed on the way.",
    )  # fmt: skip


def _queue(sides: Sequence[lab.Group], count: int, run_ids: Sequence[str]) -> None:
    try:
        lab.further_seeds(sides, count, run_ids)
    except (lab.NotAllowed, ValueError) as error:
        st.session_state.verdict_problem = str(error)
    else:
        there = {run.id for run in lab.runs()}
        selected = st.session_state.get("selected", [])  # which only the Runs page has
        st.session_state.selected = [*selected, *(run_id for run_id in run_ids if run_id in there)]


def table(verdicts: Sequence[lab.Verdict]) -> str:
    """Return the numbers of verdicts as a table in Markdown."""
    rows = ["| | P(better) | p | Difference of IQM | Log-rank p | Seeds | Pairs |", "|---|---|---|---|---|---|---|"]
    for each in verdicts:
        low, high = each.interval
        cells = (
            plain(f"{each.a} against {each.b}"),
            f"{each.probability:.2f} ({low:.2f} to {high:.2f})",
            f"{each.p_value:.2g}",
            f"{number(each.iqm_difference)} ({number(each.iqm_interval[0])} to {number(each.iqm_interval[1])})",
            "–" if each.log_rank_p is None else f"{each.log_rank_p:.2g}",
            f"{each.seeds[0]} and {each.seeds[1]}",
            str(each.pairs),
        )
        rows.append(f"| {' | '.join(cells)} |")
    corrected = f" Corrected for {verdicts[0].comparisons} comparisons (Holm)." if verdicts[0].comparisons > 1 else ""
    return "\n".join([*rows, "", f"Intervals of 95 %; agents with the same seed are pairs.{corrected}"])
