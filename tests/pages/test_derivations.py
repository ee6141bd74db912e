"""The page of derivations: every statement, its check with controls, and what the check said."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.widgets import proof
from pg_core import lab
from pg_core.config import HYPERPARAMETERS
from pg_core.proofs import PARAMETERS, STATEMENTS

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


@pytest.fixture
def page(answers) -> AppTest:
    page = AppTest.from_file(ROOT / "pages" / "derivations.py", default_timeout=60).run()
    assert not page.exception
    return page


def answer(*rows: dict, **more) -> tuple[lab.Answer, bool]:
    check = {"comparisons": list(rows), "pictures": [], "formulas": [], "passed": all(row["passed"] for row in rows)}
    return lab.Answer(check | more, None), False


def test_contents_statements_and_symbols(page):
    texts = [element.value for element in page.markdown]
    contents = dict(re.findall(r"\[(.+?)\]\(#(.+?)\)", texts[1]))
    assert list(contents.values()) == list(STATEMENTS)
    assert {header.value: header.anchor for header in page.header if header.anchor != "symbols"} == contents
    for name in STATEMENTS:
        for heading, body in proof.text_of(name).sections.items():
            assert any(body in text for text in [*texts, *(info.value for info in page.info)]), heading
    for parameter in HYPERPARAMETERS.values():
        assert not parameter.symbol or any(f"| `{parameter.name}` |" in text for text in texts)


def test_every_check_has_its_controls_and_button(page):
    for name, keys in STATEMENTS.items():
        assert page.button(key=f"run-{name}").label == "Run the check"
        for key in keys:
            control = page.number_input(key=f"{name}.{key}")
            assert (control.min, control.max, control.value) == (
                PARAMETERS[key].low, PARAMETERS[key].high, PARAMETERS[key].default
            )  # fmt: skip


def test_run_all_asks_for_every_check(page, answers):
    page.button[0].click().run()
    assert list(answers) == list(STATEMENTS)
    assert all(page.button(key=f"run-{name}").disabled for name in STATEMENTS)


def test_what_a_check_gave_is_shown(page, answers):
    answers["returns"] = answer(RIGHT, FOUND_OUT, pictures=[BARS], formulas=[r"x^2"])
    answers["reinforce"] = answer(RIGHT | {"passed": False, "agrees": False})
    answers["objective"] = lab.Answer(None, "The process ended, _sorry_."), False
    page.run()
    assert not page.exception
    assert page.success[0].value == "1 equation holds, 1 wrong found out."
    assert [list(table.value["verdict"]) for table in page.dataframe] == [["✓ holds", "✓ found out"], ["✗ WRONG"]]
    assert page.latex[0].value.strip("$ \n") == "x^2"
    assert [error.value for error in page.error] == [
        r"The process ended\, \_sorry\_\.",
        "A verdict is wrong: see the table.",
    ]
    texts = [element.value for element in page.markdown]
    assert texts[1].count("✓ right") == 1
    assert texts[1].count("✗ WRONG") == 2
