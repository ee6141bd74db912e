"""The statements that the trainer rests on, one a view: each proved, and checked by the code that trains."""

import streamlit as st

from pages.widgets import contents, link, overview, proof, statement, trials
from pages.widgets.example import running_example
from pg_core import lab
from pg_core.proofs import STATEMENTS

st.set_page_config(page_title="Derivations · Policy Gradient Lab")
link.load()
trials.follow()
lab.prepare_checks()

asked = st.query_params.get("statement")
name = asked if asked in STATEMENTS else None
if name:
    proof.ask(name)
contents.contents(name)
if name is None:
    overview.overview(asked)
else:
    with st.container(key="statement"):
        with st.container(key="head"):
            statement.head(name)
            running_example(name)
        with st.container(key="margin"):
            proof.check(name)
            trials.trial(name)
        with st.container(key="body"):
            statement.body(name)
            proof.compared(name)
            proof.code(name)
            contents.beside(name)
