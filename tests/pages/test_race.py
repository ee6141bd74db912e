"""Estimators that race: what a browser asks for, whatever that is, and what the page does of it."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.widgets import microscope, race
from pg_core import lab
from pg_core.runs.store import library
from pg_core.runs.store.records import Snapshot
from pg_core.runs.workers.helper import NoAnswer
from pg_core.runs.workers.prover import Prover
from tests.pages.test_pages import page
from tests.pages.test_policy import trained

pytestmark = pytest.mark.usefixtures("folder")

PLAIN: dict[str, Any] = {
    "weights": "reward_to_go", "gamma_t": False, "baseline": "none", "normalize_advantages": False,
    "reduction": "episode",
}  # fmt: skip
MEAN = PLAIN | {"baseline": "batch_mean"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], Future[Any]]]:
    """What the process that would train again is asked, and what it may answer."""
    questions: list[tuple[dict[str, Any], Future[Any]]] = []

    def question(_: Prover, text: dict[str, Any]) -> Future[Any]:
        questions.append((text["forks"], Future()))
        return questions[-1][1]

    monkeypatch.setattr(Prover, "question", question)
    monkeypatch.setattr(microscope, "_microscope", lambda **_: None)
    monkeypatch.setattr(lab.limits, "coming", {})
    return questions


def sent(monkeypatch: pytest.MonkeyPatch, run: str, message: Any) -> dict[str, Any]:
    """Return the session after a message of the component."""
    state: dict[str, Any] = {"run_id": run, "microscope": SimpleNamespace(race=message), "complaint": ""}
    monkeypatch.setattr(st, "session_state", SimpleNamespace(**state))
    race.ask()
    return vars(st.session_state)


@pytest.mark.parametrize(
    "message",
    [
        None, 7, "race", [], {}, {"update": 3}, {"update": "3", "settings": [PLAIN, MEAN]},
        {"update": 3, "settings": PLAIN}, {"update": 3, "settings": [PLAIN]},
        {"update": 3, "settings": [PLAIN, [1]]}, {"update": 3, "settings": [PLAIN] * 1000},
    ],
    ids=lambda message: str(message)[:40],
)  # fmt: skip
def test_what_is_no_race_gets_a_sentence(asked: Any, monkeypatch: pytest.MonkeyPatch, message: Any) -> None:
    assert "A race is asked for as" in sent(monkeypatch, trained(), message)["complaint"]
    assert not asked


@pytest.mark.parametrize(
    ("update", "settings", "sentence"),
    [
        (40, [PLAIN, MEAN], "`update` must be in [0, 39], got 40"),
        (-1, [PLAIN, MEAN], "`update` must be in [0, 39], got -1"),
        (10**30, [PLAIN, MEAN], "`update` must be in [0, 39]"),
        (3, [PLAIN, PLAIN], "must be 2 or 3 that differ, got 2"),
        (3, [PLAIN, MEAN, PLAIN], "must be 2 or 3 that differ, got 3"),
        (3, [PLAIN, MEAN | {"baseline": "everything"}], "`baseline` must be"),
        (3, [PLAIN, MEAN | {"baseline": "value"}], "A value network is fixed during a run"),
        (3, [PLAIN, MEAN | {"baseline": ["none"]}], "`baseline` must be"),
        (3, [PLAIN, {"baseline": "none"}], "`settings` of a race must be weights, gamma_t"),
        (3, [PLAIN, MEAN | {"num_updates": 10**6}], "`settings` of a race must be weights, gamma_t"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_what_cannot_race_is_refused(
    asked: Any, monkeypatch: pytest.MonkeyPatch, update: int, settings: list[Any], sentence: str
) -> None:
    said = sent(monkeypatch, trained(), {"update": update, "settings": settings})
    assert sentence in said["complaint"]
    assert not asked and "asked_race" not in said


def test_who_may_start_no_run_may_not_race(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained()
    lab.identify(lambda: lab.Visitor(None, "s", admin=False))
    said = sent(monkeypatch, run, {"update": 3, "settings": [PLAIN, MEAN]})
    lab.identify(lambda: lab.Visitor(None, None, admin=True))
    assert said["complaint"] == "Log in to start runs." and not asked


@pytest.mark.parametrize(
    ("limit", "value", "sentence"),
    [
        ("PG_LAB_MAX_ACTIVE", "2", "You have 1 runs in training or in the queue, and with 2 more there would be"),
        ("PG_LAB_MAX_QUEUE", "2", "1 runs wait in the queue, which takes 2"),
        ("PG_LAB_MAX_STORED_GB", "{}e-9", "this one would take"),
        ("PG_LAB_MIN_FREE_GB", "1e9", "The lab's disk has only"),
    ],
)
def test_there_must_be_room_for_all_forks_before_one_is_made(
    asked: Any, monkeypatch: pytest.MonkeyPatch, limit: str, value: str, sentence: str
) -> None:
    mine = lab.Visitor(None, "s", admin=True)
    lab.identify(lambda: mine)
    run = trained()
    _, held = lab.limits.quotas.usage(lab.state.store(), "s")
    monkeypatch.setattr(lab.limits, "MIN_FREE_SHARE", 1.0)
    monkeypatch.setenv(limit, value.format(held + 1))  # one fork of nothing that was learned would be admitted
    try:
        said = sent(monkeypatch, run, {"update": 39, "settings": [PLAIN, MEAN]})
    finally:
        lab.identify(lambda: lab.Visitor(None, None, admin=True))
    assert sentence in said["complaint"] and not asked


def racing(run: str) -> tuple[AppTest, lab.Race]:
    """Return the page of a run while its forks are made."""
    race = lab.race(run, 3, [PLAIN, MEAN])
    app = page("policy.py", run=run)
    app.session_state.race, app.session_state.asked_race = race.forks, race.made
    return app.run(), race


def fork(question: dict[str, Any], child: str) -> None:
    """Do what the process does of one fork."""
    then = Snapshot(3, {"k": np.ones(1)}, {"update": np.int64(3)})
    asked = question["forks"][child]
    library.fork(
        lab.state.store(), question["run_id"], name=asked["name"], child=child, snapshot=then,
        owner=question["owner"], session=question["session"], live_values=asked["settings"],
    )  # fmt: skip


def test_forks_are_seen_as_soon_as_they_are_there_and_learn_with_what_was_asked(asked: Any) -> None:
    run = trained()
    app, race = racing(run)
    assert "trained again" in app.caption[-1].value
    [(question, made)] = asked
    assert (question["run_id"], question["update"], question["owner"]) == (run, 3, None)
    assert {each["name"] for each in question["forks"].values()} == {"Baseline: none", "Baseline: batch mean"}
    for child in race.forks:
        fork(question, child)
    made.set_result({})
    assert [lab.run(child).state for child in race.forks] == ["queued"] * 2, "whatever page is open"
    assert lab.queue() == [run, *race.forks]
    current = [lab.run(child).current for child in race.forks]
    assert [{name: getattr(config, name) for name in PLAIN} for config in current] == [PLAIN, MEAN]
    app.run()
    assert not app.exception and not app.error
    assert app.query_params["race"] == race.forks  # so a reload shows it again
    again = page("policy.py", run=run, race=race.forks)
    further, to_runs = again.button
    assert further.disabled and "past of a fork" in further.help
    assert to_runs.label == "Open them on the Runs page"
    assert "Each curve is of 3 agents" in again.caption[-1].value and "ranks no estimators" in again.caption[-1].value
    elsewhere = page("policy.py", run=trained(), race=race.forks)
    assert not elsewhere.button, "it is no race of that run"


def test_a_race_that_cannot_be_made_says_why_and_what_a_link_says_of_none_is_left_out(asked: Any) -> None:
    app, _ = racing(trained())
    asked[0][1].set_exception(NoAnswer("Ask again."))
    app.run()
    assert [error.value for error in app.error] == ["Ask again\\."] and not app.exception and not app.button
    app = page("policy.py", run=trained(), race=["0" * 32, "x"])
    assert not app.exception and not app.button


def test_forks_that_were_made_before_one_could_not_be_are_seen(asked: Any) -> None:
    app, race = racing(trained())
    [(question, made)] = asked
    fork(question, race.forks[0])
    made.set_exception(NoAnswer("The disk is full."))
    app.run()
    assert [error.value for error in app.error] == ["The disk is full\\."] and not app.exception
    assert [button.label for button in app.button] == ["Open them on the Runs page"]


def test_who_waits_for_forks_gets_no_others_however_often_they_ask(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = lab.Visitor(None, "s", admin=True)
    lab.identify(lambda: mine)
    try:
        run = trained()
        message = {"update": 3, "settings": [PLAIN, MEAN]}
        first, *others = (sent(monkeypatch, run, message) for _ in range(100))
        assert first["asked_race"] is asked[0][1] and len(asked) == 1
        assert {said["complaint"][:36] for said in others} == {"The forks of another race of yours a"}
        monkeypatch.setenv("PG_LAB_MAX_ACTIVE", "3")
        with pytest.raises(lab.NotAllowed, match="You have 3 runs"):
            lab.start(lab.run(run).config)  # which would have the place of a fork
        asked[0][1].set_exception(NoAnswer("Ask again."))
        assert sent(monkeypatch, run, message)["asked_race"] is asked[1][1]
        asked[1][1].set_exception(NoAnswer("Ask again."))
    finally:
        lab.identify(lambda: lab.Visitor(None, None, admin=True))


def test_a_link_names_at_most_as_many_forks_as_race_each_once(asked: Any) -> None:
    app = page("policy.py", run=trained(), race=[*"aab", *map(str, range(100))])
    assert app.session_state.race == ["a", "b", "0"]
