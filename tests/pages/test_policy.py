"""The page of the policy: of which run it tells, and where in it one is."""

from typing import Any

import orjson
import pytest
from streamlit.testing.v1 import AppTest

from pages.widgets import live, microscope
from pg_core import lab
from pg_core.config import Config
from tests.pages.test_instrument import ask
from tests.pages.test_pages import page, sentence
from tests.updates import add_updates

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the component is told, each time that the page is drawn."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(microscope, "_microscope", lambda data, **_: calls.append(orjson.loads(data)))
    return calls


def trained(updates: int = 40, **values: Any) -> str:
    config = Config(num_agents=3, episodes_per_update=2, **values)
    run = lab.start(config)
    if updates:
        add_updates(lab.state.store(), run, config, 0, updates)
    return run


def info(app: AppTest) -> str:
    return " ".join(info.value.replace("\\", "") for info in app.info)


def test_without_a_run_or_an_update_it_says_where_to_go(told: list[dict[str, Any]]) -> None:
    assert "No run is open" in info(page("policy.py"))
    assert "has not done an update yet" in info(page("policy.py", run=trained(0)))
    app = page("policy.py", run="0" * 32)
    assert "no run" in sentence(app).lower() and "No run is open" in info(app)
    assert told == []


@pytest.mark.parametrize(
    ("link", "at"),
    [
        ({}, [40, 0, 0]),
        ({"update": "7", "agent": "2", "episode": "1"}, [7, 2, 1]),
        ({"update": "41", "agent": "3", "episode": "2"}, [40, 2, 1]),
        ({"update": "-1", "agent": "x", "episode": "9" * 400}, [40, 0, 0]),
        ({"update": "٣"}, [40, 0, 0]),
    ],
)
def test_a_link_leads_to_an_update_an_agent_and_an_episode_that_there_are(
    told: list[dict[str, Any]], link: dict[str, str], at: list[int]
) -> None:
    app = page("policy.py", run=trained(), **link)
    assert not app.exception
    assert list(told[-1]["at"].values()) == at
    assert (told[-1]["updates"], told[-1]["agents"], told[-1]["episodes"]) == (40, 3, 2)


def test_where_one_was_in_another_run_means_nothing(told: list[dict[str, Any]]) -> None:
    app = page("policy.py", run=trained(), update="7")
    app.session_state.run_id = trained()
    app.run()
    assert [each["at"]["update"] for each in told[-2:]] == [7, 40]


def test_its_address_answers_what_can_be_known_of_policies_and_says_what_cannot(told: list[dict[str, Any]]) -> None:
    page("policy.py", run=trained())
    address = told[-1]["address"].removeprefix(f"{live.ROUTE}/")
    for query, wanted in {
        "weights=41&agent=0": "`update` must be in [0, 40], got 41.",
        "weights=0&agent=3": "`agent` must be in [0, 2], got 3.",
        "dissection=40&agent=0&episode=0": "`update` must be in [0, 39], got 40.",
        "dissection=0&agent=0&episode=2": "`episode` must be in [0, 1], got 2.",
        "spread=41&agent=0": "`update` must be in [0, 40], got 41.",
        "spread=0&agent=3": "`agent` must be in [0, 2], got 3.",
        "estimators=0&agent=0&batches=7": "`batches` must be in [8, 256], got 7.",
    }.items():
        assert ask(address, query).json() == {"error": wanted}
    assert ask(address, "weights=one&agent=0").status_code == 400
