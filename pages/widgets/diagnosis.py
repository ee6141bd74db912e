"""Why is it not learning? The causes that a run's numbers show, each with the remedy at one click."""

import uuid

import streamlit as st

from pages.widgets import bar, beside, controls
from pages.widgets.command import command
from pages.widgets.text import number, plain
from pages.widgets.traces import in_words
from pg_core import lab

LOSS = (
    "Looking for the loss? The [surrogate loss](derivations?statement=surrogate_loss) has the right gradient, and a "
    "value that means nothing: it need not fall while the return rises, so look at the return."
)
NEW = "A fixed setting: a new run from scratch. A run that is open on the Train page is stopped, and kept."
FORK = "A new run that shares this one's past up to there and goes on with these settings; this one stays behind it."


def diagnosis(run: lab.Run | None) -> bool:
    """Draw what keeps a run from learning, once the panel is opened; return whether a remedy was asked for."""
    with st.expander("Why is it not learning?", key="diagnosis", on_change="rerun") as panel:
        if not panel.open:
            return False
        if run is None:
            st.caption("What keeps a run from learning will be told here.")
            return False
        found = lab.diagnose(run.id)
        st.text(found.verdict)
        asked = [_finding(run, finding) for finding in found.findings]
        if found.best:
            at, mean = found.best
            st.text(f"The best policy that is kept is that after {at:,} updates: mean return {number(mean)} around it.")
        st.caption(LOSS)
        st.button("Look again", key="look again", type="tertiary", icon=":material/refresh:")
    return any(asked) and not st.session_state.complaint


def _finding(run: lab.Run, finding: lab.Finding) -> bool:
    """Draw a cause, its evidence and its remedy; return whether that was asked for."""
    cause = finding.cause
    with st.container(border=True, key=f"cause_{cause.name}"):
        st.markdown(f"**{plain(cause.sentence)}** {plain(cause.evidence)}")
        st.markdown(f"{plain(cause.advice)} [Derivation](derivations?statement={cause.statement})")
        if not finding.values:
            return False
        changes = {name: (getattr(run.current, name), value) for name, value in finding.values.items()}
        where = "New run" if finding.fork_at is None else f"Fork after {finding.fork_at:,} updates"
        return st.button(
            f"{where}: {', '.join(in_words(changes))}", key=f"remedy {cause.name}", icon=":material/healing:",
            help=NEW if finding.fork_at is None else FORK, on_click=_try, width="stretch",
            args=(run, finding, bar.next_run() if finding.fork_at is None else uuid.uuid4().hex),
        )  # fmt: skip


@command
def _try(run: lab.Run, finding: lab.Finding, child: str) -> None:
    """Start the run that has the remedy, open it, and leave the other one's curve behind it."""
    if finding.fork_at is None:
        bar.start({child: (None, finding.config(run))})
    else:
        controls.open_run(lab.run(lab.fork(run.id, finding.fork_at, child=child, **finding.values)))
    beside.keep(run.id)
