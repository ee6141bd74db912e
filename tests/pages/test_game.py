"""Games against a policy: what the page tells of them, and what it makes of what a browser says."""

from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import streamlit as st

from pages.widgets import microscope
from pg_core import lab
from pg_core.learning import games
from pg_core.runs.store import library
from tests.pages.test_pages import page, sentence
from tests.pages.test_policy import trained

pytestmark = pytest.mark.usefixtures("folder")
GAME = {"update": 2, "agent": 1, "start": [0.01, 0.0, 0.0, 0.0], "visitor": "01" * 250, "opponent": "1" * 500}


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what draws the page of a run with a component that says something; it returns what that is told then."""

    def drawn(run: str, *said: Any) -> tuple[Any, str]:
        told: list[Any] = []

        def component(*, data: bytes, on_game_change: Any, **_: Any) -> None:
            told.append(orjson.loads(data)["game"])
            for message in said if len(told) == 1 else ():
                st.session_state.microscope = SimpleNamespace(game=message)
                on_game_change()

        monkeypatch.setattr(microscope, "_microscope", component)
        app = page("policy.py", run=run).run()
        assert not app.exception
        return told[-1], sentence(app) if app.error else ""

    return drawn


def test_a_game_is_played_again_and_its_score_is_told(send: Any) -> None:
    run = trained(3)
    told, complaint = send(run, GAME)
    mine, its = (games.length(GAME["start"], GAME[who], 500) for who in ("visitor", "opponent"))
    assert 8 <= its < 12 < mine < 500, "nobody keeps the pole up blindly, whatever is claimed"
    assert told["scores"] == [{"update": 2, "agent": 1, "visitor_steps": mine, "opponent_steps": its}]
    assert (told["limit"], complaint) == (500, "")
    for _ in range(6):
        lab.keep_game(run, GAME)
    assert len(send(run)[0]["scores"]) == 5


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({**GAME, "update": 4}, "`update` must be in [0, 3], got 4."),
        ({**GAME, "agent": 3}, "`agent` must be in [0, 2], got 3."),
        ({**GAME, "visitor": [0, 1]}, "`visitor` must be 1 to 3,000 actions, each 0 or 1, got [0, 1]."),
        ("a game", "`game` must be an object, got 'a game'."),
        (None, "`game` must be an object, got None."),
    ],
)
def test_what_is_no_game_of_the_run_gets_a_sentence(send: Any, message: Any, expected: str) -> None:
    told, complaint = send(trained(3), message)
    assert expected in complaint.replace("\\", "") and told["scores"] == []


def test_of_a_run_that_is_not_there_for_the_visitor_no_score_is_kept() -> None:
    run = trained(3)
    lab.stop(run)
    lab.delete(run)
    someone = lab.Visitor("https://id Bob", "b", admin=False)
    try:
        lab.identify(lambda: someone)
        for run_id in (run, "0" * 32):
            with pytest.raises(lab.UnknownRun):
                lab.keep_game(run_id, GAME)
    finally:
        lab.identify(lambda: lab.Visitor(None, None, admin=True))
    library.restore(lab.state.store(), [run])
    assert lab.best_scores(run) == []


def test_a_game_is_no_longer_than_the_runs_limit_nor_than_a_minute(send: Any) -> None:
    assert send(trained(3, max_episode_steps=9), GAME)[0] == {
        "limit": 9, "scores": [{"update": 2, "agent": 1, "visitor_steps": 9, "opponent_steps": 9}],
    }  # fmt: skip
    assert send(trained(1, max_episode_steps=9_000))[0]["limit"] == games.MAX_STEPS


def test_other_environments_have_no_game(send: Any) -> None:
    told, complaint = send(trained(3, env_id="Acrobot-v1"), GAME)
    assert told is None and "Games are played on CartPole" in complaint
