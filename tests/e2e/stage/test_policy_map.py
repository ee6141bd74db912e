"""A policy as a picture: colours, line, path and arrows lie where the numbers are; what pointer and keys do."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from pg_core.environments import Array
from pg_core.runs.paths import ROOT
from tests.e2e.conftest import PATIENCE_MS
from tests.e2e.stage.conftest import Assets, Json, box, is_color, pixels

WIDTH, HEIGHT = 480, 400
LEFT, RIGHT, TOP, BOTTOM = 46, WIDTH - 12, 20, HEIGHT - 36  # of the plot
DENSE = 2
HIGH = np.array([np.radians(12), 3.5])  # of θ and θ̇
BLUE, ORANGE, BACK = np.array([0, 114, 178]), np.array([193, 127, 0]), np.array([243, 245, 247])
TEXT = (14, 21, 32)
SLOPES = [0.0, 0.0, 20.0, 1.0]  # of log π(right) - log π(left), in each number of the state


@pytest.fixture(scope="module")
def page(browser: Browser, server: Assets) -> Iterator[Page]:
    page = browser.new_page(device_scale_factor=DENSE)
    page.set_default_timeout(PATIENCE_MS)
    page.goto(server.url)
    page.wait_for_function("window.lab")
    page.evaluate(
        """async () => {
            const names = ["policy_map", "network", "quantity", "contour", "cart_pole"]
            Object.assign(lab, ...await Promise.all(names.map((name) => import(`./instrument/${name}.js`))))
        }"""
    )
    page.add_style_tag(path=ROOT / "assets/instrument/policy_map.css")
    yield page
    page.close()


@pytest.fixture
def canvas(page: Page) -> Locator:
    """Begin anew with a map of CartPole."""
    page.mouse.move(0, 0)
    page.evaluate(
        """(width) => {
            document.body.innerHTML = "<main id='map'></main>"
            document.body.className = "light"
            document.body.style.width = `${width}px`
            lab.picked = []
            lab.map = lab.createPolicyMap(document.querySelector("#map"), {
                onPick: (state) => lab.picked.push(state),
            })
        }""",
        WIDTH,
    )
    return page.get_by_role("img")


def linear(slopes: list[float], **more: Any) -> Json:
    """Return a policy of two actions whose log-odds are linear in the state."""
    return {"activation": "tanh", "kernel_0": [[0, slope] for slope in slopes], "bias_0": [[0, 0]], **more}


def show(page: Page, params: Json | None = None, **scene: Any) -> None:
    page.evaluate(
        """({ params, step, of, choices, ...scene }) => {
            if (step) scene.arrows = (state) => state.map((value, i) => value + step[i])
            const network = lab.createNetwork(params, choices)
            const key = of ?? (network.gaussian ? 0 : network.count - 1)
            const told = { choices, actions: ["left", "right"] }
            const quantity = lab.quantityOf(key, { policy: network, value: network }, told)
            lab.map.show({ network, dimensions: lab.DIMENSIONS, quantity, ...scene })
        }""",
        {"params": params or linear(SLOPES), "choices": [], "axes": [2, 3], "fixed": [0, 0, 0, 0], **scene},
    )


def place(theta: float, theta_dot: float) -> Array:
    """Return where a state lies on the canvas, in pixels of CSS."""
    across, up = np.array([theta, theta_dot]) / HIGH / 2 + 0.5
    return np.array([LEFT + across * (RIGHT - LEFT), BOTTOM - up * (BOTTOM - TOP)])


def color(picture: Array, theta: float, theta_dot: float) -> Array:
    column, row = np.round(DENSE * place(theta, theta_dot)).astype(int)
    return picture[row, column, :3]


def expected_color(share: float) -> Array:
    end = ORANGE if share > 0.5 else BLUE
    return BACK + 0.65 * abs(2 * share - 1) * (end - BACK)


def test_colours_are_the_probabilities(page: Page, canvas: Locator) -> None:
    show(page)
    picture = pixels(canvas)
    assert picture.shape[:2] == (DENSE * HEIGHT, DENSE * WIDTH)
    for theta, theta_dot in [(0.2, 3.4), (0.1, 1), (0.05, -0.5), (-0.03, 0.3), (-0.1, -1), (-0.2, -3.4), (0.2, -2)]:
        right = 1 / (1 + np.exp(-20 * theta - theta_dot))
        assert color(picture, theta, theta_dot) == pytest.approx(expected_color(right), abs=4)
    assert page.locator(".lab-map-key").inner_text().split() == ["left", "right"]
    show(page, linear([-slope for slope in SLOPES]))
    assert color(pixels(canvas), 0.2, 3.4) == pytest.approx(0.35 * BACK + 0.65 * BLUE, abs=4)
    show(page, fixed=[0.1, 0, 0, 0], params=linear([-100, 0, 0, 0]))
    assert color(pixels(canvas), 0.2, 3.4) == pytest.approx(0.35 * BACK + 0.65 * BLUE, abs=4), "the others are fixed"


def test_the_line_lies_where_both_are_as_likely(page: Page, canvas: Locator) -> None:
    show(page)
    drawn = is_color(pixels(canvas), TEXT)
    drawn[: DENSE * TOP] = drawn[DENSE * BOTTOM :] = False  # the names of the axes
    rows, columns = np.nonzero(drawn)
    along = np.array([place(theta, -20 * theta) for theta in (-0.17, 0.17)]) * DENSE
    slope = (along[1] - along[0])[1] / (along[1] - along[0])[0]
    inside = (columns > DENSE * LEFT) & (np.hypot(columns - DENSE * place(0, 0)[0], rows - DENSE * place(0, 0)[1]) > 20)
    off = rows[inside] + 0.5 - along[0][1] - slope * (columns[inside] + 0.5 - along[0][0])
    assert inside.sum() > 500
    assert np.abs(off).max() < 2 * DENSE * np.hypot(1, slope)


def test_a_line_on_a_grid_is_where_numbers_pass_a_level(page: Page) -> None:
    y, x = np.mgrid[-2:2:41j, -2:2:61j]
    script = "([field, columns, level]) => lab.contour(Float32Array.from(field), columns, level)"
    found = np.array(page.evaluate(script, [np.hypot(x, y).ravel().tolist(), 61, 1.5]))
    radii = np.hypot(found[..., 0] / 15 - 2, found[..., 1] / 10 - 2)
    assert radii == pytest.approx(np.full(radii.shape, 1.5), abs=0.01)
    length = np.hypot(*((found[:, 1] - found[:, 0]) / [15, 10]).T).sum()
    assert length == pytest.approx(2 * np.pi * 1.5, rel=0.01)
    assert page.evaluate(script, [[1, 1, 1, 1], 2, 0.5]) == []


def test_the_path_ends_in_the_present_state(page: Page, canvas: Locator) -> None:
    nowhere = linear([0, 0, 0, 0])  # so there is no line
    path = [[0, 0, theta, 2.0] for theta in np.linspace(-0.2, 0.2, 60)]
    show(page, nowhere)
    before = pixels(canvas)
    show(page, nowhere, path=path, at=30)
    after = pixels(canvas)
    changed = np.any(before != after, axis=-1)
    changed[DENSE * 150 :] = False  # the dot has left the middle
    left, _, right, *_ = box(changed) / DENSE
    assert [left, right] == pytest.approx([place(-0.2, 2)[0], place(0.2, 2)[0]], abs=2), "where it goes on, too"
    dot = is_color(after, TEXT)
    dot[DENSE * 150 :] = False
    assert box(dot)[2] / DENSE == pytest.approx(place(path[30][2], 2)[0] + 5.5, abs=1)
    show(page, nowhere, path=[[0, 0, 9, 9]])
    assert box(is_color(pixels(canvas)[: DENSE * BOTTOM, DENSE * LEFT :], TEXT))[2] / DENSE + LEFT == pytest.approx(
        RIGHT + 5.5, abs=1
    ), "what is beyond the map is at its edge"


@pytest.mark.parametrize(
    ("step", "right", "down"), [((0, 0, 0.01, 0), 1, 0), ((0, 0, 0, 0.2), 0, -1), ((9, 9, 0, 0), 0, 0)]
)
def test_arrows_lead_where_the_dynamics_do(
    page: Page, canvas: Locator, step: tuple[float, ...], right: int, down: int
) -> None:
    show(page, linear([0, 0, 0, 0]))
    before = pixels(canvas)
    show(page, linear([0, 0, 0, 0]), step=step)
    changed = np.any(before != pixels(canvas), axis=-1)
    columns, rows = round((RIGHT - LEFT) / 34), round((BOTTOM - TOP) / 34)
    width, height = DENSE * (RIGHT - LEFT) / columns, DENSE * (BOTTOM - TOP) / rows
    tail = np.array([DENSE * LEFT + 2.5 * width, DENSE * TOP + 2.5 * height])
    left, top, *_ = (tail - [width / 2, height / 2]).astype(int)
    tile = changed[top : top + int(height), left : left + int(width)]
    middle = np.add(box(tile)[4:], [left, top]) - tail
    assert np.sign(np.round(middle / 8)).tolist() == [right, down]


def test_it_says_in_words_what_is_seen(page: Page, canvas: Locator) -> None:
    show(page, path=[[0, 0, 0.05, 0.5]])
    right = 1 / (1 + np.exp(-1.5))
    expect(canvas).to_have_accessible_name(
        f"Policy over θ and θ̇: π(right) is above 0.5 on 50 % of the map, and {right:.2f} at the present state"
    )
    expect(page.locator(".lab-map-told")).to_have_text(f"π(right) {right:.2f}")
    show(page, linear([5, 0, 0, 0]), axes=[0, 1], fixed=[-1, 0, 0, 0])
    expect(canvas).to_have_accessible_name(
        "Policy over x and ẋ: π(right) is above 0.5 on 50 % of the map, and 0.01 at the present state"
    )
    three = {"activation": "relu", "kernel_0": [[0, 0, 0]] * 4, "bias_0": [[0, 0, 0]]}
    show(page, three, of=1)
    expect(canvas).to_have_accessible_name(
        "Policy over θ and θ̇: π(right) is above 0.5 on 0 % of the map, and 0.33 at the present state"
    )
    gaussian = {"activation": "relu", "kernel_0": [[0], [0], [1], [0]], "bias_0": [[0]], "log_std": [[0]]}
    show(page, gaussian, fixed=[0, 0, -0.1, 0])
    expect(canvas).to_have_accessible_name(
        "Policy over θ and θ̇: mean a is above 0 on 50 % of the map, and −0.10 at the present state"
    )
    assert page.locator(".lab-map-key").inner_text().split() == ["−1", "1"]
    expect(page.locator(".lab-map-told")).to_have_text("mean a −0.10 · σ 1.00 in every state")


def test_a_value_has_a_scale_of_its_own_with_its_numbers(page: Page, canvas: Locator) -> None:
    value = {"activation": "tanh", "kernel_0": [[0], [0], [0], [10]], "bias_0": [[50]]}  # from 15 to 85
    show(page, value, of="value")
    assert page.locator(".lab-map-key").inner_text().split() == ["15.00", "85.00"]
    picture, most = pixels(canvas), np.array([0, 104, 163])
    for theta_dot in (-3.4, -1, 1.2, 3.4):
        expected = BACK + 0.65 * (theta_dot + 3.5) / 7 * (most - BACK)
        assert color(picture, 0.1, theta_dot) == pytest.approx(expected, abs=4)
    expect(canvas).to_have_accessible_name(
        "Policy over θ and θ̇: V(s) is from 15.00 to 85.00 on all of the map, and 50.00 at the present state"
    )
    show(page, {"activation": "tanh", "kernel_0": [[0]] * 4, "bias_0": [[3]]}, of="value")
    assert page.locator(".lab-map-key").inner_text().split() == ["2.50", "3.50"], "the same everywhere"


def test_of_several_choices_each_has_its_own_probabilities(page: Page, canvas: Locator) -> None:
    five = {"activation": "tanh", "kernel_0": [[0] * 5] * 4, "bias_0": [[9, 9, 9, 0, np.log(3)]]}
    show(page, five, of=4, choices=[3, 2])
    expect(page.locator(".lab-map-told")).to_have_text("π(a₁ = 1) 0.75")
    show(page, five, of=2, choices=[3, 2])
    expect(page.locator(".lab-map-told")).to_have_text("π(a₀ = 2) 0.33")


def test_a_click_picks_what_is_observed_there(page: Page, canvas: Locator) -> None:
    show(page, fixed=[0.5, -1, 0, 0])
    x, y = place(0.1, -2)
    canvas.hover(position={"x": x, "y": y})
    expect(page.locator(".lab-map-told")).to_have_text("θ 5.7 °, θ̇ −114.6 °/s: π(right) 0.50")
    canvas.click(position={"x": x, "y": y})
    (picked,) = page.evaluate("lab.picked.splice(0)")
    assert picked == pytest.approx([0.5, -1, 0.1, -2], abs=0.01)
    canvas.click(position={"x": LEFT / 2, "y": y})
    assert page.evaluate("lab.picked") == []
    expect(page.locator(".lab-map-told")).to_have_text("π(right) 0.50"), "beside the plot there is no state"


def test_keys_move_a_cursor_and_pick(page: Page, canvas: Locator) -> None:
    show(page, path=[[1, 2, 0.05, 0.5]], fixed=[1, 2, 0.05, 0.5])
    group, told = page.get_by_role("group"), page.locator(".lab-map-told")
    before = pixels(canvas)
    for key in ("Enter", "Control+ArrowUp", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft"):
        group.press(key)
    assert page.evaluate("lab.picked") == [], "nothing is picked before there is a cursor"
    theta, theta_dot = 0.05 + HIGH[0] / 24, 0.5 + HIGH[1] / 24
    right = 1 / (1 + np.exp(-20 * theta - theta_dot))
    expect(told).to_have_text(f"θ {np.degrees(theta):.1f} °, θ̇ {np.degrees(theta_dot):.1f} °/s: π(right) {right:.2f}")
    expect(told).to_have_attribute("aria-live", "polite")
    group.press("Enter")
    assert page.evaluate("lab.picked.splice(0)") == [pytest.approx([1, 2, theta, theta_dot])]
    for _ in range(60):
        group.press("ArrowDown")
    group.press("Enter")
    assert page.evaluate("lab.picked.splice(0)") == [pytest.approx([1, 2, theta, -HIGH[1]])], "no further than the map"
    group.blur()
    expect(told).to_have_attribute("aria-live", "off")
    assert np.abs(pixels(canvas) - before).max() <= 2, "the cursor has gone"
    group.press("ArrowRight")
    show(page, axes=[0, 1])
    expect(told).to_have_text("π(right) 0.50"), "on other axes a cursor means nothing"


def test_theme_and_size_are_followed(page: Page, canvas: Locator) -> None:
    show(page)
    light = pixels(canvas)
    before = canvas.evaluate("(canvas) => canvas.toDataURL()")
    page.evaluate("document.body.className = 'dark'")
    page.wait_for_function("(before) => document.querySelector('canvas').toDataURL() !== before", arg=before)
    dark = pixels(canvas)
    assert light.shape == dark.shape
    assert color(dark, 0.2, 3.4).sum() < color(light, 0.2, 3.4).sum()
    page.evaluate("document.body.style.width = '300px'")
    page.wait_for_function("(width) => document.querySelector('canvas').width === width", arg=300 * DENSE)
    assert pixels(canvas).shape[:2] == (250 * DENSE, 300 * DENSE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_axe_violation(page: Page, canvas: Locator, scheme: str) -> None:
    page.evaluate("(scheme) => (document.body.className = scheme)", scheme)
    show(page)
    page.get_by_role("group").press("ArrowRight")
    found = Axe().run(page).response["violations"]
    serious = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    assert [f"{rule['id']}: {node['html'][:200]}" for rule in serious for node in rule["nodes"]] == []


def test_all_is_gone_once_it_is_destroyed(page: Page, canvas: Locator) -> None:
    show(page)
    page.evaluate("lab.map.destroy()")
    assert page.locator("#map > *").count() == 0
