"""The page of derivations: every statement, its check with controls, and what the check said."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.widgets import contents, statement
from pages.widgets.trials import TRIALS
from pg_core import lab
from pg_core.config import HYPERPARAMETERS
from pg_core.proofs import FIRST_EVENING, GROUPS, PARAMETERS, STATEMENTS

ROOT = Path(__file__).parents[2]
RIGHT = {"claim": "1 = 1", "left": [1.0], "right": [1.0], "bound": 1e-10, "wrong": False, "variance": 0.5,
         "size": 1, "difference": 0.0, "agrees": True, "passed": True}  # fmt: skip
FOUND_OUT = RIGHT | {"claim": "1 = 2", "right": [2.0], "wrong": True, "difference": 1.0, "agrees": False}
BARS = {"title": "Bars", "x_title": "x", "y_title": "y", "kind": "bars", "log": True,
        "series": [{"name": "a", "x": ["one"], "y": [1.0]}]}  # fmt: skip


@pytest.fixture
def answers(monkeypatch) -> dict[str, tuple[lab.Answer | None, bool]]:
    """What the lab has to say of a statement's check; and no process is started for it."""
    given: dict[str, tuple[lab.Answer | None, bool]] = {}
    monkeypatch.setattr(lab, "prepare_checks", lambda: None)
    monkeypatch.setattr(lab, "ask_check", lambda name, **_: given.update({name: (None, True)}))
    monkeypatch.setattr(lab, "checked", lambda name, **_: given.get(name, (None, False)))
    return given


def view(name: str | None = None) -> AppTest:
    page = AppTest.from_file(ROOT / "pages" / "navigation.py", default_timeout=60).switch_page("derivations.py")
    if name:
        page.query_params["statement"] = name
    page.run()
    assert not page.exception
    return page


def answer(*rows: dict, **more) -> tuple[lab.Answer, bool]:
    check = {"comparisons": list(rows), "pictures": [], "formulas": [], "passed": all(row["passed"] for row in rows)}
    return lab.Answer(check | more, None), False


def texts(page: AppTest) -> list[str]:
    return [element.value for element in page.markdown]


def test_every_statement_is_in_one_group_and_some_are_for_a_first_evening():
    grouped = [name for names in GROUPS.values() for name in names]
    assert grouped == list(STATEMENTS)  # a number is a place, so numbers ascend
    assert len(set(FIRST_EVENING)) == len(FIRST_EVENING) == 7 and set(FIRST_EVENING) <= set(STATEMENTS)


def test_without_a_statement_all_are_listed_with_the_symbols(answers):
    page = view()
    shown = "\n".join(texts(page))
    for name in STATEMENTS:
        assert f"](derivations?statement={name})" in shown
    for parameter in HYPERPARAMETERS.values():
        assert not parameter.symbol or f"| `{parameter.name}` |" in shown
    assert not answers  # nothing is computed that nobody looks at


def test_a_name_that_is_none_gets_a_sentence_and_all_statements(answers):
    page = view("magic_[x](y)")
    assert page.warning[0].value.startswith("There is no statement")
    assert page.title[0].value == "Derivations"


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_view_has_all_of_its_statement_and_nothing_of_another(name, answers):
    page = view(name)
    text = statement.text_of(name)
    assert [header.value for header in page.header] == [f"{statement.number(name)}. {text.title}"]
    shown = "\n".join([*texts(page), *(info.value for info in page.info)])
    for heading, body in text.sections.items():
        if heading != "Proof":
            assert statement.linked(body) in shown, heading
    for step in text.steps:
        assert statement.linked(step).strip() in shown
    assert "](#" not in shown
    for key in STATEMENTS[name]:
        control = page.number_input(key=f"{name}.{key}")
        assert (control.min, control.max, control.value) == (
            PARAMETERS[key].low, PARAMETERS[key].high, PARAMETERS[key].default
        )  # fmt: skip
    assert list(answers) == [name]  # asked for on arrival
    assert page.session_state.read == [name]


def test_the_map_follows_the_proofs(answers):
    edges = contents.map_of_all()
    for name in STATEMENTS:
        for used in statement.text_of(name).rests_on:
            assert f'"{statement.number(used)}" -> "{statement.number(name)}"' in edges


def test_what_a_check_gave_is_shown(answers):
    answers["returns"] = answer(RIGHT, FOUND_OUT, pictures=[BARS], formulas=[r"x^2"])
    page = view("returns")
    assert page.success[0].value == "1 equation holds, 1 wrong found out."
    [table] = page.dataframe
    assert list(table.value["verdict"]) == ["✓ holds", "≠ found out"]
    assert list(table.value["difference"]) == ["rounding", "1"]
    assert page.latex[0].value.strip("$ \n") == "x^2"


def test_a_reader_judges_before_the_verdict_is_shown(answers):
    answers["returns"] = answer(RIGHT, FOUND_OUT)
    page = view("returns")
    assert not any("it is wrong" in text for text in texts(page))
    page.button_group[0].set_value("right").run()
    assert "No, it is wrong: the sides differ by 1." in texts(page)


def test_what_came_out_before_stays_while_new_values_are_computed(answers, monkeypatch):
    answers["returns"] = answer(RIGHT, FOUND_OUT, formulas=[r"x^2"])
    page = view("returns")
    answers["returns"] = None, False  # as if nothing was known of the new values
    page.number_input(key="returns.seed").set_value(1).run()
    assert answers["returns"] == (None, True)
    assert page.latex[0].value.strip("$ \n") == "x^2"
    assert "Computing with these values; below, what came out before." in [text.value for text in page.caption]


def test_a_wrong_verdict_and_an_error_are_told(answers):
    answers["reinforce"] = answer(RIGHT | {"passed": False, "agrees": False})
    answers["objective"] = lab.Answer(None, "The process ended, _sorry_."), False
    assert view("reinforce").error[0].value == "A verdict is wrong: see the comparisons."
    assert view("objective").error[0].value == r"The process ended\, \_sorry\_\."


def test_the_running_example_follows_its_slider(answers):
    page = view("baselines")
    assert any(text.startswith("J = 2.1875 and dJ/dz = 0.09375.") for text in texts(page))
    page.slider(key="stay").set_value(0.5).run()
    assert any(text.startswith("J = 2.2500 and dJ/dz = 0.00000.") for text in texts(page))


@pytest.mark.parametrize("name", [*TRIALS, "trajectory"])
def test_a_statement_that_can_be_felt_has_a_button(name, answers):
    page = view(name)
    assert [button.disabled for button in page.button] == ([False] if name in TRIALS else [])
    assert name not in TRIALS or f"**Try it.** {TRIALS[name].says}" in texts(page)


def test_a_trial_starts_both_runs_and_opens_the_first_on_the_train_page(answers, folder):
    name = "variance"
    answers[name] = answer(RIGHT)
    page = view(name)
    page.button(key="try").click().run()
    assert not page.exception and not page.error
    (first, opened), (second, behind) = TRIALS[name].runs
    assert {run.name: run.config for run in lab.runs()} == {first: opened, second: behind}
    shown, [beside] = lab.run(page.session_state.run_id), page.session_state.beside
    assert (shown.name, lab.run(beside).name) == (first, second)
    assert page.session_state.view == list(TRIALS[name].panels)
    assert not page.button  # nothing is left but the way, which a browser takes
    page.switch_page("train.py").run()
    assert page.selectbox(key="baseline").value == "none"  # the Train page, with the settings of that run


def test_a_trial_stops_the_run_that_was_open(answers, folder):
    answers["baselines"] = answer(RIGHT)
    page = view("baselines")
    page.button(key="try").click().run()
    before = page.session_state.run_id
    page.switch_page("train.py").run()
    page.switch_page("derivations.py")
    page.query_params["statement"] = "baselines"
    page.run().button(key="try").click().run()
    assert len(lab.runs()) == 4 and page.session_state.run_id != before
    assert lab.run(before).state == "stopped" or lab.run(before).target == "stop"


def test_a_trial_that_is_refused_says_why_beside_its_button(answers, folder, monkeypatch):
    monkeypatch.setenv("PG_LAB_MAX_QUEUE", "0")
    answers["baselines"] = answer(RIGHT)
    page = view("baselines")
    page.button(key="try").click().run()
    [error] = page.error
    assert error.value.replace("\\", "").startswith("0 runs wait in the queue")
    assert page.header[0].value.endswith("Baselines") and not lab.runs()
    assert not page.run().error


def test_the_running_example_shows_nothing_that_is_explained_later(answers):
    columns = {name: list(view(name).table[0].value.columns) for name in ("trajectory", "objective", "baselines")}
    assert columns["trajectory"] == ["τ", "P(τ)"] and columns["objective"] == ["τ", "P(τ)", "returns"]
    assert columns["baselines"][-2:] == ["Σ Gₜ · score", "Σ (Gₜ - V) · score"]
    assert not any("J =" in text for text in texts(view("trajectory")))


def test_on_a_first_evening_each_of_the_seven_leads_to_the_next(answers):
    path = [f"[{statement.text_of(name).title}](derivations?statement={name})" for name in FIRST_EVENING]
    assert f"**For a first evening:** {' → '.join(path)}." in texts(view())
    page = view("trajectory")
    page.toggle(key="first_evening").set_value(True).run()
    links = [link.proto.label for link in page.main.get("page_link")]
    assert links[-1] == f"{statement.number('objective')}. {statement.text_of('objective').title}"
