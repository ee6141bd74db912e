"""The front door: `streamlit run app.py`."""

import pages.widgets.pools  # noqa: F401 - before others start threads

# isort: split
import asyncio
import contextlib
import gc
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import plotly
import streamlit as st
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pages.widgets import gate, live_chart, policy_player
from pages.widgets.words import plain
from pg_core import lab
from pg_core.config import ConfigError

ROOT = Path(__file__).parent
SWITCH_SECONDS = 0.02  # for which a thread keeps Python to itself: longer than a look, so that looks end one by one
PLOTLY_JS = Path(plotly.__file__).parent / "package_data"


@contextlib.asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Start the workers with the server, and end them with it."""
    try:
        await asyncio.to_thread(lab.startup)
    except lab.StoreError as error:
        logging.getLogger(__name__).error("%s", error)  # every page says so too
    # What was imported by now never becomes garbage: no collection need look at it.
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        await asyncio.to_thread(lab.shutdown)


def explain(error: Exception) -> bool:
    """Show a person one sentence in place of a traceback, which goes to the lab's log."""
    if isinstance(error, (lab.StoreError, lab.UnknownRun, lab.NotAllowed, ConfigError)):
        st.error(plain(str(error)))
    else:
        st.error(f"This page met an error and stopped; reload it. Your runs are kept. Incident {lab.incident(error)}.")
    return True


if problem := gate.problem():
    sys.exit(problem)

app = st.App(
    ROOT / "pages" / "navigation.py",
    lifespan=lifespan,
    on_script_error=explain,
    routes=[
        Mount("/lab/plotly", StaticFiles(directory=PLOTLY_JS)),
        Route(f"/{live_chart.ROUTE}/{{address}}", live_chart.answer),
        Route(f"/{policy_player.ROUTE}/{{key}}", policy_player.answer),
    ],
    middleware=gate.middleware(),
)
