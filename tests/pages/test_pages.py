"""The pages as their scripts draw them: every control, every state, and what a person reads when something is wrong."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.widgets import bar, comparison
from pg_core import lab
from pg_core.config import HYPERPARAMETERS, Config
from pg_core.presets import PRESETS
from pg_core.runs.store import rows
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.records import REMOVED, Batch, Snapshot
from pg_core.runs.store.store import Store
from tests.updates import add_updates

MEANINGS = ("train", "pause", "resume")
ROOT = Path(__file__).parents[2]
NAVIGATION = str(ROOT / "pages" / "navigation.py")
OTHER = {  # for each hyperparameter a value that is not its default, as a link writes it
    "env_id": "CartPole-v0", "seed": "7", "num_agents": "2", "episodes_per_update": "7", "num_updates": "123",
    "stop_when_solved": "False", "pace": "30", "hidden_layers": "8, 8", "activation": "relu",
    "weights": "episode_return", "gamma": "0.25", "gamma_t": "True", "baseline": "value",
    "normalize_advantages": "False", "reduction": "episode", "ent_coef": "0.125", "optimizer": "sgd",
    "learning_rate": "0.00123", "momentum": "0.5", "max_grad_norm": "2.5", "engine": "gymnasium",
    "env_kwargs": '{"sutton_barto_reward": true}', "max_episode_steps": "70", "normalize_observations": "True",
    "reward_scale": "0.015",
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("folder")


def page(path: str = "train.py", **link: str) -> AppTest:
    app = AppTest.from_file(NAVIGATION, default_timeout=60)
    app.query_params.update(link)
    if path != "train.py":
        app.switch_page(path)
    return app.run()


def control(app: AppTest, name: str):
    return app.get_by_key(name)


def listed(app: AppTest) -> list[str]:
    """Return the names of the runs that the list was told to draw."""
    told = [drawn.proto for drawn in app.get("bidi_component") if "run_list" in drawn.proto.component_name]
    return [line["name"] for each in told for line in json.loads(each.bytes)["lines"]]


def sentence(app: AppTest) -> str:
    return " ".join(error.value.replace("\\", "") for error in app.error)


@pytest.mark.parametrize("path", ["train.py", "sweeps.py", "derivations.py", "runs.py"])
def test_every_page_launches(path: str) -> None:
    app = page(path)
    assert not app.exception and not app.error


def test_every_hyperparameter_has_a_control_with_its_help() -> None:
    app = page()
    for name, parameter in HYPERPARAMETERS.items():
        drawn = control(app, name)
        assert parameter.label in drawn.label
        assert parameter.help in drawn.help


def test_a_link_sets_every_control_and_is_written_again() -> None:
    assert set(OTHER) == set(HYPERPARAMETERS)
    app = page(**OTHER)
    assert not app.exception and not app.error
    expected = Config.from_strings(OTHER)
    for name, value in expected:
        assert value != HYPERPARAMETERS[name].default, name
        shown = OTHER[name] if isinstance(value, tuple | dict) else value
        assert control(app, name).value == shown, name
        assert app.query_params[name] in ([OTHER[name]], OTHER[name])


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ({"gamma": "1e9"}, "`gamma` must be in [0, 1], got 1000000000.0"),
        ({"learning_rate": "nan"}, "`learning_rate` must be in [1e-06, 1], got nan"),
        ({"gama": "1"}, "`gama` is not a hyperparameter; did you mean `gamma`?"),
        ({"env_id": "os:CartPole-v1"}, "must not name a module that the lab's owner has not allowed"),
        ({"env_id": "antigravity:X-v0"}, "must not name a module that the lab's owner has not allowed"),
        ({"env_kwargs": '{"ice": 1}'}, "`env_id` 'CartPole-v1' cannot be made here with"),
        ({"run": "![x](http://example.invalid/x.png)"}, "No run has the id"),
    ],
)
def test_a_link_with_nonsense_gets_a_sentence_and_the_default(link: dict[str, str], words: str) -> None:
    app = page(**link)
    assert not app.exception
    assert words in sentence(app)
    assert control(app, "gamma").value == HYPERPARAMETERS["gamma"].default
    assert "![x](" not in app.error[0].value


def test_a_link_names_an_environment_with_its_arguments_in_any_order() -> None:
    app = page(env_kwargs="is_slippery=false", env_id="FrozenLake-v1")
    assert not app.exception and not app.error
    assert control(app, "env_kwargs").value == '{"is_slippery": false}'
    app = page(sutton_barto_reward="True")  # of an earlier lab
    assert not app.error and control(app, "env_kwargs").value == '{"sutton_barto_reward": true}'


def test_the_owners_own_environment_is_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(env_id="tests.own.ten_environments:Ten/Corridor-v0", env_kwargs="start=2")
    assert not app.exception and not app.error
    app.button(key="train").click().run()
    [run] = lab.runs()
    assert (run.config.environment.observation_size, run.config.env_kwargs) == (8, {"start": 2})
    monkeypatch.delenv("PG_LAB_ENVIRONMENTS")
    rows._configs.cache_clear()  # as in a lab that was started anew
    app = page("runs.py")
    assert not app.exception and lab.runs() == []
    [left_out] = (caption.value for caption in app.caption if "kept and not shown" in caption.value)
    assert "1 run is" in left_out and "PG\\_LAB\\_ENVIRONMENTS" in left_out


def test_train_starts_a_run_with_what_the_controls_say() -> None:
    app = page(num_agents="2", gamma="0.5", pace="1")
    app.button(key="train").click().run()
    assert not app.exception and not app.error
    [run] = lab.runs()
    assert (run.config.num_agents, run.config.gamma, run.config.pace) == (2, 0.5, 1)
    assert app.session_state.run_id == run.id


def test_train_with_impossible_controls_says_why_and_starts_nothing() -> None:
    app = page(num_agents="512")
    control(app, "episodes_per_update").set_value(256).run()
    app.button(key="train").click().run()
    assert not app.exception
    assert "must be at most 1,073,741,824, got 512 × 256" in sentence(app)
    assert lab.runs() == []


@pytest.fixture
def queued(folder: Path) -> str:
    """An active run."""
    return Store(folder).create(Config(num_agents=2), "waiting")


def test_a_live_control_changes_the_open_run_and_a_fixed_one_does_not(queued: str) -> None:
    app = page(run=queued)
    control(app, "learning_rate").set_value(0.003).run()
    control(app, "seed").set_value(9).run()
    assert not app.exception and not app.error
    assert lab.run(queued).current == Config(num_agents=2, learning_rate=0.003)


def test_a_preset_sets_the_controls_and_changes_the_open_run_where_it_may(queued: str) -> None:
    app = page(run=queued)
    app.get_by_key("preset").set_value("plain").run()
    assert not app.exception and not app.error
    for name, value in PRESETS["plain"].values.items():
        assert control(app, name).value == value
        live = HYPERPARAMETERS[name].live
        assert getattr(lab.run(queued).current, name) == (value if live else HYPERPARAMETERS[name].default)


def test_a_value_network_cannot_come_into_an_open_run(queued: str) -> None:
    app = page(run=queued)
    control(app, "baseline").set_value("value").run()
    assert not app.error
    assert "For the next run\\: Baseline\\." in [caption.value for caption in app.caption]
    assert lab.run(queued).current.baseline == HYPERPARAMETERS["baseline"].default


def test_the_runs_page_lists_every_run(folder: Path) -> None:
    for name in ("first", "second"):
        Store(folder).create(Config(), name)
    assert listed(page("runs.py")) == ["second", "first"]


def test_the_runs_page_finds_runs(folder: Path) -> None:
    store = Store(folder)
    first, second = (store.create(Config(num_agents=n), f"run {n}") for n in (1, 2))
    other = store.create(Config(env_id="Acrobot-v1"), "swing")
    for run_id, state in ((first, "solved"), (second, "failed"), (other, "stopped")):
        store.transition(run_id, ["queued"], state=state)
    lab.label(first, note="The one with the *bug*", tags=["slow"], pinned=True)

    app = page("runs.py")

    def names(search: str = "", **filters: list[str]) -> list[str]:
        app.text_input(key="search").set_value(search)
        for key in ("state", "environment", "tag"):
            app.multiselect(key=key).set_value(filters.get(key, []))
        app.run()
        assert not app.exception
        return listed(app)

    assert names() == ["run 1", "swing", "run 2"]
    assert names(search="BUG") == ["run 1"]
    assert names(search=other[:12]) == ["swing"]
    assert names(state=["failed"]) == ["run 2"]
    assert names(environment=["Acrobot-v1"], state=["stopped"]) == ["swing"]
    assert names(tag=["slow"]) == ["run 1"]
    assert names(search="no such run") == []
    assert names(search="num_agents=2") == ["run 2"]
    assert names(search="num_agents=512 gama=1") == ["run 1", "swing", "run 2"]  # and a sentence
    lab.delete(second)
    assert names() == ["run 1", "swing"]
    assert names(state=["deleted"]) == ["run 2"]


def test_the_runs_page_is_sorted_and_written_into_its_link(folder: Path) -> None:
    store = Store(folder)
    ids = {name: store.create(Config(), name) for name in ("b", "a", "c")}
    for name, mean_return in (("a", 20.0), ("b", None), ("c", 10.0)):
        store.transition(ids[name], ["queued"], state="stopped", mean_return=mean_return)
    link = {"search": "gamma=1", "sort": "return", "state": ["stopped"], "selected": [ids["c"], ids["b"]]}
    app = AppTest.from_file(NAVIGATION, default_timeout=60)
    app.query_params.update(link)
    app.switch_page("runs.py").run()
    assert not app.exception and not app.error
    assert listed(app) == ["a", "c", "b"]
    written = {name: app.query_params[name] for name in link}
    assert written == {"search": "gamma=1", "sort": "return", "state": "stopped", "selected": [ids["c"], ids["b"]]}


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝"])
def test_no_name_or_tag_is_a_formula_where_a_table_is_downloaded(folder: Path, sign: str) -> None:
    ids = [lab.start(Config(num_agents=1, seed=seed), f'{sign}HYPERLINK("evil")') for seed in (0, 1)]
    lab.label(ids[0], tags=[f"{sign}1+1", "a=b"])
    Store(folder).transition(ids[0], ["queued"], state="stopped")
    add_updates(Store(folder), ids[0], lab.run(ids[0]).config, 0, 2)
    file = io.BytesIO()
    lab.export_tidy(ids, "agents-csv", file)
    rows = list(csv.DictReader(io.StringIO(file.getvalue().decode())))
    assert [row["name"] for row in rows] == [f'\'{sign}HYPERLINK("evil")'] * 2
    assert [row["tags"] for row in rows] == [f"'{sign}1+1, a=b", ""]
    groups = lab.groups([lab.run(ids[0])])  # told by its name, as there is no other
    table = comparison.numbers(groups, lab.courses(groups, "mean_return", "episodes"), "episodes")
    assert {row["line"] for row in table} == {f'\'{sign}HYPERLINK("evil")'}


def test_a_forked_run_names_its_parent_as_it_is_called_now(folder: Path) -> None:
    store = Store(folder)
    parent = store.create(Config(), "parent", "me")
    store.commit(parent, "me", Batch([], {}, {}, [Snapshot(0, {"kernel_0": np.zeros(1)}, {"update": np.int64(0)})]))
    store.transition(parent, ["starting"], state="stopped", process=None)
    child = lab.fork(parent, resumed=False)
    assert lab.run(child).state == "stopped"
    lab.label(parent, name="*renamed*")
    lab.delete(parent)
    assert "Forked after 0 updates of *renamed*." in [text.value for text in page(run=child).text]
    assert lab.name_of("0" * 32) == "a run that is gone (00000000)"


def test_controls_follow_what_another_tab_changes(queued: str) -> None:
    app = page(run=queued)
    control(app, "ent_coef").set_value(0.5).run()
    control(app, "seed").set_value(9).run()  # for the next run
    lab.change(queued, learning_rate=0.003, gamma=0.5)
    app.run()
    at = {name: control(app, name).value for name in ("learning_rate", "gamma", "ent_coef", "seed")}
    assert at == {"learning_rate": 0.003, "gamma": 0.5, "ent_coef": 0.5, "seed": 9}
    assert lab.run(queued).current == Config(num_agents=2, ent_coef=0.5, learning_rate=0.003, gamma=0.5)


def test_a_control_that_is_moved_as_the_run_ends_is_for_the_next_run(queued: str, folder: Path, monkeypatch) -> None:
    change = lab.change

    def too_late(run_id: str, **values: object) -> None:
        Store(folder).transition(run_id, ["queued"], state="solved")
        change(run_id, **values)

    app = page(run=queued)
    monkeypatch.setattr(lab, "change", too_late)
    control(app, "gamma").set_value(0.5).run()
    assert not app.error
    assert r"For the next run\: Discount factor\." in [text.value for text in app.caption]
    assert control(app, "gamma").value == 0.5
    assert lab.run(queued).current.gamma == Config().gamma


@pytest.mark.parametrize(
    ("state", "target", "buttons"),
    [
        ("running", "run", {"pause": True, "step": False, "stop": True, "anew": True}),
        ("running", "pause", {"resume": True, "step": True, "stop": True, "anew": True}),
        ("paused", "pause", {"resume": True, "step": True, "stop": True, "anew": True}),
        ("running", "stop", {"pause": False, "step": False, "stop": False, "anew": True}),
        ("stopped", "stop", {"resume": True, "step": True, "stop": False, "anew": True}),
        ("interrupted", "run", {"resume": True, "step": True, "stop": False, "anew": True}),
        ("solved", "run", {"train": True, "step": False, "stop": False, "anew": False}),
        ("failed", "run", {"train": True, "step": False, "stop": False, "anew": False}),
    ],
)
def test_each_button_means_one_command_and_is_there_where_it_can_be_obeyed(
    queued: str, folder: Path, state: str, target: str, buttons: dict[str, bool]
) -> None:
    Store(folder).transition(queued, ["queued"], state=state, target=target, process=process_name())
    app = page(run=queued)
    drawn = {button.key: not button.disabled for button in app.button if button.key in (*buttons, *MEANINGS)}
    assert drawn == buttons


def test_a_start_that_comes_twice_is_one_run(folder: Path) -> None:
    app = page()
    first = app.session_state.next_run
    app.button(key="train").click().run()
    [run] = lab.runs()
    assert run.id == first == app.session_state.run_id
    assert app.session_state.next_run != first
    assert lab.start(Config(), run_id=first) == first  # as the press that was drawn says it, however often
    assert len(lab.runs()) == 1


def test_plain_against_best_shows_the_settings_of_the_one_that_is_open(folder: Path) -> None:
    app = page(learning_rate="0.1", gamma="0.5")
    app.button(key="plain_and_best").click().run()
    assert not app.exception and not app.error
    best, plain = lab.run(app.session_state.run_id), lab.run(app.session_state.beside[0])
    assert (best.config.learning_rate, plain.config.learning_rate) == (0.025, 0.003)
    assert control(app, "learning_rate").value == 0.025 and control(app, "gamma").value == 1


def test_a_step_says_until_when(queued: str, folder: Path) -> None:
    Store(folder).transition(queued, ["queued"], state="paused", target="pause", updates=7, process=process_name())
    page(run=queued).button(key="step").click().run()
    assert Store(folder).orders(queued, after=0).until == 8


def test_of_presses_that_wait_together_the_newest_counts(queued: str, folder: Path) -> None:
    store = Store(folder)
    store.transition(queued, ["queued"], state="paused", target="pause", updates=7, process=process_name())
    app = page(run=queued)
    app.button(key="step").click()
    app.button(key="resume").click()
    app.run()  # as Streamlit brings the older one behind the newer: Resume, then One update
    assert (store.run(queued).target, store.orders(queued, after=0).until) == ("run", 0)
    app.button(key="pause").click().run()
    assert store.run(queued).target == "pause", "the next press counts"


def test_a_press_is_of_the_run_that_it_was_drawn_for(
    queued: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(folder)
    store.transition(queued, ["queued"], state="running", process=process_name())
    other = store.create(Config(), process=process_name())
    session = type("Session", (dict,), {"__setattr__": dict.__setitem__})
    monkeypatch.setattr(bar.st, "session_state", session(run_id=other))  # as after a newer press of Train anew
    bar._order(lab.run(queued), lab.stop)
    assert (store.run(queued).target, store.run(other).target) == ("stop", "run")


def test_a_preset_says_for_which_environment_it_was_tuned(folder: Path) -> None:
    assert any("Tuned for CartPole-v1." in caption.value for caption in page().caption)
    app = page(env_id="Acrobot-v1")
    [why] = [caption.value for caption in app.caption if "Tuned for" in caption.value]
    assert why.replace("\\", "").endswith("Tuned for CartPole-v1, not for Acrobot-v1: there it is only a start.")


def test_ghosts_are_in_the_link_and_at_most_three(folder: Path) -> None:
    ids = [Store(folder).create(Config(), f"run {n}") for n in range(4)]
    app = AppTest.from_file(NAVIGATION, default_timeout=60)
    app.query_params.update({"beside": ids[:3]})
    app.run()
    assert not app.exception and app.session_state.beside == ids[:3]
    Store(folder).transition(ids[3], ["queued"], state="finished", updates=1)
    app = page(run=ids[3], beside=ids[0])
    app.button(key="ghost").click().run()
    assert app.query_params["beside"] == [ids[0], ids[3]]
    app.button(key="clear").click().run()
    assert "beside" not in app.query_params
    assert "No run has the id" in sentence(page(beside="nothing"))


def test_no_page_imports_tensorflow(folder: Path) -> None:
    script = f"""
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({NAVIGATION!r}, default_timeout=60).run()
for path in ("derivations.py", "runs.py", "train.py"):
    assert not app.switch_page(path).run().exception
print([name for name in ("tensorflow", "sqlalchemy") if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout == "['sqlalchemy']\n", result.stderr


def test_the_doctor_is_asked_on_the_page_and_what_it_finds_is_kept() -> None:
    app = page(env_id="Acrobot-v1")
    assert "Nobody has examined Acrobot" in " ".join(caption.value for caption in app.caption)
    control(app, "examine").click().run()
    while lab.examination(Config(env_id="Acrobot-v1"))[1]:
        pass
    for drawn in (app.run(), page(env_id="Acrobot-v1")):
        findings = [text.value for text in drawn.markdown if "material/check" in text.value]
        assert any("3 episodes of" in text for text in findings)
        assert control(drawn, "examine").label == "Examine"
    report, _ = lab.examination(Config(env_id="Pendulum-v1"))
    assert report is None


def test_what_cannot_be_restored_any_more_is_told_once(folder: Path) -> None:
    run_id = lab.start(Config(num_agents=1))
    Store(folder).transition(run_id, ["queued"], state="stopped")
    app = AppTest.from_file(NAVIGATION, default_timeout=60)
    app.query_params["selected"] = run_id
    app.switch_page("runs.py").run()
    next(button for button in app.button if button.label == "Delete").click().run()
    Store(folder).transition(run_id, ["stopped"], deleted_at=REMOVED)
    next(button for button in app.button if button.label == "Undo").click().run()
    assert f"No run has the id '{run_id}'; it may have been deleted" in sentence(app)
    app.run()
    assert not app.error and "Undo" not in [button.label for button in app.button]


def test_an_open_run_that_is_gone_is_left(folder: Path) -> None:
    run_id = lab.start(Config(num_agents=1, seed=7))
    Store(folder).transition(run_id, ["queued"], state="stopped")
    app = page(run=run_id)
    assert not app.error and control(app, "resume")
    Store(folder).transition(run_id, ["stopped"], deleted_at=REMOVED)
    app.run()
    assert not app.exception and f"No run has the id '{run_id}'" in sentence(app)
    assert control(app, "train") and control(app, "seed").value == 7
