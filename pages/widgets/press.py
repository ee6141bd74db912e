"""Presses of buttons, each of which counts once.

Streamlit's browser side keeps a press for the moment until it is sent. Where a look is due in that moment, it takes the
press along, and then the press is sent once more. The second one arrives while the first is being answered: before the
browser can have shown the answer.
"""

import time

import streamlit as st

ANSWER_SECONDS = 0.05  # no browser shows an answer, and no hand presses again, within that time


def repeated(key: str) -> bool:
    """Return whether the press of a button is the one that was just answered, come again; to be asked once a press."""
    answered, when = st.session_state.get("answered", ("", 0.0))
    st.session_state.pressed = key
    return bool(key == answered and time.monotonic() - when < ANSWER_SECONDS)


def answered() -> None:
    """Note that what the last press did was drawn."""
    st.session_state.answered = (st.session_state.pop("pressed", ""), time.monotonic())
