"""Gradients as arrows: where they are drawn, and what is said of them."""

import pytest
from playwright.sync_api import Page

from pg_core.runs.paths import ROOT

WIDTH, HEIGHT, MARGIN = 200, 144, 8  # of a picture
MEAN_POINTS_RIGHT = {"episodes": [[4.0, 3.0], [2.0, -3.0]], "gradient": [3.0, 0.0], "share": 0.9, "snr": 1.25}
NOTHING = {"episodes": [[0.0, 0.0]] * 2, "gradient": [0.0, 0.0], "share": None, "snr": None}


@pytest.fixture(scope="module")
def page(bare: Page) -> Page:
    bare.add_style_tag(path=ROOT / "assets/instrument/weights.css")
    bare.evaluate(
        """async ([width, own, without]) => {
            const { createArrows } = await import("./instrument/arrows.js")
            document.body.className = "light"
            document.body.innerHTML = `<main style="width: ${width}px"></main>`
            const measured = { grad_snr: 1.25, explained_variance: -0.5 }
            createArrows(document.querySelector("main")).show({ arrows: { own, without }, measured, episode: 0 })
        }""",
        [WIDTH, MEAN_POINTS_RIGHT, NOTHING],
    )
    return bare


def test_arrows_end_where_the_numbers_are_with_as_many_pixels_to_each_side(page: Page) -> None:
    # 4 wide and 6 high: of 144 - 16 pixels each unit has 128 / 6, and the middle is at (2, 0).
    scale = (HEIGHT - 2 * MARGIN) / 6
    inked = """([x, y]) => {
        const canvas = document.querySelector("canvas")
        const { data } = canvas.getContext("2d").getImageData(x - 1, y - 1, 3, 3)
        return data.some((value, i) => i % 4 === 3 && value > 200)
    }"""

    def at(x: float, y: float) -> list[int]:
        return [round(WIDTH / 2 + scale * (x - 2)), round(HEIGHT / 2 - scale * y)]

    for point in ((3.9, 2.925), (1.95, -2.925), (2, 1.5), (1, -1.5), (2.9, 0)):
        assert page.evaluate(inked, at(*point)), point
    for point in ((3.9, -2.9), (2, 2.9), (1, 1.5)):
        assert not page.evaluate(inked, at(*point)), point


def test_it_says_what_is_drawn(page: Page) -> None:
    images = page.get_by_role("img").evaluate_all("(nodes) => nodes.map((node) => node.ariaLabel)")
    assert images[0] == (
        "As the run learns: the gradients of 2 episodes, 3.61 to 5 long, of which 2 point with their mean; "
        "that is 3 long"
    )
    said = page.locator("figcaption").all_inner_texts()
    assert said == [
        "As the run learns: signal-to-noise 1.25; 90 % of the squared length lies in this plane.",
        "Without baseline: signal-to-noise –; all gradients are 0.",
    ]
    assert "explained variance −0.5: " in page.get_by_role("region").inner_text()
