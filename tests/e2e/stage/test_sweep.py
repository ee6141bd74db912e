"""What a sweep's map, curves, lines and table make of settings: order, colour, words, and elements that stay."""

import itertools
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pg_core.runs.paths import ROOT

Json = dict[str, Any]
STEPS, FINAL = "env_steps_to_solve", "final_return"
AXES = [
    {"name": "gamma", "label": "Discount factor γ", "headings": ["0.9", "1"]},
    {"name": "baseline", "label": "Baseline b", "headings": ["none", "value"]},
    {"name": "ent_coef", "label": "Entropy bonus c_H", "headings": ["0", "0.1"]},
]
MEASURES = {
    STEPS: {"name": "steps to solve", "more": False, "meaning": "Median."},
    FINAL: {"name": "final return", "more": True, "meaning": "IQM."},
}


@pytest.fixture(scope="module")
def page(bare: Page) -> Page:
    bare.evaluate(
        """async () => {
            const names = ["settings", "heat_map", "setting_curves", "setting_table", "setting_panel", "parallel"]
            Object.assign(lab, ...await Promise.all(names.map((name) => import(`./instrument/${name}.js`))))
        }"""
    )
    for name in ("instrument", "sweep"):
        bare.add_style_tag(path=ROOT / f"assets/instrument/{name}.css")
    return bare


def setting(number: int, steps: float | None, final: float | None, cell: tuple[int, ...], **more: Any) -> Json:
    def told(value: float | None) -> Json:
        return {"value": value, "text": "unsolved" if value is None else f"{value:g}", "beside": ""}

    return {
        "number": number, "name": f"setting {number}", "shown": list(map(str, cell)), "cell": list(cell),
        "at": list(cell), "state": "finished", "active": False, "seeds": 10, "solved": 0, "threshold": 475,
        "left_out": 0, "measures": {STEPS: told(steps), FINAL: told(final)}, "runs": [],
        "curve": {"env_steps": [1, 2], "episodes": [1, 2], "iqm": [number, 5], "low": [None, 4], "high": [3, 6]},
    } | more  # fmt: skip


FOUR = [
    setting(0, 2000, 100, (0, 0)),
    setting(1, 500, 300, (0, 1)),
    setting(2, None, 200, (1, 0), solved=4),
    setting(3, None, None, (1, 1), state="diverged"),
]


def shown(settings: list[Json], measure: str, axes: int = 2, picked: Json | None = None) -> Json:
    return {"settings": settings, "measure": measure, "picked": picked, "axes": AXES[:axes], "measures": MEASURES}


def draw(page: Page, part: str, told: Json) -> None:
    """Draw a part of the page anew."""
    page.evaluate(
        """([part, told]) => {
            document.body.innerHTML = `<main class="lab-sweep"><section class="lab-sweep-table" style="width: 600px">`
            document.body.className = "light"
            lab.picks = []
            lab.part = lab[part](document.querySelector("section"), { onPick: (number) => lab.picks.push(number) })
            lab.draw = (told) => {
              const { more } = told.measures[told.measure]
              lab.part.show({ ...told, settings: lab.inOrder(told.settings, told.measure, more) })
            }
            lab.draw(told)
        }""",
        [part, told],
    )


def test_the_best_is_first_and_of_those_without_a_value_who_has_solved_most(page: Page) -> None:
    order = "([settings, measure, more]) => lab.inOrder(settings, measure, more).map(({ number }) => number)"
    assert page.evaluate(order, [FOUR, STEPS, False]) == [1, 0, 2, 3]
    assert page.evaluate(order, [FOUR[::-1], FINAL, True]) == [1, 2, 0, 3]


def test_how_good_a_setting_is_goes_from_0_to_1_in_the_measures_own_scale(page: Page) -> None:
    good = """([settings, measure, more]) => {
        const ordered = lab.inOrder(settings, measure, more)
        return settings.map(lab.goodness(ordered, measure))
    }"""
    assert page.evaluate(good, [FOUR, FINAL, True]) == [0, 1, 0.5, None]
    middle = setting(4, 1000, 0, (0, 0))  # 500, 1000, 2000: in the middle of their logarithms
    found = page.evaluate(good, [[*FOUR, middle], STEPS, False])
    assert found == [0, 1, None, None, pytest.approx(0.5)]
    assert page.evaluate(good, [[FOUR[0]], FINAL, True]) == [1]


def test_each_cell_says_what_its_colour_does(page: Page) -> None:
    draw(page, "createHeatMap", shown(FOUR, STEPS))
    cells = page.locator(".lab-cell")
    assert [cells.nth(i).get_attribute("data-kind") for i in range(4)] == ["known", "unsolved", "known", "diverged"]
    expect(cells.nth(2)).to_contain_text("★ 500")
    expect(cells.nth(1)).to_contain_text("unsolved4 of 10 solved")
    expect(page.locator("caption")).to_have_text("Discount factor γ across, Baseline b down")
    expect(page.locator(".lab-map-legend")).to_have_text("worst 2000  best 500")
    cells.nth(3).press("Enter")
    assert page.evaluate("lab.picks") == [3]
    missing = shown(FOUR[:3], STEPS)
    page.evaluate("(told) => lab.draw(told)", missing)
    expect(cells.nth(3)).to_be_disabled()
    expect(cells.nth(3)).to_have_text("–not tried")


def test_the_text_of_every_colour_of_both_themes_can_be_read(page: Page) -> None:
    contrasts = page.evaluate(
        """() => {
            const light = (color) => {
              const parts = color.match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16) / 255)
              const [r, g, b] = parts.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
              return 0.2126 * r + 0.7152 * g + 0.0722 * b
            }
            const hex = (channel) => Math.round(channel).toString(16).padStart(2, "0")
            const between = ([a, b], share) => `#${a.map((v, i) => hex(v + share * (b[i] - v))).join("")}`
            const themes = [[[255, 255, 255], [0, 104, 163]], [[17, 21, 26], [63, 146, 222]]]
            return themes.flatMap((ends) => Array.from({ length: 101 }, (_, i) => {
              const color = between(ends, i / 100)
              const [a, b] = [light(color), light(lab.textOn(color))].toSorted((a, b) => a - b)
              return (b + 0.05) / (a + 0.05)
            }))
        }"""
    )
    assert len(contrasts) == 202 and min(contrasts) >= 4.5


def test_of_several_settings_in_a_cell_the_best_one_is_there_and_says_of_how_many(page: Page) -> None:
    eight = [setting(n, 100 * (n + 1), n, at) for n, at in enumerate(itertools.product((0, 1), repeat=3))]
    draw(page, "createHeatMap", shown(eight, STEPS, axes=3))
    cells = page.locator(".lab-cell")
    expect(cells).to_have_count(4)
    expect(cells.first).to_have_text("★ 100best of 2")
    page.get_by_label("Axis across").select_option("ent_coef")
    expect(page.locator("caption")).to_have_text("Entropy bonus c_H across, Baseline b down")
    page.get_by_label("Axis down").select_option("ent_coef")
    expect(page.locator("caption")).to_have_text("Baseline b across, Entropy bonus c_H down")


def test_news_change_what_is_written_and_no_element(page: Page) -> None:
    for part, nodes in (("createHeatMap", ".lab-map *"), ("createSettingTable", "tbody *")):
        draw(page, part, shown(FOUR, FINAL))
        page.evaluate("(nodes) => (lab.before = new Set(document.querySelectorAll(nodes)))", nodes)
        page.locator(f":is({nodes}):is(button)").first.focus()
        better = [*FOUR[:2], setting(2, None, 900, (1, 0)), FOUR[3]]
        page.evaluate("(told) => lab.draw(told)", shown(better, FINAL))
        expect(page.locator("section")).to_contain_text("900")
        same = "(nodes) => [...document.querySelectorAll(nodes)].every((node) => lab.before.has(node))"
        assert page.evaluate(same, nodes)
        assert page.evaluate("document.activeElement.tagName") == "BUTTON"


def test_the_table_is_in_the_order_of_the_measure_and_says_which(page: Page) -> None:
    draw(page, "createSettingTable", shown(FOUR, FINAL, picked=FOUR[2]))
    caption = page.locator("caption")
    expect(caption).to_have_text("By final return, highest first. IQM.")
    rows = page.locator("tbody tr")
    assert [rows.nth(i).locator("td").nth(2).inner_text() for i in range(4)] == ["300", "200", "100", "unsolved"]
    expect(page.locator("tr.lab-picked td").nth(2)).to_have_text("200")
    rows.nth(0).get_by_role("button").press("Enter")
    assert page.evaluate("lab.picks").count(1) >= 1
    page.evaluate("(told) => lab.draw(told)", shown(FOUR, STEPS))
    expect(caption).to_have_text("By steps to solve, fewest first. Median.")
    assert rows.nth(0).locator("td").nth(2).inner_text() == "500"


def test_a_curve_has_its_settings_colour_and_dashes_and_the_picked_one_its_interval(page: Page) -> None:
    figure = page.evaluate("(told) => lab.figureOf(told, 'env_steps')", shown(FOUR, FINAL, picked=FOUR[1]))
    traces = {trace["uid"]: trace for trace in figure["data"]}
    looks = [(traces[str(n)]["line"]["color"], traces[str(n)]["line"]["dash"]) for n in range(4)]
    assert looks == [("@0", "solid"), ("@0", "dash"), ("@1", "solid"), ("@1", "dash")]
    assert [traces[str(n)]["opacity"] for n in range(4)] == [0.25, 1, 0.25, 0.25]
    assert (traces["band"]["x"], traces["band"]["y"]) == ([2, 2], [4, 6]), "where it has an interval"
    assert traces["1"]["y"] == [1, 5] and "IQM of 10 seeds" in traces["1"]["hovertemplate"]
    assert [shape["y0"] for shape in figure["layout"]["shapes"]] == [475]
    assert {trace["name"] for trace in figure["data"] if trace.get("showlegend") is not False} == {
        "Discount factor γ: 0.9", "1", "Baseline b: none", "value",
    }  # fmt: skip


def test_lines_show_every_axis_and_a_click_picks_the_setting(page: Page) -> None:
    draw(page, "createParallel", shown(FOUR, FINAL))
    expect(page.get_by_role("img")).to_have_attribute("aria-label", "4 settings over Discount factor γ, Baseline b and "
                                                      "final return; the table has the same in numbers.")  # fmt: skip
    expect(page.locator("svg g")).to_have_count(4)
    expect(page.locator("svg polyline[stroke-dasharray]")).to_have_count(1)
    for text in ("300", "100", "no value"):
        expect(page.locator("svg text").get_by_text(text, exact=True)).to_be_visible()
    page.locator("svg g", has_text="setting 2").locator("polyline").last.dispatch_event("click")
    assert page.evaluate("lab.picks") == [2]


def test_the_panel_leads_to_each_run_and_offers_to_stop_only_what_trains(page: Page) -> None:
    run = {"id": "a" * 32, "name": "<b>x</b>", "words": "running after 3 updates · seed 0, 10 agents"}
    told = {"measures": MEASURES, "mine": True}
    page.evaluate(
        """([setting, told]) => {
            document.body.innerHTML = "<section></section>"
            lab.stops = []
            const [onStop, onClose] = [(number) => lab.stops.push(number), () => lab.stops.push("close")]
            lab.panel = lab.createSettingPanel(document.querySelector("section"), { onStop, onClose })
            lab.panel.show(setting, told)
        }""",
        [setting(4, 1, 1, (0, 0), active=True, runs=[run], left_out=1), told],
    )
    expect(page.locator("h2")).to_have_text("Setting 5: setting 4")
    expect(page.locator("p")).to_contain_text("1 run left out: changed on the way, or failed")
    hrefs = [link.get_attribute("href") for link in page.locator("a").all()]
    assert hrefs == [f"./?run={'a' * 32}", f"policy?run={'a' * 32}", f"runs?selected={'a' * 32}"]
    page.get_by_role("button", name="Stop this setting").click()
    assert page.evaluate("lab.stops") == [4]
    page.evaluate("(told) => lab.panel.show(null, told)", told)
    expect(page.get_by_role("button")).to_have_count(0)
    expect(page.locator("p")).to_contain_text("Choose a cell")
