"""Train: set hyperparameters, press the button, watch a population learn, and turn a knob while it does."""

import streamlit as st

from pages.widgets import bar, beside, controls, link, view
from pages.widgets.history import history
from pages.widgets.instrument import READ_SECONDS, instrument
from pages.widgets.words import plain
from pg_core import lab

link.load()
progress = lab.progress(st.session_state.run_id, READ_SECONDS) if st.session_state.run_id else None
run = progress.run if progress else None
if run:
    controls.follow(run)
st.html("<h1 class='lab-unseen'>Train</h1>")  # for who hears the page

# In the order of a narrow page; on a wide one assets/train.css puts the controls to the left.
with st.container(key="page"):
    bar.bar(run)
    with st.container(key="moves"):
        config = run.config if run else controls.valid_config()
        instrument(progress, config, view.shown(config), view.chosen)
    with st.container(key="controls"):
        with st.container(key="problem"):
            if problem := controls.problem():
                st.error(plain(problem))
        controls.knobs()
        with st.container(key="next"):
            st.caption(plain(controls.for_the_next_run(run)) or "​")
        beside.comparisons(progress, bar.start)
        controls.more()
        history(progress)
link.write("train")
