"""A policy over states: which arrow, how strong, which bars and which numbers; where an episode is."""

from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from pg_core.runs.paths import ROOT
from tests.e2e.stage.conftest import Json

# π of left, down, right, up in the states of a grid of two by two.
CHANCES = np.array([[0.1, 0.1, 0.7, 0.1], [0.25, 0.26, 0.25, 0.24], [0.02, 0.02, 0.02, 0.94], [0.4, 0.3, 0.2, 0.1]])
VALUES = np.array([[0.5], [1.0], [0.0], [-1.0]])
GRID = ["SF", "FG"]


@pytest.fixture(scope="module")
def page(bare: Page) -> Page:
    bare.evaluate(
        """async () => {
            const names = ["state_map", "network"]
            Object.assign(lab, ...await Promise.all(names.map((name) => import(`./instrument/${name}.js`))))
        }"""
    )
    bare.add_style_tag(path=ROOT / "assets/instrument/state_map.css")
    return bare


def tabular(outputs: np.ndarray[Any, Any]) -> Json:
    """Return a network whose outputs at state s are row s."""
    return {"activation": "tanh", "kernel_0": outputs.tolist(), "bias_0": [[0] * outputs.shape[1]]}


def begin(page: Page, grid: list[str], actions: list[str] | None = None) -> None:
    page.evaluate(
        """(told) => {
            document.body.innerHTML = "<main id='map' style='width: 300px'></main>"
            document.body.className = "light"
            lab.map = lab.createStateMap(document.querySelector("#map"), told)
        }""",
        {"states": 4, "grid": grid, "action_size": 4, "actions": actions},
    )


def show(
    page: Page,
    states: tuple[int, ...] = (0, 1),
    at: int = 0,
    values: bool = False,
    chances: np.ndarray[Any, Any] = CHANCES,
) -> None:
    page.evaluate(
        """([policy, value, path, at]) => {
            lab.map.show({ policy: lab.createNetwork(policy), value: value && lab.createNetwork(value), path, at })
        }""",
        [tabular(np.log(chances)), tabular(VALUES) if values else None, np.eye(4, dtype=int)[[*states]].tolist(), at],
    )


def test_on_a_grid_an_arrow_is_the_most_probable_action_the_stronger_the_more_probable(page: Page) -> None:
    begin(page, GRID, ["left", "down", "right", "up"])
    expect(page.locator("td")).to_have_count(4)
    expect(page.locator("svg:not([hidden])")).to_have_count(0)  # before there is a policy
    show(page)
    fields = page.locator("td")
    assert [fields.nth(i).locator("b").inner_text() for i in range(4)] == ["S", "F", "F", "G"]
    said = [fields.nth(i).get_attribute("title") for i in range(4)]
    assert said == ["right 0.70", "down 0.26", "up 0.94", ""], "at the goal nothing is decided"
    arrows = page.locator("svg:not([hidden])")
    expect(arrows).to_have_count(3)
    styles = arrows.evaluate_all("(all) => all.map(({ style }) => [style.transform, Number(style.opacity)])")
    assert [turn for turn, _ in styles] == ["rotate(90deg)", "rotate(180deg)", "rotate(0deg)"]
    strengths = [(chance - 1 / 4) / (1 - 1 / 4) for chance in (0.7, 0.26, 0.94)]
    assert [opacity for _, opacity in styles] == pytest.approx([0.25 + 0.75 * each for each in strengths], abs=1e-5)


def test_actions_that_are_as_probable_in_the_digits_shown_are_a_dot(page: Page) -> None:
    begin(page, GRID, ["left", "down", "right", "up"])
    show(page, chances=np.array([[0.2501, 0.2499, 0.2504, 0.2496], [0.45, 0.05, 0.45, 0.05], *CHANCES[2:]]))
    fields = page.locator("td")
    assert fields.nth(0).get_attribute("title") == "left or down or right or up 0.25"
    assert fields.nth(1).get_attribute("title") == "left or right 0.45"
    drawn = page.locator("svg:not([hidden]) path").evaluate_all("(all) => all.map((path) => path.getAttribute('d'))")
    assert drawn[:2] == ["M8 8h0"] * 2
    assert drawn[2].startswith("M8 14V3")
    show(page)
    expect(fields.nth(0).locator("path")).to_have_attribute("d", drawn[2])


def test_an_episode_is_marked_where_it_is_and_where_it_was(page: Page) -> None:
    begin(page, GRID, ["left", "down", "right", "up"])
    show(page, states=(0, 2), at=1)
    assert page.locator("td.lab-states-visited b").all_inner_texts() == ["S", "F"]
    expect(page.locator("[aria-current=step]")).to_have_attribute("title", "up 0.94")
    expect(page.locator(".lab-map-told")).to_have_text("state 2: left 0.02 · down 0.02 · right 0.02 · up 0.94")
    show(page, states=(1,))
    assert page.locator("td.lab-states-visited").count() == page.locator("[aria-current]").count() == 1


def test_values_are_numbers_and_shades(page: Page) -> None:
    begin(page, GRID, ["left", "down", "right", "up"])
    show(page, values=True)
    assert page.locator("td .lab-states-words").all_inner_texts() == ["0.5", "1", "0", "−1"]
    expect(page.locator("svg:not([hidden])")).to_have_count(0)
    expect(page.locator(".lab-map-told")).to_have_text("state 0: V(s) 0.5")
    shades = page.locator("td").evaluate_all("(all) => all.map(({ style }) => style.background.match(/[0-9.]+%/)[0])")
    assert [float(shade[:-1]) for shade in shades] == pytest.approx([45 * 0.75, 45, 45 * 0.5, 0], abs=0.06)
    show(page)
    expect(page.locator("svg:not([hidden])")).to_have_count(3)


def test_without_directions_actions_are_words_and_without_a_grid_states_have_rows_of_bars(page: Page) -> None:
    begin(page, GRID)
    show(page)
    assert page.locator("td .lab-states-words").all_inner_texts() == [
        "action 2 0.70",
        "action 1 0.26",
        "action 3 0.94",
        "",
    ]
    begin(page, [])
    show(page, at=1)
    assert page.locator("thead th").all_inner_texts() == ["state", "action 0", "action 1", "action 2", "action 3"]
    row = page.locator("tbody tr[aria-current=step]")
    assert row.locator("td").all_inner_texts() == ["0.25", "0.26", "0.25", "0.24"]
    bars = row.locator(".lab-states-bar").evaluate_all("(all) => all.map(({ style }) => style.transform)")
    assert bars == ["scaleX(0.25)", "scaleX(0.26)", "scaleX(0.25)", "scaleX(0.24)"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("grid", [GRID, []], ids=["grid", "rows"])
def test_no_serious_axe_violation(page: Page, grid: list[str], scheme: str) -> None:
    begin(page, grid, ["left", "down", "right", "up"])
    page.evaluate("(scheme) => (document.body.className = scheme)", scheme)
    show(page, values=True)
    found = Axe().run(page).response["violations"]
    serious = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    assert [f"{rule['id']}: {node['html'][:200]}" for rule in serious for node in rule["nodes"]] == []
