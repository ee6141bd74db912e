"""The address at which the instrument asks: news, numbers and episodes, to nobody whom no page has given it."""

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.web.server.server_util import AUTH_COOKIE_NAME
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from pages.widgets import addresses, instrument, live, news, visitor
from pages.widgets.figure import Shown
from pg_core import lab
from pg_core.config import Config
from pg_core.lab import Progress, UnknownRun
from pg_core.runs.store.store import Store
from tests.pages.test_figure import progress

APP = Starlette(routes=[Route("/{address}", live.answer)])


def ask(address: str, query: str = "", **cookies: str) -> Response:
    return TestClient(APP, cookies=cookies).get(f"/{address}?{query}")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Progress]:
    """The run "a", as the store has it: the last of a list; each time that it is read is noted in `lab.reads`."""
    found = [progress(updates=3, version=7)]

    def stamp(run_id: str) -> tuple:
        if run_id != "a":
            raise UnknownRun(run_id)
        return (len(found),)

    def read(run_id: str, _seconds: float) -> Progress:
        lab.reads.append(run_id)
        return found[-1]

    monkeypatch.setattr(lab, "reads", [], raising=False)
    monkeypatch.setattr(lab, "stamp", stamp)
    monkeypatch.setattr(lab, "progress", read)
    monkeypatch.setattr(lab, "policies", lambda run_id: [0, 3])
    live._answers.clear()
    return found


def test_many_who_ask_the_same_get_one_answer_until_something_changes(
    read: list[Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(beats: float) -> dict:
        monkeypatch.setattr(news.time, "monotonic", lambda: beats * news.BEAT_SECONDS)
        found = json.loads(ask(address).content)
        assert found.pop("next") == pytest.approx(news.seconds_until(news.BEAT_SECONDS, "a"))  # each at the next beat
        return found

    address = addresses.address(Shown("a", over="seconds"))
    whole, again = at(7.75), at(9.5)
    assert [chart["name"] for chart in whole["charts"]] == ["returns", "gradient", "entropy"]
    assert again == whole
    assert lab.reads == ["a"]
    assert "charts" not in json.loads(ask(address, "version=7").content)
    read.append(replace(read[0], run=replace(read[0].run, state="solved")))
    assert json.loads(ask(address).content)["told"]["state"] == "solved"
    assert lab.reads == ["a"] * 3


def test_of_many_who_ask_the_same_at_the_same_time_one_asks_the_store(
    read: list[Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps: list[str] = []
    monkeypatch.setattr(lab, "stamp", lambda run_id: stamps.append(run_id) or ())
    address = addresses.address(Shown("a"))

    async def ask_at_once() -> list[bytes]:
        async with AsyncClient(transport=ASGITransport(APP), base_url="http://lab") as client:
            return [found.content for found in await asyncio.gather(*[client.get(f"/{address}") for _ in range(9)])]

    with ThreadPoolExecutor(1) as other:  # a browser's loop may run in this one
        answers = other.submit(asyncio.run, ask_at_once()).result()
    assert len(set(answers)) == 1 and json.loads(answers[0])["told"]["state"] == "running"
    assert stamps == lab.reads == ["a"]


def test_before_the_first_run_it_is_told_what_the_next_one_begins_with() -> None:
    start = Config(env_id="Acrobot-v1").model_dump_json()
    told = json.loads(ask(addresses.address(Shown(None, start))).content)
    assert told["told"]["state"] == "ready" and told["next"] is None
    assert told["stage"] == {"newest": 0, "kept": [0], "every": False, "strip": [0]}
    assert told["charts"][0]["data"][0]["y"] == [-100, -100]


def test_the_numbers_come_as_a_table(read: list[Progress]) -> None:
    address = addresses.address(Shown("a"))
    assert [row["update"] for row in json.loads(ask(address, "numbers=1").content)] == [1, 2, 3]
    assert json.loads(ask(addresses.address(Shown(None, Config().model_dump_json())), "numbers=1").content) == []


def test_an_address_that_no_page_has_given_finds_nothing(read: list[Progress]) -> None:
    address = addresses.address(Shown("a"))
    for wrong in ("", "x", address[:-1], f"{address}x"):
        assert ask(wrong).status_code == 404
    for query in ("version=x", "version=1-x", "policy=x", "policy=1&agent=x"):
        assert ask(address, query).status_code == 400


def test_an_address_is_the_same_for_half_a_day_and_ends_within_a_day(
    read: list[Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(seconds: int) -> str:
        monkeypatch.setattr("itsdangerous.timed.time.time", lambda: 1000 * addresses.PERIOD + seconds)
        return addresses.address(Shown("a"))

    early, late = at(0), at(addresses.PERIOD - 1)
    assert early == late and ask(early).status_code == 200
    assert at(2 * addresses.PERIOD - 1) != early and ask(early).status_code == 200
    at(2 * addresses.PERIOD)
    assert ask(early).status_code == 404


def test_a_run_that_has_not_begun_is_asked_for_again(read: list[Progress]) -> None:
    assert json.loads(ask(addresses.address(Shown("b"))).content) == {"unknown": True, "next": news.FIRST_SECONDS}


@pytest.mark.parametrize("query", ["", "numbers=1", "policy=0"])
@pytest.mark.parametrize(("person", "sees"), [("ann", True), ("eve", True), ("bob", False)])
def test_an_address_from_before_a_run_was_deleted_is_its_owners_and_administrators_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, person: str, sees: bool, query: str
) -> None:
    monkeypatch.setattr(visitor, "has_login", lambda: True)
    monkeypatch.setattr(visitor, "get_cookie_secret", lambda: "s" * 32)
    monkeypatch.setattr(visitor, "present", lambda: lab.Visitor(f"https://id {person}", None, admin=person == "eve"))
    monkeypatch.setenv("PG_LAB_ADMINS", "https://id eve")
    seen: set[str] = set()

    def note(look: Callable[..., Any]) -> Callable[..., Any]:
        return lambda run_id, *more: seen.add(run_id) or look(run_id, *more)

    monkeypatch.setattr(lab, "progress", note(lab.progress))
    monkeypatch.setattr(lab, "episode", note(lambda *_: done(b"{}")))
    claims = {"is_logged_in": True, "iss": "https://id", "sub": person}
    login = {AUTH_COOKIE_NAME: create_signed_value("s" * 32, AUTH_COOKIE_NAME, json.dumps(claims)).decode()}
    store = Store(folder)
    kept, gone = (store.create(Config(num_agents=1), owner="https://id ann") for _ in range(2))
    alone, behind = addresses.address(Shown(gone)), addresses.address(Shown(kept, beside=(gone,)))
    store.transition(gone, ["queued"], state="stopped", deleted_at=time.time())

    assert ask(alone, query, **login).status_code == ask(behind, query, **login).status_code == 200
    assert (gone in seen, kept in seen) == (sees, True)
    told = json.loads(ask(alone, query, **login).content)
    assert (told == {"unknown": True, "next": news.FIRST_SECONDS}) is not sees
    assert ask(alone, query).status_code == 403


def done(content: bytes) -> Future[bytes]:
    found: Future[bytes] = Future()
    found.set_result(content)
    return found


def test_a_store_that_cannot_be_read_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise lab.StoreError("locked")

    monkeypatch.setattr(lab, "stamp", fail)
    assert ask(addresses.address(Shown("a"))).status_code == 503


def test_an_episode_is_kept_by_the_browser_and_a_refusal_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def episode(of: object, update: int, agent: int | None = None, frames: bool = False) -> Future[bytes]:
        asked.append((of, update, agent, frames))
        found: Future[bytes] = Future()
        if update == 9:
            found.set_exception(lab.EpisodeError("This environment cannot be drawn."))
        else:
            found.set_result(b'{"update": 3}')
        return found

    monkeypatch.setattr(lab, "episode", episode)
    address = addresses.address(Shown("a"))
    kept = ask(address, "policy=3&agent=2&frames=1")
    assert json.loads(kept.content) == {"update": 3} and "immutable" in kept.headers["Cache-Control"]
    refused = ask(address, "policy=9")
    assert json.loads(refused.content) == {"error": "This environment cannot be drawn."}
    assert refused.headers["Cache-Control"] == "no-store"
    start = Config(seed=4)
    ask(addresses.address(Shown(None, start.model_dump_json())), "policy=0")
    assert asked == [("a", 3, 2, True), ("a", 9, None, False), (start, 0, None, False)]


def test_configs_with_the_same_untrained_policies_are_one_subject() -> None:
    assert instrument.subject(Config(learning_rate=0.5)) == instrument.subject(Config())
    others = [
        Config(seed=1),
        Config(num_agents=2),
        Config(hidden_layers=(8,)),
        Config(env_kwargs={"sutton_barto_reward": True}),
    ]
    assert len({instrument.subject(config) for config in (Config(), *others)}) == 1 + len(others)
