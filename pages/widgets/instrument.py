"""The instrument: the one component of the Train page that moves, and the address at which it asks what is new."""

import asyncio
import contextlib
import hashlib
import itertools
import secrets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import orjson
import streamlit as st
from itsdangerous import BadSignature, TimestampSigner, URLSafeTimedSerializer
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from pages.widgets import ASSETS, figure, visitor
from pages.widgets.figure import Json, Shown
from pages.widgets.news import FIRST_SECONDS, beat, news, nothing_yet, seconds_until
from pages.widgets.text import ACTIONS
from pg_core import lab
from pg_core.config import Config
from pg_core.lab import Progress

ROUTE = "lab/live"
SCRIPTS = ASSETS / "instrument"
PAPER = {
    "text-color": "textColor", "background-color": "backgroundColor", "primary-color": "primaryColor",
    "chart-categorical-colors": "chartCategoricalColors",
}  # fmt: skip
READ_SECONDS = 0.3  # for the updates of a very long run, each time
MAX_ANSWERS = 32
PERIOD = 43_200  # seconds, for which a view has the same address; it ends with the next period
# Such an answer never changes, and base64 is not worth compressing.
KEPT = {"Cache-Control": "private, max-age=86400, immutable", "Content-Encoding": "identity"}
FRESH = {"Cache-Control": "no-store"}

# A script that changes has another address, so that browsers may keep it for good.
VERSION = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(SCRIPTS.iterdir()))).hexdigest()[:12]
SCRIPTS_ROUTE = f"lab/scripts/{VERSION}"


class _Answer(NamedTuple):
    """What all who ask are told while the runs keep this stamp; only when to ask again differs."""

    stamp: list[Any]
    content: bytes
    beat: float | None


class _Signer(TimestampSigner):
    def get_timestamp(self) -> int:
        return super().get_timestamp() // PERIOD * PERIOD


_answers: OrderedDict[tuple[Shown, str], _Answer] = OrderedDict()  # the last ones, by view and version
_Found = tuple[bytes, dict[str, str]]  # content and headers of an answer
_under_way: dict[tuple[Shown, str, lab.Visitor], asyncio.Future[_Found]] = {}  # by view, query, and for whom

# Whom a page has given an address, by their log-in, may ask there until it ends; nobody else can make one.
_addresses = URLSafeTimedSerializer(secrets.token_bytes(32), signer=_Signer)
# Threads of their own: what is asked waits for the store, and must not make Streamlit wait.
_readers = ThreadPoolExecutor(2, "reader")


def _component(name: str, module: str) -> Callable[..., Any]:
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
_instrument = _component("instrument", "instrument.js")
_chart = _component("chart", "chart.js")


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


def address(shown: Shown) -> str:
    """Return where a view is, under the route, for who looks at the page that is being drawn."""
    return str(_addresses.dumps([asdict(shown), visitor.present().id]))


async def answer(request: Request) -> Response:
    """Answer a browser: with what is new, with a table of numbers, or with an episode, as it asks.

    An address that a page has given is answered even where there is no such run, or none yet, or it was deleted and is
    not there for who asks. 404 to any other address and to one that has ended, 403 to who is not logged in as whom it
    was given, 400 to a question that cannot be read, 503 where the store cannot be.
    """
    try:
        shown, given_to = _read(request.path_params["address"])
        asker = visitor.asking(request)
        if given_to != asker.id:
            return Response(status_code=403)
        asked = shown, request.url.query, asker
        found = _under_way.get(asked)
        if found is None:  # of all who ask the same at the same time, one asks the store
            found = _under_way[asked] = asyncio.ensure_future(_find(shown, request.query_params, asker))
            found.add_done_callback(lambda _: _under_way.pop(asked))
        content, headers = await asyncio.shield(found)  # who goes away does not end it for the others
    except BadSignature:
        return Response(status_code=404)
    except lab.UnknownRun:
        content, headers = orjson.dumps({"unknown": True, "next": FIRST_SECONDS}), FRESH
    except ValueError:
        return Response(status_code=400)
    except lab.StoreError:
        return Response(status_code=503)
    return Response(content, media_type="application/json", headers=headers)


async def _find(shown: Shown, query: QueryParams, asker: lab.Visitor) -> _Found:
    versions = [int(part) for part in query.get("version", "").split("-") if part]
    policy, agent = (int(query[name]) if query.get(name) else None for name in ("policy", "agent"))
    shown = await asyncio.get_running_loop().run_in_executor(_readers, _left, shown, asker)
    if policy is not None:
        return await _episode(shown, policy, agent, "frames" in query)
    ask = (_numbers, shown) if "numbers" in query else (_news, shown, versions)
    return await asyncio.get_running_loop().run_in_executor(_readers, *ask), FRESH


def _read(address: str) -> tuple[Shown, str | None]:
    """Return the view at an address, and to whom it was given."""
    view, given_to = _addresses.loads(address, max_age=PERIOD)
    return Shown(**{name: tuple(value) if isinstance(value, list) else value for name, value in view.items()}), given_to


def _left(shown: Shown, asker: lab.Visitor) -> Shown:
    """Return what of a view is there for who asks, now that runs may have been deleted.

    Raises:
        UnknownRun: its run is not.
    """
    hidden = lab.hidden({*shown.beside, shown.run_id} - {None}, asker)
    if shown.run_id in hidden:
        raise lab.UnknownRun(shown.run_id)
    return replace(shown, beside=tuple(run_id for run_id in shown.beside if run_id not in hidden))


def _news(shown: Shown, versions: list[int]) -> bytes:
    """Return the news since some versions; what many ask for is made once, for as long as nothing has changed."""
    if shown.run_id is None:
        return orjson.dumps({"next": None, **nothing_yet(Config.from_json(shown.start), shown)})
    stamp = [lab.stamp(shown.run_id), *map(_stamp, shown.beside)]
    key = (shown, "-".join(map(str, versions)))
    made = _answers.get(key)
    if made is None or made.stamp != stamp:
        progress, beside = lab.progress(shown.run_id, READ_SECONDS), _progress_of(shown.beside)
        content = orjson.dumps(news(progress, shown, beside, versions))
        made = _Answer(stamp, content, beat(progress, beside))
        if progress.curves.complete and progress.queue_position is None:
            _keep(key, made)
    return made.content[:-1] + b',"next":%s}' % orjson.dumps(seconds_until(made.beat, shown.run_id))


def _keep(key: tuple[Shown, str], made: _Answer) -> None:
    _answers[key] = made
    while len(_answers) > MAX_ANSWERS:
        _answers.popitem(last=False)


def _stamp(run_id: str) -> Any:
    with contextlib.suppress(lab.UnknownRun):  # a run that is drawn behind may be gone
        return lab.stamp(run_id)


def _numbers(shown: Shown) -> bytes:
    progress = lab.progress(shown.run_id, READ_SECONDS) if shown.run_id else None
    return orjson.dumps(figure.numbers(progress, shown.panels))


async def _episode(shown: Shown, policy: int, agent: int | None, frames: bool) -> _Found:
    """Return an episode of a policy, once it is played."""
    of = shown.run_id or Config.from_json(shown.start)
    loop = asyncio.get_running_loop()
    try:
        asked = await loop.run_in_executor(_readers, lambda: lab.episode(of, policy, agent, frames))
        return await asyncio.wrap_future(asked), KEPT
    except (lab.EpisodeError, LookupError) as error:
        # Status 200: a browser writes every status of an error into its console.
        return orjson.dumps({"error": str(error)}), FRESH


def _progress_of(run_ids: tuple[str, ...]) -> list[Progress]:
    """Return the progress of the runs that are drawn behind, without those that are gone."""
    found = []
    for run_id in run_ids:
        with contextlib.suppress(lab.UnknownRun):
            found.append(lab.progress(run_id, READ_SECONDS))
    return found
