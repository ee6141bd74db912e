"""What a press or a moved control asks for, and why it was refused."""

import functools
from collections.abc import Callable
from typing import ParamSpec

import streamlit as st

from pages.widgets.text import REFUSALS

P = ParamSpec("P")


def command(act: Callable[P, None]) -> Callable[P, None]:
    """Return a callback that does what is asked for; a refusal is noted for the page to show."""

    @functools.wraps(act)
    def callback(*args: P.args, **kwargs: P.kwargs) -> None:
        st.session_state.complaint = ""
        try:
            act(*args, **kwargs)
        except REFUSALS as error:
            st.session_state.complaint = str(error)

    return callback
