"""Train: set hyperparameters, press the button, watch a population learn, and turn a knob while it does."""

import streamlit as st

from pages.widgets import controls
from pages.widgets.live import live
from pages.widgets.words import plain

controls.load_link()

controls_column, live_column = st.columns([1, 3.2], gap="medium")
with live_column, st.container(key="live"):
    live()
with controls_column, st.container(key="controls"):
    if st.session_state.complaint:
        st.error(plain(st.session_state.complaint))
    controls.controls()
controls.write_link()
