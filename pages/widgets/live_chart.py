"""The live chart: a figure drawn by Plotly in a component that keeps its node, zoom and legend choices."""

import secrets
import time
from collections.abc import Callable

import orjson
import streamlit as st
from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from pages.widgets import ASSETS, crowd
from pages.widgets.figure import Json, View, X, figure
from pg_core import lab
from pg_core.lab import Progress

ROUTE = "lab/figures"
READ_SECONDS = 0.3  # for the updates of a very long run, each time
FIRST_SECONDS = 0.1  # between questions for the first update, and for the rest of a very long run

# Who has been given a figure's address by a page may ask for it; nobody else can make one.
_addresses = URLSafeSerializer(secrets.token_bytes(32))
_component = st.components.v2.component(
    "live_chart",
    js=(ASSETS / "live_chart.js").read_text(),
    css=(ASSETS / "live_chart.css").read_text(),
    isolate_styles=False,  # Plotly puts its own style sheet into the document
)


def live_chart(
    progress: Progress | None, view: View, x: X, key: str, reward_threshold: float | None, pause: float | None
) -> None:
    """Show one view of a run, growing in place as the run does: the browser asks for what is new, by itself.

    Args:
        progress: of the run, or None for empty axes.
        view: which curves.
        x: over what.
        key: of the component, the same for as long as it should keep its node.
        reward_threshold: what empty axes show; a run knows its own.
        pause: seconds until the page looks again, None if it does not. Where it does not, because the message that
            asks the browser for it was lost, the browser asks for the whole page.
    """
    told: Json = {"pause": pause, "told_at": time.time()}
    told["address"] = f"{ROUTE}/{address(progress.run.id, view, x)}" if progress else None
    if progress is None:
        told["figure"] = figure(None, view, x, reward_threshold)
    elif st.session_state.get("address") != told["address"]:  # saves the first question
        told["figure"] = news(progress, view, x)
    st.session_state.address = told["address"]
    _tell(told, key, st.rerun)


def draw(figure: Json, key: str) -> None:
    """Draw a figure: Plotly's `data` and `layout` with the theme's colours as `@0`, and a `label` in words."""
    _tell({"figure": figure}, key)


def address(run_id: str, view: View, x: X) -> str:
    """Return where a view of a run is, under the route."""
    return str(_addresses.dumps([run_id, view, x]))


def answer(request: Request) -> Response:
    """Answer a chart that asks what is new: with JSON, 404 to an address that no page has given."""
    try:
        run_id, view, x = _addresses.loads(request.path_params["address"])
        progress = lab.progress(run_id, READ_SECONDS)
        found = news(progress, view, x, int(request.query_params.get("version", 0)))
    except (BadSignature, ValueError, lab.UnknownRun):
        return Response(status_code=404)
    except lab.StoreError:
        return Response(status_code=503)
    return Response(orjson.dumps(found), media_type="application/json", headers={"Cache-Control": "no-store"})


def news(progress: Progress, view: View, x: X, version: int = 0) -> Json:
    """Return the seconds after which a chart is to ask for the `next` news, and a figure if it has not this version."""
    run, curves = progress.run, progress.curves
    learns, seconds = run.state in ("starting", "running"), None
    if not curves.complete or (learns and not run.updates):
        seconds = FIRST_SECONDS
    elif learns:
        seconds = crowd.seconds_between_questions()
    changed = not version or version != curves.version
    return {"next": seconds, **(figure(progress, view, x, version=version) if changed else {})}


def _tell(told: Json, key: str, on_late: Callable[[], None] | None = None) -> None:
    # As bytes: Streamlit would write JSON twice, and slowly.
    _component(key=key, data=orjson.dumps(told), on_late_change=on_late)
