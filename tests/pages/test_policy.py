"""The page of the policy: of which run it tells, and where in it one is."""

from concurrent.futures import Future
from typing import Any

import orjson
import pytest
from streamlit.testing.v1 import AppTest

from pages.widgets import addresses, live, microscope, rivals
from pg_core import lab
from pg_core.config import Config
from pg_core.runs.store.schema import CHANGES, write
from pg_core.runs.workers import helper
from pg_core.runs.workers.prover import Prover
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


def deleted(run: str) -> None:
    lab.stop(run)
    lab.delete(run)


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
        ({}, [39, 0, 0, 0, ""]),
        ({"update": "7", "agent": "2", "episode": "1"}, [7, 2, 1, 0, ""]),
        ({"update": "41", "agent": "3", "episode": "2"}, [40, 2, 1, 0, ""]),
        ({"update": "-1", "agent": "x", "episode": "9" * 400}, [39, 0, 0, 0, ""]),
        ({"update": "٣"}, [39, 0, 0, 0, ""]),
        ({"play": "greedy", "play_seed": "12"}, [39, 0, 0, 12, "greedy"]),
        ({"play": "sampled", "play_seed": "-1"}, [39, 0, 0, 0, "sampled"]),
        ({"play": "sampled", "play_seed": "2147483647"}, [39, 0, 0, 2**31 - 1, "sampled"]),
        ({"play": "sampled", "play_seed": "2147483648"}, [39, 0, 0, 2**31 - 1, "sampled"]),
    ],
)
def test_a_link_leads_to_an_update_an_agent_and_an_episode_that_there_are(
    told: list[dict[str, Any]], link: dict[str, str], at: list[int]
) -> None:
    app = page("policy.py", run=trained(), **link)
    assert not app.exception
    assert [told[-1]["at"][name] for name in ("update", "agent", "episode", "play_seed", "play")] == at
    assert (told[-1]["updates"], told[-1]["agents"], told[-1]["episodes"]) == (40, 3, 2)


def test_an_episode_that_cannot_be_chosen_is_named_and_left_out(told: list[dict[str, Any]]) -> None:
    app = page("policy.py", run=trained(), play="mine")
    assert "`play` must be one of sampled, greedy, got 'mine'" in sentence(app)
    assert told[-1]["at"]["play"] == ""


def test_the_address_keeps_the_policy_that_is_compared(told: list[dict[str, Any]]) -> None:
    run = trained()
    page("policy.py", run=run, versus="7" * 32, versus_update="12", versus_agent="x")
    at = told[-1]["at"]
    assert (at["versus"], at["versus_update"], at["versus_agent"]) == ("7" * 32, 12, 0)


def test_runs_of_the_same_environment_that_have_learned_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    own, old, new = trained(), trained(), trained()
    paid = {"sutton_barto_reward": True}
    for other in (trained(0), trained(env_id="CartPole-v0"), trained(env_kwargs=paid)):
        assert other not in [run.id for run in rivals.rivals(own)]
    deleted(trained())
    assert [run.id for run in rivals.rivals(own)] == [own, new, old]
    assert [run.id for run in rivals.rivals(own, wanted=old)] == [own, old, new]
    monkeypatch.setattr(rivals, "MAX_RIVALS", 2)
    assert [run.id for run in rivals.rivals(own, wanted=old)] == [own, old]
    with pytest.raises(lab.UnknownRun):
        rivals.rivals("0" * 32)


def test_whom_it_can_be_compared_with_is_told_with_an_address_that_answers(told: list[dict[str, Any]]) -> None:
    own, other = trained(), trained(updates=7)
    page("policy.py", run=own)
    address = told[-1]["address"].removeprefix(f"{addresses.ROUTE}/").partition("?")[0]
    first, second = ask(address, "rivals=").json()["rivals"]
    assert (first["run"], second["run"], second["updates"], second["agents"]) == (own, other, 7, 3)
    answer = ask(second["address"].removeprefix(f"{addresses.ROUTE}/").partition("?")[0], "weights=8&agent=0")
    assert answer.json() == {"error": "`update` must be in [0, 7], got 8."}
    deleted(other)
    assert [each["run"] for each in ask(address, "rivals=").json()["rivals"]] == [own]


def test_where_one_was_in_another_run_means_nothing(told: list[dict[str, Any]]) -> None:
    app = page("policy.py", run=trained(), update="7")
    app.session_state.run_id = trained()
    app.run()
    assert [each["at"]["update"] for each in told[-2:]] == [7, 39]


def test_its_address_answers_what_can_be_known_of_policies_and_says_what_cannot(told: list[dict[str, Any]]) -> None:
    page("policy.py", run=trained())
    address = told[-1]["address"].removeprefix(f"{addresses.ROUTE}/").partition("?")[0]
    for query, wanted in {
        "weights=41&agent=0": "`update` must be in [0, 40], got 41.",
        "weights=0&agent=3": "`agent` must be in [0, 2], got 3.",
        "value=0&agent=3": "`agent` must be in [0, 2], got 3.",
        "dissection=40&agent=0&episode=0": "`update` must be in [0, 39], got 40.",
        "dissection=0&agent=0&episode=2": "`episode` must be in [0, 1], got 2.",
        "robustness=41&agent=0&parameter=force": "`update` must be in [0, 40], got 41.",
        "robustness=0&agent=0&parameter=force&greedy=2": "`greedy` must be in [0, 1], got 2.",
        "policy=0&agent=0&seed=2147483648": "`seed` must be in [0, 2147483647], got 2147483648.",
        "policy=0&agent=0&seed=0&greedy=2": "`greedy` must be in [0, 1], got 2.",
        "spread=41&agent=0": "`update` must be in [0, 40], got 41.",
        "spread=0&agent=3": "`agent` must be in [0, 2], got 3.",
        "estimators=0&agent=0&batches=7": "`batches` must be in [8, 256], got 7.",
    }.items():
        assert ask(address, query).json() == {"error": wanted}
    assert ask(address, "weights=one&agent=0").status_code == 400


def test_it_tells_what_is_observed_and_whether_there_is_a_value(told: list[dict[str, Any]]) -> None:
    page("policy.py", run=trained(1, env_id="Pendulum-v1", baseline="value"))
    assert told[-1]["dimensions"][2] == {"name": "θ̇", "unit": "rad/s", "low": -8, "high": 8}
    assert (told[-1]["choices"], told[-1]["action_size"], told[-1]["has_value"]) == ([], 1, True)
    page("policy.py", run=trained(1, env_id="FrozenLake-v1"))
    assert (told[-1]["dimensions"], told[-1]["states"]) == ([], 16)
    assert (told[-1]["grid"], told[-1]["choices"]) == (["SFFF", "FHFH", "FFFH", "HFFG"], [4])
    assert not told[-1]["has_value"]


def test_its_address_gives_films_and_says_why_there_is_none(
    told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    page("policy.py", run=trained())
    address = told[-1]["address"].removeprefix(f"{addresses.ROUTE}/").partition("?")[0]
    assert "is kept yet" in ask(address, "film=webp&agent=0").json()["error"]
    assert [ask(address, query).status_code for query in ("film=png&agent=0", "film=gif&agent=3")] == [400, 400]
    made: list[tuple[Any, ...]] = []
    found: Future[bytes] = Future()
    found.set_result(b"a film")
    monkeypatch.setattr(lab, "ask_film", lambda *asked: made.append(asked) or found)
    answer = ask(address, "film=mp4&agent=2&in_turn=1")
    assert (answer.content, answer.headers["content-type"]) == (b"a film", "video/mp4")
    assert answer.headers["cache-control"] == "no-store"
    assert [asked[1:] for asked in made] == [("mp4", 2, True)]


def test_what_an_address_is_asked_is_asked_on_behalf_of_who_asks(
    told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def weights(*_: Any) -> Future[bytes]:
        found: Future[bytes] = Future()
        found.set_result(orjson.dumps(helper.asker.get()))
        return found

    page("policy.py", run=trained())
    address = told[-1]["address"].removeprefix(f"{addresses.ROUTE}/").partition("?")[0]
    monkeypatch.setattr(lab, "weights", weights)
    assert ask(address, "weights=0&agent=0").json() == "testclient", "where there is no log-in, the browser's address"
    assert helper.asker.get() is None


def test_an_owner_compares_the_policies_of_a_run_that_they_have_deleted() -> None:
    ann, nobody = lab.Visitor("https://id Ann", None, admin=False), lab.Visitor(None, None, admin=False)
    lab.identify(lambda: ann)
    own = trained()
    deleted(own)
    lab.identify(lambda: nobody)  # as in a thread that answers, where no page is drawn
    try:
        told = orjson.loads(live._rivals(own, "", ann))["rivals"]
        assert [each["run"] for each in told] == [own]
        with pytest.raises(lab.UnknownRun):
            live._rivals(own, "", nobody)
    finally:
        lab.identify(lambda: lab.Visitor(None, None, admin=True))


def test_estimators_are_compared_anew_once_a_change_is_in_force_in_the_next_update(
    told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    questions: list[Future[Any]] = []
    monkeypatch.setattr(Prover, "question", lambda *_: questions.append(Future()) or questions[-1])
    run, store = trained(40), lab.state.store()

    def compared(update: int) -> tuple[Future[bytes], str]:
        page("policy.py", run=run)
        return lab.estimators(run, update), told[-1]["address"].partition("?")[2]

    lab.change(run, gamma=0.5)
    (before, earlier), (newest, address) = compared(39), compared(40)
    assert compared(40) == (newest, address) and earlier == address and len(questions) == 2
    with write(store.engine) as connection:
        connection.execute(CHANGES.update().values(update=40))
    assert (store.config_after(run, 40).gamma, store.config_after(run, 41).gamma) == (1, 0.5)
    after, other = compared(40)
    assert after is not newest and other != address and len(questions) == 3
    assert compared(39)[0] is before, "what has been in force stays so"
