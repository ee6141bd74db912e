"""Which setting of a sweep is better, how sure that is, and the press that trains the seeds that would settle it."""

import uuid

import streamlit as st

from pages.widgets.command import command
from pages.widgets.sweep_news import in_words, measures
from pages.widgets.sweep_view import mine
from pages.widgets.text import plain
from pages.widgets.verdict import table
from pg_core import lab


def verdict(view: lab.SweepView) -> None:
    """Say how the best setting compares with the base, and offer the seeds that would settle what is open."""
    with st.container(key="sweep_verdict", border=True, gap="small"):
        if any(setting.active for setting in view.settings):  # it would be another one in a moment
            st.caption("Once nothing trains any more, the best setting is compared with the base here.")
            return
        chosen, offered = st.session_state.sweep_by, measures(view)
        found = _against_base(view, chosen if chosen in offered else offered[0])
        best = next((setting for setting in view.best(found.measure) if setting.number in found.verdicts), None)
        if best is None:
            st.caption("A verdict needs two settings that have trained.")
            return
        _say(view, found, best)


def _say(view: lab.SweepView, found: lab.AgainstBase, best: lab.Setting) -> None:
    base = next(setting for setting in view.settings if setting.number == found.base)
    said = found.verdicts[best.number]
    st.markdown(f"**{plain(said.sentence)}**")
    compared = f"Compared with setting {base.number + 1}: {in_words(base)}. Agents with the same seed are pairs."
    if found.measure != "env_steps_to_solve":
        compared += " Returns are those up to the last update that both have."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plain(compared), width="content")
        if said.further_seeds and said.further_seeds <= lab.MAX_SEEDS:
            _further(view, said.further_seeds, (best.number, base.number))
    with st.expander("Numbers of the verdict"):
        st.markdown(table(list(found.verdicts.values())))


def _against_base(view: lab.SweepView, measure: lab.Measure) -> lab.AgainstBase:
    """Return the verdicts; what is asked again before a run has grown is not calculated again."""
    grown = [(run.id, run.updates, run.rewinds, run.state) for setting in view.settings for run in setting.runs]
    key = view.id, measure, grown
    if st.session_state.get("against_base", (None,))[0] != key:
        st.session_state.against_base = key, lab.against_base(view, measure)
    found: lab.AgainstBase = st.session_state.against_base[1]
    return found


def _further(view: lab.SweepView, seeds: int, settings: tuple[int, int]) -> None:
    """Draw the button; a press that comes twice trains the seeds once."""
    extension = uuid.uuid5(uuid.NAMESPACE_OID, f"{view.id} {sum(len(setting.runs) for setting in view.settings)}").hex
    st.button(
        f"Train {seeds} more seed{'s' * (seeds > 1)} a side", key="further_seeds", icon=":material/add:",
        disabled=not mine(view), on_click=_queue, args=(view.id, extension, seeds, settings),
        help="Both settings with the same new seeds, which are pooled with those that are there.",
    )  # fmt: skip


@command
def _queue(sweep_id: str, extension: str, seeds: int, settings: tuple[int, int]) -> None:
    if st.session_state.get("extended") != extension:
        lab.extend_sweep(sweep_id, seeds=seeds, settings=settings)
        st.session_state.extended = extension
