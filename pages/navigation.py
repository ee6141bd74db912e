"""The script that every visit runs: page settings and navigation."""

import base64

import streamlit as st

from pages.widgets import ASSETS, visitor
from pg_core import lab

ICON = base64.b64encode((ASSETS / "favicon.png").read_bytes()).decode()  # a file is not served before the log-in

st.set_page_config(page_title="Policy Gradient Lab", page_icon=f"data:image/png;base64,{ICON}", layout="wide")
st.html(ASSETS / "lab.css")
st.html(ASSETS / "train.css")
st.logo(ASSETS / "logo.svg", size="small")
lab.identify(visitor.present)  # in every run of this script: a module that was loaded again must not forget it
visitor.require_login()

# No widget here: what asks for a page by a link is known by having none (one_page.py).
st.navigation(
    [
        st.Page("train.py", title="Train", icon=":material/play_arrow:", default=True),
        st.Page("policy.py", title="Policy", icon=":material/biotech:"),
        st.Page("sweeps.py", title="Sweeps", icon=":material/grid_view:"),
        st.Page("derivations.py", title="Derivations", icon=":material/function:"),
        st.Page("runs.py", title="Runs", icon=":material/list:"),
    ],
    position="top",
).run()
