"""The instrument: the one component of the Train page that moves, and charts that are drawn whole."""

import hashlib
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import streamlit as st

from pages.widgets import ASSETS, figure
from pages.widgets.addresses import ROUTE, address
from pages.widgets.figure import Json, Shown
from pages.widgets.text import ACTIONS
from pg_core import lab
from pg_core.config import Config
from pg_core.lab import Progress

SCRIPTS = ASSETS / "instrument"
PAPER = {
    "text-color": "textColor", "background-color": "backgroundColor", "primary-color": "primaryColor",
    "chart-categorical-colors": "chartCategoricalColors",
}  # fmt: skip

# A script that changes has another address, so that browsers may keep it for good.
VERSION = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(SCRIPTS.iterdir()))).hexdigest()[:12]
SCRIPTS_ROUTE = f"lab/scripts/{VERSION}"


def modules(name: str) -> list[str]:
    """Return a script's name and those of all that it imports."""
    found, left = [], [name]
    while left:
        found.append(module := left.pop())
        imported = re.findall(r'from "\./(.+)"', (SCRIPTS / module).read_text(encoding="utf-8"))
        left += [other for other in dict.fromkeys(imported) if other not in (*found, *left)]
    return found


def component(name: str, module: str) -> Callable[..., Any]:
    """Register a component whose script is a module that the browser loads from the lab and keeps."""
    loader = f"""
const module = () => import(new URL("{SCRIPTS_ROUTE}/{module}", document.baseURI))

export default function (component) {{
  const loaded = module()
  loaded.then(({{ mount }}) => mount(component), (error) => {{
    console.error(error)
    component.parentElement.textContent = "A script of the lab did not load. Reload the page to try again."
  }})
  return () => loaded.then(({{ unmount }}) => unmount(component.parentElement), () => null)
}}
"""
    css = "".join(path.read_text(encoding="utf-8") for path in sorted(SCRIPTS.glob("*.css"))) + _paper()
    return st.components.v2.component(name, js=loader, css=css, isolate_styles=False)


def _paper() -> str:
    """Return the colours of a chart that is saved, as CSS: those of the light theme, whichever the page has."""
    found = {name: st.get_option(f"theme.light.{option}") for name, option in PAPER.items()}
    colors = {name: value if isinstance(value, str) else ",".join(value) for name, value in found.items()}
    return f".lab-chart {{ {' '.join(f'--paper-{name}: {color};' for name, color in colors.items())} }}"


_runs = itertools.count()  # of the page: each is told, even where it has nothing else to tell
_instrument = component("instrument", "instrument.js")
_chart = component("chart", "chart.js")


def instrument(
    progress: Progress | None, config: Config | None, shown: Shown, drawn: str, on_view: Callable[[], None]
) -> None:  # fmt: skip
    """Show a run, or what the next one begins with: the browser asks what is new, by itself, until nothing more comes.

    Args:
        progress: of the open run, None before the first.
        config: of the run, or of the next one; None where the controls do not fit together.
        shown: what is to be seen.
        drawn: the token of the run that the native part of the page shows.
        on_view: called when another axis or another curve was chosen; `st.session_state.instrument.view` says which.
    """
    told: Json = {
        "run": next(_runs),
        "address": f"{ROUTE}/{address(shown)}" if progress or config else None,
        "subject": f"{shown.run_id} {progress.run.rewinds}" if progress else config and subject(config),
        "token": drawn,
        "next": _next(shown),
        "view": [shown.over, *shown.panels],
        "axes": {axis: f"over {title}" for axis, title in figure.X_TITLES.items()},
        "panels": {name: measure.name for name, measure in figure.PANELS.items()},
        "meanings": {name: measure.meaning for name, measure in figure.PANELS.items()},
        "statements": {name: measure.statement for name, measure in figure.PANELS.items()},
        "kind": config.environment.compiled if config else "",
        "actions": ACTIONS.get(config.env_id.rsplit("-v", 1)[0]) if config else None,
    }
    _instrument(key="instrument", data=orjson.dumps(told), on_view_change=on_view, on_stale_change=lambda: None)


def _next(shown: Shown) -> Json:
    """Return where the run that Train would start will be: the browser asks there while the page still runs."""
    run_id = st.session_state.next_run
    return {"address": f"{ROUTE}/{address(replace(shown, run_id=run_id, start=''))}", "subject": f"{run_id} 0"}


def draw(chart: Json, key: str) -> None:
    """Draw one chart: Plotly's `data` and `layout` with the theme's colours as `@0`, and a `label` in words."""
    _chart(key=key, data=orjson.dumps(chart))


def subject(config: Config) -> str:
    """Return what the untrained policies of a config depend on, as text."""
    return config.model_dump_json(include={*lab.BEGINNING})
