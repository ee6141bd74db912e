"""Answers who asks, at an address that a page has given them, what is new of a run, and what its policies do."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import orjson
from itsdangerous import BadSignature
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from pages.widgets import addresses, figure, visitor
from pages.widgets.figure import Shown
from pages.widgets.news import FIRST_SECONDS, beat, news, nothing_yet, seconds_until
from pages.widgets.rivals import rivals
from pg_core import lab
from pg_core.config import Config
from pg_core.lab import Progress

READ_SECONDS = 0.3  # for the updates of a very long run, each time
MAX_ANSWERS = 32
# What a question may have a number of.
WHICH = (
    "policy", "weights", "value", "dissection", "estimators", "spread", "robustness",
    "agent", "episode", "batches", "seed", "greedy",
)  # fmt: skip
# Such an answer never changes, and base64 is not worth compressing.
KEPT = {"Cache-Control": "private, max-age=86400, immutable", "Content-Encoding": "identity"}
FRESH = {"Cache-Control": "no-store"}


class _Answer(NamedTuple):
    """What all who ask are told while the runs keep this stamp; only when to ask again differs."""

    stamp: list[Any]
    content: bytes
    beat: float | None


_answers: OrderedDict[tuple[Shown, str], _Answer] = OrderedDict()  # the last ones, by view and version
_Found = tuple[bytes, dict[str, str]]  # content and headers of an answer
_under_way: dict[tuple[Shown, str, lab.Visitor], asyncio.Future[_Found]] = {}  # by view, query, and for whom

# Threads of their own: what is asked waits for the store, and must not make Streamlit wait.
_readers = ThreadPoolExecutor(2, "reader")


async def answer(request: Request) -> Response:
    """Answer a browser: with what is new, with a table of numbers, or with an episode, as it asks.

    An address that a page has given is answered even where there is no such run, or none yet, or it was deleted and is
    not there for who asks. 404 to any other address and to one that has ended, 403 to who is not logged in as whom it
    was given, 400 to a question that cannot be read, 503 where the store cannot be.
    """
    try:
        shown, given_to = addresses.read(request.path_params["address"])
        asker = visitor.asking(request)
        if given_to != asker.id:
            return Response(status_code=403)
        asked = shown, request.url.query, asker
        found = _under_way.get(asked)
        if found is None:  # of all who ask the same at the same time, one asks the store
            found = _under_way[asked] = asyncio.ensure_future(_find(shown, request, asker))
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


async def _find(shown: Shown, request: Request, asker: lab.Visitor) -> _Found:
    query, who = request.query_params, asker.id or (request.client and request.client.host)
    shown = await asyncio.get_running_loop().run_in_executor(_readers, _left, shown, asker)
    which = {name: int(query[name]) for name in WHICH if query.get(name)}
    if of_policies := _of_policies(shown, which, query):
        return await _answered(partial(lab.on_behalf_of, who, of_policies), KEPT)
    if shown.run_id and (kind := query.get("film")):
        ask_film = partial(lab.ask_film, shown.run_id, kind, which.get("agent", 0), "in_turn" in query)
        return await _answered(ask_film, {**FRESH, "Content-Type": lab.FILMS.get(kind, "")})
    versions = [int(part) for part in query.get("version", "").split("-") if part]
    ask = partial(_numbers, shown) if "numbers" in query else partial(_news, shown, versions)
    if "rivals" in query and shown.run_id:
        ask = partial(_rivals, shown.run_id, query["rivals"], asker)
    return await asyncio.get_running_loop().run_in_executor(_readers, ask), FRESH


def _of_policies(shown: Shown, which: dict[str, int], query: QueryParams) -> Callable[[], Future[bytes]] | None:
    """Return what asks for an episode, parameters, an update taken apart, estimators or robustness; None for else."""
    match which:
        case {"policy": update}:
            fresh = {name: which[name] for name in ("seed", "greedy") if name in which}
            return partial(lab.episode, _subject(shown), update, which.get("agent"), "frames" in query, **fresh)
        case {"weights": update, "agent": agent}:
            return partial(lab.weights, _subject(shown), update, agent)
        case {"value": update, "agent": agent} if shown.run_id:
            return partial(lab.value_weights, shown.run_id, update, agent)
        case {"estimators": update, "agent": agent, "batches": batches} if shown.run_id:
            return partial(lab.estimators, shown.run_id, update, agent, batches)
        case {"robustness": update, "agent": agent} if shown.run_id:
            asked = query.get("parameter", ""), lab.DEFAULT_EPISODES, which.get("greedy", 0)
            return partial(lab.robustness, shown.run_id, update, agent, *asked)
        case {"spread": update, "agent": agent} if shown.run_id:
            return partial(lab.spread, shown.run_id, update, agent)
        case {"dissection": update, "agent": agent, "episode": episode} if shown.run_id:
            return partial(lab.dissection, shown.run_id, update, agent, episode)
    return None


def _subject(shown: Shown) -> str | Config:
    return shown.run_id or Config.from_json(shown.start)


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


def _rivals(run_id: str, wanted: str, asker: lab.Visitor) -> bytes:
    found = [
        {
            "run": run.id, "name": run.name, "updates": run.updates, "agents": run.config.num_agents,
            "address": addresses.address_of(run, asker),
        }
        for run in rivals(run_id, wanted, asker)
    ]  # fmt: skip
    return orjson.dumps({"rivals": found})


async def _answered(ask: Callable[[], Future[bytes]], headers: dict[str, str]) -> _Found:
    """Return what is asked of a policy, once it is known, with these headers."""
    try:
        asked = await asyncio.get_running_loop().run_in_executor(_readers, ask)
        return await asyncio.wrap_future(asked), headers
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
