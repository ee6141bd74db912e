"""All estimators as a sorted table and a picture, with intervals that may have no end."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.stage.conftest import Stage

NAMES = ["cosine", "length", "snr", "relative_variance", "along", "across"]
HEADS = ["cosine", "mean length", "signal-to-noise", "variance", "along ∇J", "off direction"]


def estimator(name: str, biases: dict[str, str] | None = None, **measured: Any) -> dict[str, Any]:
    settings = {"weights": "reward_to_go", "baseline": "none"}
    known = {each: measured.get(each, [0.5, 0.25, 0.75]) for each in NAMES}
    return {"name": name, "settings": settings, "biases": biases or {}, "measured": known}


FOUND = {
    "batches": 8,
    "own": "mine",
    "estimators": [
        estimator("best", cosine=[0.75, 0.5, 1], length=[2, 1.5, 2.5]),
        estimator("mine", {"reduction": "divided by a length"}, relative_variance=[None, 7.25, "unbounded"]),
        estimator(
            "lost",
            cosine=[None] * 3,
            along=[3, "unbounded", "unbounded"],
            snr=[1e-15, -1e-15, 1],
            across=[0.5, "unbounded", 0.75],
        ),
    ],
}


def compared(page: Page) -> Locator:
    page.evaluate(
        """(found) => import("./instrument/estimators.js").then(({ createEstimators }) => {
            document.querySelector("#stage").replaceChildren()
            lab.estimators = createEstimators(document.body, { ask: async () => found, onRace: () => null })
        })""",
        FOUND,
    )
    page.get_by_role("button", name="Compare all estimators").press("Enter")
    return page.get_by_role("region", name="Estimators")


def test_the_table_has_the_mean_length_and_says_an_end_that_is_none_in_words(stage: Stage) -> None:
    table = compared(stage(width=1000))
    expect(table.locator("th")).to_have_text(["estimator", *HEADS, "why its mean is not ∇J"])
    best, mine, lost = (table.locator("tbody tr").nth(i).locator("td") for i in range(3))
    expect(best).to_have_text(
        ["best", "0.75 (0.5 to 1)", "2 (1.5 to 2.5)", *["0.5 (0.25 to 0.75)"] * 4, ""], use_inner_text=True
    )
    expect(mine.nth(4)).to_have_text("≥ 7.25")
    expect(mine.last).to_have_text("divided by a length")
    expect(lost.nth(1)).to_have_text("–")
    expect(lost.nth(3)).to_have_text("0 (0 to 1)")
    expect(lost.nth(5)).to_have_text("3 (unknown)")
    expect(lost.nth(6)).to_have_text("0.5 (≤ 0.75)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_has_each_cosine_in_the_table_s_order_and_goes_with_the_policy(stage: Stage, scheme: str) -> None:
    page = stage(width=1000, scheme=scheme)
    page.add_style_tag(content=".lab-estimators-picture { display: block; width: 446px; height: 156px; }")
    compared(page)
    picture = page.get_by_role("img", name="Cosine of 3 estimators")
    expect(picture).to_have_attribute(
        "aria-label",
        "Cosine of 3 estimators: from best, 0.75, down to lost, –; what the run learns with is number 2, 0.5",
    )
    # Of 446 × 156 pixels 46 and 12 are beside the plot, 20 and 36 above and below: of 388 × 100 a point at place k of 3
    # and cosine c is at 46 + 388 (k - ½) / 3 and 120 - 100 c / 1.05.
    painted = picture.evaluate(
        """canvas => [[1, 0.75], [1, 0.55], [2, 0.5], [2, 0.3], [3, 0.5]].map(([k, c]) => {
            const pen = canvas.getContext("2d")
            const back = pen.getImageData(60, 30, 1, 1).data
            const at = pen.getImageData(46 + 388 * (k - 0.5) / 3 - 1, 120 - 100 * c / 1.05, 2, 1).data
            return at.some((each, i) => Math.abs(each - back[i % 4]) > 40)
        })"""
    )
    assert painted == [True, True, True, True, False]
    page.evaluate("lab.estimators.forget()")
    expect(picture).to_be_hidden()
