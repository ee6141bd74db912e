"""The front door: `streamlit run app.py`."""

import sys

from pg_core import installation

if problem := installation.problem():
    sys.exit(problem)

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import plotly
import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from streamlit.url_util import make_url_path

from pages.widgets import addresses, departure, gate, instrument, live, sweep_live
from pages.widgets.document import Document
from pages.widgets.drawn import keep_what_is_drawn
from pages.widgets.one_page import OnePage
from pages.widgets.text import plain
from pages.widgets.uploads import Uploads
from pg_core import lab
from pg_core.config import ConfigError

ROOT = Path(__file__).parent
MODULES = [f"{instrument.SCRIPTS_ROUTE}/{name}" for name in instrument.modules("instrument.js")]
LINKS = (ROOT / "assets" / "links.js").read_text(encoding="utf-8")
PLOTLY_JS = Path(plotly.__file__).parent / "package_data"
BASE = make_url_path(st.get_option("server.baseUrlPath"), "")  # Streamlit puts it before its own routes only


@contextlib.asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Start the workers with the server, and end them with it."""
    try:
        await asyncio.to_thread(lab.startup)
    except lab.StoreError as error:
        logging.getLogger(__name__).error("%s", error)  # every page says so too
    # Streamlit collects garbage after each run of a script. What was imported by now never becomes garbage: looking
    # through it too, a warm click of `python -m bench.clicks` took 462 ms in place of 350.
    gc.collect()
    gc.freeze()
    try:
        with departure.noticed():
            yield
    finally:
        await asyncio.to_thread(lab.shutdown)


def explain(error: Exception) -> bool:
    """Show a person one sentence in place of a traceback, which goes to the lab's log."""
    if isinstance(error, (lab.StoreError, lab.UnknownRun, lab.UnknownSweep, lab.NotAllowed, ConfigError)):
        st.error(plain(str(error)))
    else:
        st.error(f"This page met an error and stopped; reload it. Your runs are kept. Incident {lab.incident(error)}.")
    return True


if problem := gate.problem():
    sys.exit(problem)
try:
    lab.place_temporary_files()
except lab.StoreError as error:
    sys.exit(str(error))

keep_what_is_drawn()

app = st.App(
    ROOT / "pages" / "navigation.py",
    lifespan=lifespan,
    on_script_error=explain,
    routes=[
        Mount(f"{BASE}lab/plotly", StaticFiles(directory=PLOTLY_JS)),
        Mount(f"{BASE}{instrument.SCRIPTS_ROUTE}", StaticFiles(directory=instrument.SCRIPTS)),
        Route(f"{BASE}{addresses.ROUTE}/{{address}}", live.answer),
        Route(f"{BASE}{addresses.SWEEPS_ROUTE}/{{address}}", sweep_live.answer),
    ],
    middleware=[
        *gate.middleware(),
        Middleware(departure.LastAnswers),
        Middleware(Document, BASE, MODULES, ["lab/plotly/plotly.min.js"], LINKS),
        Middleware(OnePage),
        Middleware(Uploads),
    ],
)
