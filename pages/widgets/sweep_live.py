"""Answers who asks, at an address that a page has given them, what is new of a sweep."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import orjson
from itsdangerous import BadSignature
from starlette.requests import Request
from starlette.responses import Response

from pages.widgets import addresses, visitor
from pages.widgets.figure import Json
from pages.widgets.live import FRESH
from pages.widgets.news import seconds_until
from pages.widgets.sweep_news import beat, news
from pg_core import lab
from pg_core.config import ConfigError

MAX_SEEN = 8  # sweeps
MAX_SHARE = 0.25  # of the time, that looking at one sweep takes

# A thread of its own: what is asked waits for the store, and must not make Streamlit wait. One: of all who ask the same
# at the same time, the first looks, and the others are answered from what was seen.
_reader = ThreadPoolExecutor(1, "sweeps")


class _Seen(NamedTuple):
    """What a sweep was while it had this stamp, and how long it took to look."""

    stamp: Hashable
    view: lab.SweepView
    seconds: float


_seen: OrderedDict[str, _Seen] = OrderedDict()  # the last ones, by sweep


async def answer(request: Request) -> Response:
    """Answer a browser what is new of a sweep since the version that it has.

    404 to an address that no page has given or that has ended, 403 to who is not logged in as whom it was given, 503
    where the store cannot be asked.
    """
    try:
        sweep_id, given_to = addresses.read_sweep(request.path_params["address"])
        if given_to != visitor.asking(request).id:
            return Response(status_code=403)
        known = request.query_params.get("version", "")
        found = await asyncio.get_running_loop().run_in_executor(_reader, told, sweep_id, known)
    except BadSignature:
        return Response(status_code=404)
    except (lab.UnknownSweep, ConfigError) as error:
        found = {"error": str(error), "next": None}
    except lab.StoreError:
        return Response(status_code=503)
    return Response(orjson.dumps(found), media_type="application/json", headers=FRESH)


def told(sweep_id: str, known: str) -> Json:
    """Return the news of a sweep since a version, and the seconds until the next question."""
    seen = _look(sweep_id)
    every = beat(seen.view)
    slow = every and max(every, seen.seconds / MAX_SHARE)
    return {**news(seen.view, known), "next": seconds_until(slow, sweep_id)}


def _look(sweep_id: str) -> _Seen:
    stamp = lab.sweep_stamp(sweep_id)
    seen = _seen.get(sweep_id)
    if seen is None or seen.stamp != stamp:
        begun = time.perf_counter()
        seen = _Seen(stamp, lab.sweep(sweep_id), time.perf_counter() - begun)
        _seen[sweep_id] = seen
    _seen.move_to_end(sweep_id)
    while len(_seen) > MAX_SEEN:
        _seen.popitem(last=False)
    return seen
