"""The Sweeps page: what its controls declare, what a press starts, and what its moving part is told."""

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from pages.widgets import addresses, axes, declaration, sweep_live, sweep_news, sweep_view
from pg_core import lab
from pg_core.config import HYPERPARAMETERS, Config
from pg_core.runs.store.store import Store
from tests.pages.test_pages import page, sentence
from tests.updates import add_updates

pytestmark = pytest.mark.usefixtures("folder")

APP = Starlette(routes=[Route("/{address}", sweep_live.answer)])
SMALL = lab.Sweep(
    base=Config(num_updates=8), axes=(lab.SweepAxis.of("gamma=0.9,1"), lab.SweepAxis.of("ent_coef=0,0.1")), seeds=2
)


@pytest.fixture(autouse=True)
def nothing_seen() -> Iterator[None]:
    sweep_live._seen.clear()
    yield
    sweep_live._seen.clear()


def sweeps(**link: Any) -> AppTest:
    return page("sweeps.py", **link)


def trained(sweep: lab.Sweep = SMALL, updates: int = 8) -> str:
    """Return a sweep of which every setting has ended, as if it had been trained."""
    sweep_id = lab.start_sweep(sweep)
    store = lab.state.store()
    for run in store.runs(sweep_id=sweep_id):
        add_updates(store, run.id, run.config, 0, updates - run.setting % 4)  # so that no two are alike
        store.transition(run.id, ["queued"], state="finished")
    return sweep_id


# What the controls declare


def test_the_page_begins_with_a_sweep_that_one_press_starts() -> None:
    app = sweeps()
    assert not app.exception and not app.error
    assert app.button(key="start_sweep").label == "Train 12 runs"
    assert any("× 10 seeds = 120 agents, about" in caption.value for caption in app.caption)
    assert "No sweep is open" in app.info[0].value
    assert not app.query_params
    app.button(key="start_sweep").click().run()
    assert not app.exception and not app.error
    [row] = lab.sweeps()
    assert app.query_params["sweep"] in (row.id, [row.id])
    runs = lab.sweep(row.id).settings
    assert len(runs) == 12 and {setting.config.num_agents for setting in runs} == {10}
    assert not app.info and app.session_state.next_sweep != row.id, "the next press means another sweep"


def test_what_is_declared_is_listed_before_it_is_tried() -> None:
    app = sweeps(axis=["gamma=0.9,1", "baseline=none,value"], seeds="3")
    said, table = [
        element.value for element in app.markdown if "To be tried" in element.value or "---" in element.value
    ]
    assert said == "**To be tried:** 4 settings, each with the same 3 seeds."
    assert [row.split(" | ")[1:] for row in table.splitlines()[2:]] == [
        ["0\\.9", "none |"], ["0\\.9", "learned value network |"], ["1", "none |"], ["1", "learned value network |"],
    ]  # fmt: skip
    app = sweeps(axis=["gamma=0.9:1:9", "learning_rate=0.01:0.1:9"], seeds="1")
    assert "… and 57 more." in [caption.value for caption in app.caption]
    app = sweeps(axis=["gamma=0.9:1:9"], sampler="random", trials="7", seeds="1")
    assert any("7 settings within these ranges, each with the same seed." in text.value for text in app.markdown)
    app = sweeps(sweep=trained())
    assert not any("To be tried" in text.value for text in app.markdown)


def test_a_press_that_comes_twice_starts_one_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    app = sweeps(axis=["gamma=0.9,1"], seeds="1")
    sweep_id = app.session_state.next_sweep
    app.button(key="start_sweep").click().run()
    lab.start_sweep(lab.sweep(sweep_id).sweep, None, sweep_id)
    assert [row.id for row in lab.sweeps()] == [sweep_id] and len(lab.runs()) == 2
    app.button(key="start_sweep").click().run()  # of what is open, and is being trained: it would come to the same
    assert not app.error and [row.id for row in lab.sweeps()] == [sweep_id]
    app.number_input(key="seeds").set_value(2).run()
    app.button(key="start_sweep").click().run()
    assert not app.error and len(lab.sweeps()) == 2


AXES = [
    "learning_rate=0.003:0.03:log:5", "gamma=0.9:0.99:4", "episodes_per_update=2:16:log:4",
    "num_updates=100:1000:log:2",
    "learning_rate=0.01,0.02,0.5", "baseline=none,leave_one_out", "normalize_advantages=false,true",
    "hidden_layers=64;64,64;none", "max_episode_steps=50,100", "optimizer=sgd,adam",
]  # fmt: skip


@pytest.mark.parametrize("text", AXES)
def test_every_kind_of_axis_has_controls_that_hold_it_and_a_link(text: str) -> None:
    app = sweeps(axis=[text], seeds="3")
    assert not app.exception and not app.error
    assert app.query_params["axis"] in (text, [text]) and app.query_params["seeds"] in ("3", ["3"])
    app.run()
    assert app.query_params["axis"] in (text, [text])
    count = len(lab.SweepAxis.of(text).values)
    assert app.button(key="start_sweep").label == f"Train {count} runs"


@pytest.mark.parametrize("name", [name for name in HYPERPARAMETERS if name not in declaration.NO_AXES])
def test_every_hyperparameter_can_be_varied_from_where_it_is_proposed_to_begin(name: str) -> None:
    parameter = HYPERPARAMETERS[name]
    held = ", ".join(map(str, parameter.default)) if parameter.kind is tuple else parameter.default
    drawn = axes.proposed(parameter, "" if parameter.kind is dict else held)
    axis = axes.axis_of(name, drawn)
    assert axis.name == name and axis.values
    assert axes.axis_of(name, axes.drawn_of(axis)) == axis, "its controls hold what it is"


def test_a_slider_is_dragged_and_a_count_is_set() -> None:
    app = sweeps(axis=["gamma=0.9:1:3"], seeds="1")
    drawn = app.session_state.drawn
    app.slider(key=f"range_gamma_{drawn}").set_value((0.5, 0.75)).run()
    app.number_input(key=f"count_gamma_{drawn}").set_value(6).run()
    assert app.query_params["axis"] in ("gamma=0.5:0.75:6", ["gamma=0.5:0.75:6"])
    assert app.button(key="start_sweep").label == "Train 6 runs"
    app.button_group(key=f"scale_gamma_{drawn}").set_value("list").run()
    assert not app.exception
    app.text_input(key=f"text_gamma_{drawn}").set_value("0.1, 0.2, 0.3").run()
    assert app.button(key="start_sweep").label == "Train 3 runs"


def test_another_axis_is_chosen_and_begins_around_the_base() -> None:
    app = sweeps(axis=["gamma=0.9,1"], seeds="1", learning_rate="0.01")
    app.multiselect(key=f"vary_{app.session_state.drawn}").set_value(["gamma", "learning_rate"]).run()
    assert not app.exception and not app.error
    assert app.query_params["axis"] == ["gamma=0.9,1", "learning_rate=0.0025:0.04:log:4"]
    assert app.button(key="start_sweep").label == "Train 8 runs"


def test_the_base_is_a_preset_or_what_the_train_page_says() -> None:
    app = sweeps(gamma="0.5", axis=["learning_rate=0.01,0.02"])
    assert app.session_state.base_gamma == 0.5, "a link's settings are those of the base"
    app.session_state.base = "plain"
    assert declaration.PRESETS["plain"].values["weights"] == "episode_return"
    app.number_input(key="base_seed").set_value(7).run()
    app.button(key="start_sweep").click().run()
    [first, _] = lab.sweep(lab.sweeps()[0].id).settings
    assert (first.config.seed, first.config.gamma, first.config.pace) == (7, 0.5, 0)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ({"axis": ["gama=0.9,1"]}, "An axis must be a hyperparameter"),
        ({"axis": ["gamma=0.9:2:3"]}, "`gamma` must be in [0, 1], got 1.45"),
        ({"axis": ["seed=0,1"]}, "An axis must be a hyperparameter other than seed"),
        ({"axis": ["learning_rate=0.001:1:log:64", "gamma=0:1:64"]}, "A grid must have at most 256 settings"),
        ({"axis": []}, "Choose at least one hyperparameter to vary."),
        ({"sampler": "luck"}, "`sampler` must be one of grid, random, tpe"),
        ({"sweep": "f" * 32}, "No sweep has the id"),
        ({"sweep": "![x](http://example.invalid/x.png)"}, "No sweep has the id"),
    ],
)
def test_a_link_with_nonsense_gets_a_sentence(link: dict[str, Any], words: str) -> None:
    app = sweeps(**({"axis": ["x"]} if link == {"axis": []} else link))
    assert not app.exception
    assert words in sentence(app)
    assert all("![x](" not in error.value for error in app.error)
    assert lab.sweeps() == []


@pytest.mark.parametrize(("text", "seeds"), [("9" * 500, 1), ("99999", lab.MAX_SEEDS), ("0", 1), ("-3", 1), ("³", 1)])
def test_a_link_with_impossible_seeds_has_possible_ones(text: str, seeds: int) -> None:
    app = sweeps(seeds=text)
    assert not app.exception and app.number_input(key="seeds").value == seeds


def test_what_cannot_be_declared_cannot_be_started() -> None:
    app = sweeps(axis=["learning_rate=0.001:1:log:64", "gamma=0:1:64"])
    assert app.button(key="start_sweep").disabled and "got 64 × 64 = 4,096" in sentence(app)


def test_a_sampler_tries_as_many_settings_as_are_asked_for() -> None:
    app = sweeps(sampler="random", trials="5", prune="true", seeds="1")
    assert app.button(key="start_sweep").label == "Train 5 runs"
    link = [app.query_params[name] for name in ("sampler", "trials", "prune")]
    assert [text if isinstance(text, str) else text[0] for text in link] == ["random", "5", "true"]
    app.button(key="start_sweep").click().run()
    view = lab.sweep(lab.sweeps()[0].id)
    assert (view.sweep.sampler, view.sweep.trials, view.sweep.prune, len(view.settings)) == ("random", 5, True, 5)


# What is done with one that is open


def test_a_sweep_is_opened_by_its_link_with_its_declaration_on_the_controls() -> None:
    sweep_id = trained()
    app = sweeps(sweep=sweep_id)
    assert not app.exception and not app.error and not app.info
    assert app.query_params["axis"] == ["gamma=0.9,1", "ent_coef=0,0.1"]
    assert app.session_state.seeds == 2 and app.session_state.base_num_updates == 8
    assert app.selectbox(key="earlier").value == sweep_id
    assert app.button(key="stop_sweep").disabled and app.button(key="resume_sweep").disabled


def test_another_sweep_is_opened_from_the_list() -> None:
    first, second = trained(), trained(lab.Sweep(base=Config(), axes=(lab.SweepAxis.of("gamma=0.5,0.6"),)))
    app = sweeps(sweep=second)
    app.selectbox(key="earlier").set_value(first).run()
    assert not app.exception and app.query_params["sweep"] in (first, [first])
    assert app.query_params["axis"] == ["gamma=0.9,1", "ent_coef=0,0.1"]


def test_stop_and_resume() -> None:
    sweep_id = lab.start_sweep(SMALL)
    app = sweeps(sweep=sweep_id)
    app.button(key="stop_sweep").click().run()
    assert not app.exception and not app.error
    assert {run.state for run in lab.runs()} == {"stopped"}
    assert app.button(key="stop_sweep").disabled


def test_further_seeds_are_trained_once_however_often_the_press_comes() -> None:
    sweep_id = trained()
    app = sweeps(sweep=sweep_id)
    app.number_input(key=f"more_seeds_{sweep_id}").set_value(3).run()
    app.button(key="extend_seeds").click().run()
    assert not app.exception and not app.error
    view = lab.sweep(sweep_id)
    assert [[run.config.num_agents for run in setting.runs] for setting in view.settings] == [[2, 3]] * 4
    assert app.session_state.next_extension != app.session_state.extended


def test_further_values_extend_the_grid_and_a_wrong_one_gets_a_sentence() -> None:
    sweep_id = trained()
    app = sweeps(sweep=sweep_id)
    app.text_input(key=f"more_values_{sweep_id}_gamma").set_value("0.5").run()
    app.button(key="extend_values").click().run()
    assert not app.exception and not app.error
    assert len(lab.sweep(sweep_id).settings) == 6
    app.text_input(key=f"more_values_{sweep_id}_gamma").set_value("7").run()
    app.button(key="extend_values").click().run()
    assert "`gamma` must be in [0, 1], got 7.0" in sentence(app) and len(lab.sweep(sweep_id).settings) == 6


def test_the_verdict_is_said_once_nothing_trains() -> None:
    app = sweeps(sweep=lab.start_sweep(SMALL))
    assert any("Once nothing trains any more" in caption.value for caption in app.caption)
    app = sweeps(sweep=trained(lab.Sweep(**{**dict(SMALL), "seeds": 10})), sweep_by="final_return")
    assert not app.exception and not app.error
    assert any("corrected for 3 comparisons" in text.value for text in app.markdown)
    [numbers] = [text.value for text in app.markdown if "P(better)" in text.value]
    assert numbers.count("against") == 3, "each of the others, with the base"
    assert any("Compared with setting 3" in caption.value for caption in app.caption)


def test_the_seeds_that_the_verdict_asks_for_are_those_of_both_sides() -> None:
    sweep_id = trained()
    app = sweeps(sweep=sweep_id, sweep_by="final_return")
    [button] = [button for button in app.button if "more seed" in button.label]
    app.button(key=button.key).click().run()
    assert not app.exception and not app.error
    grown = [len(setting.runs) for setting in lab.sweep(sweep_id).settings]
    assert sorted(grown) == [1, 1, 2, 2] and grown[2] == 2, "the best one and the base, which is the third"


# What the browser sends


class Session(dict[str, Any]):
    """A session's state, by name and by attribute."""

    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


def session(monkeypatch: pytest.MonkeyPatch, **state: Any) -> Session:
    found = Session(sweep_by="final_return", complaint="", **state)
    monkeypatch.setattr(st, "session_state", found)
    return found


@pytest.mark.parametrize("message", [None, "1", True, 1.5, [], {"setting": 1}])
def test_what_is_no_setting_stops_none(monkeypatch: pytest.MonkeyPatch, message: Any) -> None:
    sweep_id = lab.start_sweep(SMALL)
    state = session(
        monkeypatch, sweep=sweep_id, **{sweep_view.KEY: {"halt": message, "at": message, "measure": message}}
    )
    sweep_view._halt()
    assert "A setting is stopped by its number" in state.complaint
    sweep_view._at()
    sweep_view._measure()
    assert state.sweep_at is None and state.sweep_by == "final_return"
    assert {run.state for run in lab.runs()} == {"queued"}


def test_one_setting_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep_id = lab.start_sweep(SMALL)
    state = session(monkeypatch, sweep=sweep_id, **{sweep_view.KEY: {"halt": 2}})
    sweep_view._halt()
    assert state.complaint == ""
    assert [setting.state for setting in lab.sweep(sweep_id).settings] == ["queued", "queued", "stopped", "queued"]


def test_nobody_stops_or_extends_the_sweep_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob = lab.Visitor("https://id Ann", "a", admin=False), lab.Visitor("https://id Bob", "b", admin=False)
    lab.identify(lambda: ann)
    try:
        sweep_id = lab.start_sweep(SMALL)
        lab.identify(lambda: bob)
        state = session(monkeypatch, sweep=sweep_id, **{sweep_view.KEY: {"halt": 2}})
        sweep_view._halt()
        assert "belongs to someone else" in state.complaint
        assert not sweep_view.mine(lab.sweep(sweep_id))
    finally:
        lab.identify(lambda: lab.Visitor(None, None, admin=True))
    assert {run.state for run in lab.runs()} == {"queued"}


# What the browser is told


def ask(address: str, version: str = "") -> Any:
    return TestClient(APP).get(f"/{address}?version={version}")


def address_of(sweep_id: str) -> str:
    return str(addresses._sweeps.dumps([sweep_id, None]))


def test_only_settings_that_are_another_than_before_are_told() -> None:
    sweep_id = trained()
    whole = ask(address_of(sweep_id)).json()
    assert [setting["number"] for setting in whole["settings"]] == whole["numbers"] == [0, 1, 2, 3]
    assert whole["told"]["state"] == "done" and whole["told"]["progress"] == 1 and whole["next"] is None
    again = ask(address_of(sweep_id), whole["version"]).json()
    assert again["settings"] == [] and again["version"] == whole["version"]
    lab.extend_sweep(sweep_id, seeds=1, settings=[2])
    more = ask(address_of(sweep_id), whole["version"]).json()
    assert [setting["number"] for setting in more["settings"]] == [2]
    assert more["told"]["state"] == "training" and 0 < more["next"] <= sweep_news.BEAT_SECONDS
    assert more["token"] != whole["token"], "the page's buttons depend on it"
    nonsense = ask(address_of(sweep_id), "x-0.1-%00").json()
    assert len(nonsense["settings"]) == 4, "who has no known version is told everything"


def test_a_sweep_is_looked_at_once_until_something_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep_id, looked = trained(), []
    look = lab.sweep
    monkeypatch.setattr(lab, "sweep", lambda sweep_id: looked.append(sweep_id) or look(sweep_id))
    for _ in range(5):
        ask(address_of(sweep_id))
    assert looked == [sweep_id]


def test_looking_takes_at_most_a_quarter_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    view, beats = lab.sweep(lab.start_sweep(SMALL)), []
    monkeypatch.setattr(sweep_live, "seconds_until", lambda beat, sweep_id: beats.append(beat))
    for seconds in (0.01, 0.1, 3.0):
        monkeypatch.setattr(sweep_live, "_look", lambda _, took=seconds: sweep_live._Seen((), view, took))
        sweep_live.told(view.id, "")
    assert beats == [sweep_news.BEAT_SECONDS, sweep_news.BEAT_SECONDS, 4 * 3.0]


def test_an_address_that_no_page_has_given_finds_nothing() -> None:
    address = address_of(trained())
    for wrong in ("x", address[:-1], f"{address}x", str(addresses._addresses.dumps([{"run_id": "a"}, None]))):
        assert ask(wrong).status_code == 404
    assert ask(str(addresses._sweeps.dumps(["a", "somebody"]))).status_code == 403
    assert "No sweep has the id" in ask(address_of("f" * 32)).json()["error"]


def test_what_is_told_is_bounded_however_many_settings_there_are() -> None:
    axis = lab.SweepAxis.of("gamma=0:1:64")
    sweep_id = trained(lab.Sweep(base=Config(num_updates=200), axes=(axis,), seeds=2), updates=150)
    told = ask(address_of(sweep_id)).json()
    points = [len(setting["curve"]["iqm"]) for setting in told["settings"]]
    assert len(points) == 64 and sum(points) <= sweep_news.MAX_POINTS + 64
    assert all(
        len(setting["curve"][name]) == points[0] for setting in told["settings"] for name in ("low", "env_steps")
    )


SETTING = lab.Setting(
    number=0, values={"gamma": 0.9, "ent_coef": 0.0}, config=Config(), runs=(), state="finished", seeds=10, solved=7,
    left_out=0, curve=None, measures={},
)  # fmt: skip


def measured(value: float, low: float, high: float, name: lab.Measure = "env_steps_to_solve", **more: Any) -> Any:
    setting = dataclasses.replace(SETTING, measures={name: lab.Measured(value, low, high)}, **more)
    return sweep_news.measured(setting, name)


def test_each_measure_is_in_words_with_its_interval() -> None:
    inf, nan = math.inf, math.nan
    assert measured(12_340, 11_000, inf) == {"value": 12_340, "text": "12.3 k", "beside": "11 k to never"}
    assert measured(inf, 9_000, inf) == {"value": None, "text": "unsolved", "beside": "7 of 10 solved"}
    assert measured(nan, nan, nan, state="queued", seeds=0) == {"value": None, "text": "waits", "beside": ""}
    final = measured(21.25, -inf, 30, "final_return")
    assert final == {"value": 21.25, "text": "21.25", "beside": "diverged to 30"}
    assert measured(-inf, -inf, -inf, "final_return", state="diverged") == {
        "value": None, "text": "diverged", "beside": "",
    }  # fmt: skip


def test_where_nothing_counts_as_solved_nobody_asks_how_soon() -> None:
    sweep = lab.Sweep(base=Config(env_id="Pendulum-v1"), axes=(lab.SweepAxis.of("gamma=0.9,1"),), seeds=1)
    view = lab.sweep(lab.start_sweep(sweep))
    assert sweep_news.measures(view) == ["final_return", "area_under_curve"]
    app = sweeps(sweep=view.id)
    assert not app.exception and not app.error


def test_settings_of_a_sampler_lie_between_the_values_of_its_range() -> None:
    axis = lab.SweepAxis.of("learning_rate=0.001:1:log:4")
    sweep = lab.Sweep(base=Config(), axes=(axis,), seeds=1, sampler="random", trials=2)
    assert sweep_news.axes_of(sweep)[0]["headings"] == ["0.001 to 0.01", "0.01 to 0.1", "0.1 to 1"]
    places = [sweep_news._place(sweep, axis, value) for value in (0.001, 0.0316227766, 0.1, 1.0)]
    assert [place for place, _ in places] == [0, 1, 2, 2]
    assert [at for _, at in places] == pytest.approx([0, 0.5, 2 / 3, 1])
    grid = lab.Sweep(base=Config(), axes=(axis,), seeds=1)
    assert [sweep_news._place(grid, axis, value) for value in axis.values] == [(0, 0), (1, 1 / 3), (2, 2 / 3), (3, 1)]


def test_all_that_is_told_is_json_without_markup_that_a_browser_would_read(folder: Path) -> None:
    sweep_id = trained()
    lab.label(Store(folder).runs(sweep_id=sweep_id)[0].id, name="<img src=x>", tags=[], note="", pinned=False)
    told = orjson.dumps(sweep_news.news(lab.sweep(sweep_id)))
    assert json.loads(told)["numbers"] == [0, 1, 2, 3]


def test_the_declaration_of_an_open_sweep_is_exported_and_read_again() -> None:
    sweep_id = trained()
    assert lab.Sweep.from_json(lab.export_sweep(sweep_id)) == SMALL
