"""What a page does not offer, a browser may send all the same: nothing of another's run changes, whatever is sent."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.widgets import microscope, visitor
from pg_core import lab
from pg_core.config import Config
from pg_core.runs.store.records import Batch, Snapshot
from pg_core.runs.store.store import Store

NAVIGATION = str(Path(__file__).parents[2] / "pages" / "navigation.py")
ANN, BOB = lab.Visitor("https://id Ann", "a", admin=False), lab.Visitor("https://id Bob", "b", admin=False)
STEERING = {  # of a run in each state: which buttons control it, by page
    "stopped": {"runs.py": {"Delete", "Resume", "Save"}, "train.py": {"Resume", "One update"}},
    "queued": {"runs.py": {"Save"}, "train.py": {"Pause", "Stop"}},
}
CASES = [(state, path) for state, pages in STEERING.items() for path in pages]


@pytest.fixture
def acts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[lab.Visitor], None]]:
    """Have somebody look at the pages of a lab with a log-in."""
    monkeypatch.setattr(visitor, "has_login", lambda: True)

    def act(person: lab.Visitor) -> None:
        monkeypatch.setattr(visitor, "present", lambda: person)
        lab.identify(lambda: person)

    yield act
    lab.identify(lambda: lab.Visitor(None, None, admin=True))


@pytest.fixture
def anns(acts: Callable[[lab.Visitor], None], folder: Path, request: pytest.FixtureRequest) -> str:
    """A run of Ann's, in the state that is asked for; Bob looks at what follows."""
    store = Store(folder)
    run_id = store.create(Config(num_agents=1), "anns", "me", ANN.id)
    store.commit(run_id, "me", Batch([], {}, {}, [Snapshot(0, {"k": np.ones(1)}, {"update": np.int64(0)})]))
    store.transition(run_id, ["starting"], state=request.param, process=None)
    acts(BOB)
    return run_id


def page(path: str, run_id: str) -> AppTest:
    app = AppTest.from_file(NAVIGATION, default_timeout=60)
    app.query_params.update({"run": run_id, "selected": run_id})
    return (app if path == "train.py" else app.switch_page(path)).run()


def send(app: AppTest, *pressed: str) -> None:
    """Send a message as the browser's, in which buttons with these ids are pressed, whether or not they can be."""
    states = app._tree.get_widget_states()
    for button in pressed:
        states.widgets.add(id=button, trigger_value=True)
    app._run(states)
    assert not app.exception


@pytest.mark.parametrize(("anns", "path"), CASES, indirect=["anns"])
def test_buttons_that_are_another_s_are_pressed_in_vain(
    anns: str, path: str, acts: Callable[[lab.Visitor], None]
) -> None:
    before, bobs = lab.run(anns), page(path, anns)
    acts(ANN)
    hers = page(path, anns)
    assert {button.label for button in hers.button if not button.disabled} >= STEERING[before.state][path]
    acts(BOB)
    may_press = {button.proto.id for button in bobs.button if not button.disabled}
    send(bobs, *{button.proto.id for button in (*hers.button, *bobs.button)} - may_press)
    if path == "train.py":  # where a control that is moved changes the open run, if that may be
        bobs.get_by_key("gamma").set_value(0.5).run()
    assert lab.runs(deleted=True) == [before]


@pytest.mark.parametrize(("anns", "path"), CASES, indirect=["anns"])
def test_a_page_that_offers_what_is_another_s_says_whose_it_is(
    anns: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = lab.run(anns)
    monkeypatch.setattr(lab, "may_control", lambda run: True)  # what pages ask, and the lab itself does not
    app = page(path, anns)
    if path == "runs.py":
        app.text_input[-1].set_value("mine now")  # its name, in the form that Save sends
    for label in STEERING[before.state][path]:
        app.session_state.complaint = ""  # of the button before
        send(app, *(button.proto.id for button in app.button if button.label == label))
        assert ["belongs to someone else" in error.value for error in app.error] == [True], label
    assert lab.runs(deleted=True) == [before]


@pytest.mark.parametrize(
    ("at", "place"),
    [
        ([3, 1, 0, "greedy", "2147483647", "0" * 32, 12, 2], [*"310", "greedy", "2147483647", "0" * 32, "12", "2"]),
        ([3, 1, 0, "mine", 7, "\ud800", -1, None], [*"310", "", "7", "", "", ""]),
        ([{}, [1], 1.5, 7, True, "0" * 33, "<b>", 10**40], [""] * 8),
        *((at, ["old"] * 8) for at in (None, 7, "policies", {}, [], [0] * 7, [0] * 9)),
    ],
    ids=lambda value: str(value)[:30].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_a_place_that_is_none_is_left_out(monkeypatch: pytest.MonkeyPatch, at: Any, place: list[str]) -> None:
    class Session(dict[str, Any]):
        microscope = SimpleNamespace(at=at)

    monkeypatch.setattr(st, "session_state", session := Session(dict.fromkeys(microscope.PLACE, "old")))
    microscope._moved()
    assert [session[name] for name in microscope.PLACE] == place
