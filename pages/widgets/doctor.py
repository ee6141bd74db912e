"""What is wrong with an environment, if anything, as the doctor has found."""

import streamlit as st

from pages.widgets.command import command
from pages.widgets.text import plain
from pg_core import lab
from pg_core.config import Config

ASK_SECONDS = 0.5  # while an environment is examined
ICONS = {"fault": ":red[:material/error:]", "warning": ":orange[:material/warning:]", "fact": ":material/check:"}


def doctor(config: Config | None) -> None:
    """Draw what was found in a config's environment, and offer to examine it."""
    with st.expander("Doctor", key="doctor"):
        if config is None:
            st.caption("Settings that fit together come first.")
            return
        _, pending = lab.examination(config)
        st.fragment(_panel, run_every=ASK_SECONDS if pending else None)(config, pending)


def _panel(config: Config, drawn: bool) -> None:
    report, pending = lab.examination(config)
    if pending != drawn:
        st.rerun()
    if report is None:
        st.caption(f"Nobody has examined {plain(config.env_id)} here yet.")
    for finding in report.findings if report else ():
        st.markdown(f"{ICONS[finding.level]} {plain(f'{finding.sentence} {finding.remedy}'.strip())}")
    help = "Plays a few episodes by chance. An environment of one's own is examined so before its first training."
    label = "Examining …" if pending else "Examine"
    st.button(label, key="examine", help=help, on_click=_examine, args=(config,), disabled=pending)


@command
def _examine(config: Config) -> None:
    lab.ask_examination(config)
