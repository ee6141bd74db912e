"""Every statement has its text, its check and its place."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

from pg_core import proofs
from pg_core.proofs import PARAMETERS, STATEMENTS, sources, verdicts

ROOT = Path(__file__).parents[2]
TEXTS = ROOT / "assets" / "derivations"
SECTIONS = ["Setting", "Statement", "Proof", "In the code", "What goes wrong without it", "References", "Source text"]


def content(name: str) -> str:
    return (TEXTS / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_check_has_something_to_find_out_and_says_it_briefly(name):
    rows = proofs.run(name).comparisons
    assert any(not row.wrong for row in rows) and any(row.wrong for row in rows)
    assert len({row.claim for row in rows}) == len(rows)
    assert all(0 < len(row.claim) <= 90 and row.left for row in rows)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_check_takes_what_the_registry_says(name):
    check = importlib.import_module(f"pg_core.proofs.{name}").check
    signature = inspect.signature(check).parameters
    assert tuple(signature) == STATEMENTS[name]
    assert all(signature[key].default == PARAMETERS[key].default for key in signature)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_has_all_its_parts(name):
    text = content(name)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings in (SECTIONS, SECTIONS[:-1])
    assert re.match(r"# \S.*\n\n\S", text)
    steps = re.split(r"^\d+\. ", text.split("## Proof\n")[1].split("\n## ")[0], flags=re.MULTILINE)
    assert not steps[0].strip()
    assert len(steps) > 1
    for step in steps[1:]:
        assert step.strip().split("\n\n")[-1].strip().startswith("— "), step
    assert len(re.findall(r"^ *\$\$$", text, re.MULTILINE)) % 2 == 0
    assert all(len(line) <= 120 for line in text.splitlines())


@pytest.mark.parametrize("name", STATEMENTS)
def test_what_a_text_names_is_there(name):
    for dotted in re.findall(r"`(pg_core\.[\w.]+)(?:\[.+?\])?`", content(name)):
        module, found = dotted.split("."), None
        for cut in range(len(module), 0, -1):
            try:
                found = importlib.import_module(".".join(module[:cut]))
            except ModuleNotFoundError:
                continue
            break
        for attribute in module[cut:]:
            found = getattr(found, attribute, None) or found.__annotations__.get(attribute)
        assert found is not None, dotted


@pytest.mark.parametrize("name", STATEMENTS)
def test_links_lead_to_statements_and_each_rests_on_earlier_ones(name):
    text, order = content(name), list(STATEMENTS)
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= set(order)
    proof = text.split("## Proof\n")[1].split("\n## ")[0]
    assert all(order.index(link) < order.index(name) for link in re.findall(r"\]\(#(\w+)\)", proof))


def test_there_is_no_text_without_a_statement():
    assert {path.stem for path in TEXTS.glob("*.md")} == set(STATEMENTS)


def test_the_code_that_is_shown_is_the_code_that_runs():
    shown = sources.sources("reward_to_go")
    assert [source.name for source in shown][:2] == ["pg_core.proofs.reward_to_go", "pg_core.maths.discounts"]
    assert [source.name for source in shown][-2:] == ["pg_core.proofs.training", "pg_core.reinforce.update"]
    assert "pg_core.acting.softmax" not in [source.name for source in sources.sources("entropy")]  # it has its own
    for source in shown:
        assert source.code.strip() == inspect.getsource(pkgutil.resolve_name(source.name)).strip()


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("magic", {}, "`name` must be one of trajectory, "),
        ("returns", {"samples": 3}, "The check of returns takes gamma, horizon, states, seed, got 'samples'."),
        ("returns", {"gamma": 1.2}, r"`gamma` must be in \[0, 1\], got 1.2."),
        ("returns", {"gamma": float("nan")}, r"`gamma` must be in \[0, 1\], got nan."),
        ("returns", {"horizon": 2.0}, r"`horizon` must be a whole number in \[1, 4\], got 2.0."),
        ("returns", {"horizon": True}, r"`horizon` must be a whole number in \[1, 4\], got True."),
        ("returns", {"seed": "1"}, r"`seed` must be a whole number in .*, got '1'."),
    ],
)
def test_bad_input_gets_a_sentence(name, parameters, sentence):
    with pytest.raises(ValueError, match=sentence):
        proofs.run(name, **parameters)


def test_the_verdict_on_what_is_right_and_on_what_is_wrong():
    near, far = [1.0, 2.0 + 1e-12], [1.0, 2.1]
    assert verdicts.exact("equal", near, [1.0, 2.0]).passed
    assert not verdicts.exact("equal", far, [1.0, 2.0]).passed
    assert verdicts.exact("wrong", far, [1.0, 2.0], wrong=True).passed
    assert not verdicts.exact("wrong", near, [1.0, 2.0], wrong=True).passed
    assert not verdicts.exact("undefined", [0.0, float("nan")], [0.0, 0.0]).passed
    with pytest.raises(ValueError, match="broadcast"):
        verdicts.exact("a lost axis", 1.0, [1.0, 1.0])
    assert verdicts.exact("large numbers", 1e6 + 1e-6, 1e6).passed  # the bound is relative: 1e-10 · 10⁶ = 1e-4
    # Mean 2, standard deviation √2, standard error 1: up to 4 away from 2.
    assert verdicts.sampled("mean", [1.0, 3.0], 6.0).passed
    assert not verdicts.sampled("mean", [1.0, 3.0], 6.1).passed


def test_results_are_plain_data_without_nan():
    check = verdicts.Check((verdicts.exact("x", [float("nan")], 0.0),))
    data = check.to_json()
    assert data["passed"] is False
    assert data["comparisons"][0]["left"] == [None]
    assert data["comparisons"][0]["difference"] is None
    long = verdicts.Check((verdicts.exact("x", np.arange(50.0), np.arange(50.0)),)).to_json()["comparisons"][0]
    assert (long["left"], long["size"]) == (list(map(float, range(verdicts.MAX_NUMBERS))), 50)
