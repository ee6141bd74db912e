"""Every statement has its text, its check and its place."""

import importlib
import inspect
import json
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

from pg_core import proofs
from pg_core.proofs import PARAMETERS, STATEMENTS, sources, verdicts

ROOT = Path(__file__).parents[2]
TEXTS = ROOT / "assets" / "derivations"
NOTATION = (ROOT / "assets" / "notation.md").read_text(encoding="utf-8")
SYMBOLS = re.findall(r"^\| \$(.+?)\$ \| .+? \| \[(\w+)\]\(#\2\) \|", NOTATION, re.MULTILINE)
OTHER_NOTATION = {  # what one must not find, and what stands for it
    r"\\mathbf\{1\}": "e_a, the unit vector of an action",
    r"(?<![A-Za-z\\])S_[tk{]": "\\psi_t, or \\nabla_\\theta \\log \\pi_\\theta(a_t \\mid s_t): a score",
    r"\\hat\{[gA]\}": "\\hat g, \\hat A",
    r"\\sigma'?\(": "\\operatorname{sigmoid}(z)",
    r"\^\{\(i\)\}": "the index i of an episode below: G_{0,i}",
    r"P\(\\tau \\mid": "P_\\theta(\\tau)",
    r"\\pi\(a_t": "\\pi_\\theta(a_t \\mid s_t)",
    r"\\log A\b|\\times A\}": "|\\mathcal{A}|, the number of actions",
    r"H_\\theta|H\(\\pi": "\\mathcal{H}",
    r"\|\|": "\\,\\|\\,",
}
SECTIONS = ["Setting", "Statement", "Proof", "In the code", "What goes wrong without it", "References"]
OPTIONAL = {"For the careful": "Proof", "Source text": "References"}  # and after what they stand
MEASURE_THEORY = ("dominated", "Fubini", "almost every", "almost surely", "Rademacher", "Weierstrass", "null set")


def content(name: str) -> str:
    return (TEXTS / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_check_has_something_to_find_out_and_says_it_briefly_as_plain_data(name):
    check = proofs.run(name)
    rows = check.comparisons
    assert json.loads(json.dumps(check.to_json()))["passed"]
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
    assert [heading for heading in headings if heading not in OPTIONAL] == SECTIONS
    assert all(headings[headings.index(extra) - 1] == before for extra, before in OPTIONAL.items() if extra in headings)
    assert re.match(r"# \S.*\n\n\S", text)
    steps = re.split(r"^\d+\. ", text.split("## Proof\n")[1].split("\n## ")[0], flags=re.MULTILINE)
    assert not steps[0].strip()
    assert len(steps) > 1
    for step in steps[1:]:
        assert step.strip().split("\n\n")[-1].strip().startswith("— "), step
    assert text.split("\n## ")[3].rstrip().endswith("∎")
    assert len(re.findall(r"^ *\$\$$", text, re.MULTILINE)) % 2 == 0
    assert all(len(line) <= 120 for line in text.splitlines())


@pytest.mark.parametrize("name", STATEMENTS)
def test_measure_theory_is_for_the_careful(name):
    plain = re.sub(r"## For the careful\n.*?\n## ", "## ", content(name).split("## References\n")[0], flags=re.DOTALL)
    assert not [word for word in MEASURE_THEORY if word in plain]


@pytest.mark.parametrize("name", [*STATEMENTS, "../notation"])
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


def formulas(name: str, until: str) -> list[str]:
    """Return all formulas of a text up to a heading, without what is for the careful."""
    text = content(name).split(f"\n## {until}\n")[0]
    text = re.sub(r"## For the careful\n.*?(?=\n## |\Z)", "", text, flags=re.DOTALL)
    return re.findall(r"\$\$.*?\$\$|\$.*?\$", text, re.DOTALL)


def occurs(symbol: str, formula: str) -> bool:
    """Whether a symbol stands in a formula by itself: T, but not the T of `T_i` or of `\\mathcal{T}`."""
    formula = re.sub(r"\\(mathcal|mathrm|operatorname)\{(\w)\}", r"\\\1-\2", formula)
    before, after = r"(?<![A-Za-z\\-])" if symbol[0].isalpha() else "", r"(?![A-Za-z])" if symbol[-1].isalnum() else ""
    symbol = re.sub(r"\\mathcal\{(\w)\}", r"\\mathcal-\1", symbol)
    return re.search(before + re.escape(symbol) + after, formula) is not None


@pytest.mark.parametrize(("symbol", "first"), SYMBOLS)
def test_a_symbol_is_first_met_where_the_notation_says(symbol, first):
    names = [name for name in STATEMENTS if name != "cart_pole"]  # whose letters are those of mechanics
    used = [name for name in names if any(occurs(symbol, text) for text in formulas(name, "In the code"))]
    assert used[:1] == [first]


def test_the_notation_is_read_as_a_whole():
    assert len(SYMBOLS) == NOTATION.count("\n| $") > 40
    assert len({symbol for symbol, _ in SYMBOLS}) == len(SYMBOLS)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_text_writes_every_symbol_as_all_others_do(name):
    found = {
        other: right
        for other, right in OTHER_NOTATION.items()
        if re.search(other, "\n".join(formulas(name, "Source text")))
    }
    assert not found


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_score_is_called_a_score_and_episodes_are_counted_by_b(name):
    text = content(name).split("## References")[0]
    text = text.removeprefix("# Score function or reparameterisation\n")  # as the field calls the two methods
    assert not re.findall(r"(?i)score function|eligibilit|grad-log|log-gradient|log-likelihood gradient", text)
    assert not re.findall(r"\$(?!B\$)[A-Z]\$ (?:independent )?episodes", text) or name == "variance"  # of samples, N


def test_there_is_no_text_without_a_statement():
    assert {path.stem for path in TEXTS.glob("*.md")} == set(STATEMENTS)


def test_the_code_that_is_shown_is_the_code_that_runs():
    shown = sources.sources("reward_to_go")
    assert [source.name for source in shown][:2] == ["pg_core.proofs.reward_to_go", "pg_core.maths.discounts"]
    assert [source.name for source in shown][-2:] == ["pg_core.proofs.training", "pg_core.learning.reinforce.update"]
    # Entropy has its own softmax.
    assert "pg_core.policies.in_numpy.softmax" not in [source.name for source in sources.sources("entropy")]
    for source in shown:
        assert source.code.strip() == inspect.getsource(pkgutil.resolve_name(source.name)).strip()


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("magic", {}, "`name` must be one of problem, "),
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


@pytest.mark.parametrize("name", [name for name in STATEMENTS if "gamma" in STATEMENTS[name]])
def test_no_verdict_changes_where_gamma_is_next_to_0_or_1(name):
    least = {"samples": 1000} if "samples" in STATEMENTS[name] else {}
    for gamma in (0.0, 1e-300, 1e-12, 1e-11, 1e-9, 1 - 1e-9, 1 - 1e-11, 1 - 1e-12, 1.0):
        assert not [row.claim for row in proofs.run(name, gamma=gamma, **least).comparisons if not row.passed], gamma


@pytest.mark.parametrize(
    ("factor", "apart", "wrong", "passed"),
    [
        (0.0, 1e-12, False, True),  # the equation holds there
        (0.0, 1e-9, False, False),
        (1e-12, 1e-12, False, True),  # too near to it to be told
        (1e-9, 1e-9, True, True),  # just told
        (1e-9, 1e-5, False, False),  # much more than the factor says: something else is wrong
        (1e-9, float("nan"), False, False),
        (1e-3, 1e-3, True, True),
        (1e-3, 1e-12, True, False),  # nothing was found, where something must be
    ],
)
def test_a_mistake_that_vanishes_is_told_while_it_can_be(factor, apart, wrong, passed):
    row = verdicts.exact("a mistake by about γ", 1.0 + apart, 1.0, wrong=factor)
    assert (row.wrong, row.passed) == (wrong, passed)


def test_results_are_plain_data_without_nan():
    check = verdicts.Check((verdicts.exact("x", [float("nan")], 0.0),))
    data = check.to_json()
    assert data["passed"] is False
    assert data["comparisons"][0]["left"] == [None]
    assert data["comparisons"][0]["difference"] is None
    long = verdicts.Check((verdicts.exact("x", np.arange(50.0), np.arange(50.0)),)).to_json()["comparisons"][0]
    assert (long["left"], long["size"]) == (list(map(float, range(verdicts.MAX_NUMBERS))), 50)
