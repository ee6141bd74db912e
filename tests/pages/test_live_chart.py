"""A chart asks what is new, at an address that only a page can give."""

import json
from dataclasses import replace

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import Response

from pages.widgets import crowd, live_chart
from pg_core import lab
from pg_core.lab import Progress, UnknownRun
from pg_core.runs.thinning import Chosen
from tests.pages.test_figure import progress


def ask(address: str, version: str = "0") -> Response:
    scope = {"type": "http", "path_params": {"address": address}, "headers": []}
    return live_chart.answer(Request({**scope, "query_string": f"version={version}".encode()}))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Progress:
    """A run with three updates, at version 7."""
    seen = {"shown_updates": Chosen(np.arange(3), np.array([6, 6, 7])), "version": 7}
    found = progress(updates=3, **seen)

    def look(run_id: str, _seconds: float) -> Progress:
        if run_id != "a":
            raise UnknownRun(run_id)
        return found

    monkeypatch.setattr(lab, "progress", look)
    return found


def test_a_chart_gets_what_it_does_not_have(run: Progress) -> None:
    address = live_chart.address("a", "entropy", "seconds")
    whole = json.loads(ask(address).body)
    assert [trace["y"] for trace in whole["data"]] == [[0, 1, 2], [10, 11, 12], [5, 6, 7]]
    news = json.loads(ask(address, "6").body)
    assert [(trace["from"], trace["y"]) for trace in news["data"]] == [(2, [2]), (2, [12]), (2, [7])]
    assert whole["version"] == news["version"] == 7
    assert json.loads(ask(address, "7").body) == {"next": crowd.MIN_QUESTION_SECONDS}


@pytest.mark.parametrize(
    ("state", "updates", "complete", "next"),
    [
        ("running", 3, True, crowd.MIN_QUESTION_SECONDS),
        ("starting", 0, True, live_chart.FIRST_SECONDS),
        ("stopped", 3, False, live_chart.FIRST_SECONDS),
        ("paused", 3, True, None),
        ("queued", 0, True, None),
        ("finished", 3, True, None),
    ],
)
def test_a_chart_asks_again_for_as_long_as_there_is_more(
    state: str, updates: int, complete: bool, next: float | None
) -> None:
    found = progress(updates=updates, complete=complete)
    found = replace(found, run=replace(found.run, state=state))
    assert live_chart.news(found, "returns", "episodes")["next"] == next


def test_nobody_makes_an_address(run: Progress) -> None:
    given = live_chart.address("a", "returns", "episodes")
    forged = live_chart.URLSafeSerializer(b"guessed").dumps(["a", "returns", "episodes"])
    for address in (forged, given[:-1], given[1:], "a", "", "\0", "x" * 10_000):
        assert ask(address).status_code == 404
    assert ask(given, "not a number").status_code == ask(given, "9" * 5000).status_code == 404
    assert ask(live_chart.address("gone", "returns", "episodes")).status_code == 404


def test_a_store_that_cannot_be_read_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> Progress:
        raise lab.StoreError("The store is busy.")

    monkeypatch.setattr(lab, "progress", locked)
    assert ask(live_chart.address("a", "returns", "episodes")).status_code == 503
