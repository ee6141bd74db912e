"""Train: set hyperparameters, press the button, watch a population learn, and turn a knob while it does."""

import streamlit as st

from pages.widgets import controls, link
from pages.widgets.live import live
from pages.widgets.words import plain

link.load()
st.html("<h1 class='lab-unseen'>Train</h1>")  # for who hears the page

controls_column, live_column = st.columns([1, 3.2], gap="medium")
with controls_column, st.container(key="controls"):
    with st.container():  # always there: what follows must keep its place, and what was opened stay open
        if problem := controls.problem():
            st.error(plain(problem))
    controls.controls()
link.write("train")
with live_column, st.container(key="live"):
    live()  # last: whenever a look begins, Streamlit may drop the end of the page's run that it has not sent yet
