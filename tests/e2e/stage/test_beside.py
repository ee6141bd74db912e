"""Two policies on one stage: both are seen to the end of the longer episode."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.stage.conftest import Json, Stage, caption, give, pixels, sent, sent_frames

BESIDE = """async () => {
    const { beside } = await import("./instrument/rival.js")
    const { only } = await import("./instrument/played.js")
    const episodes = lab.createEpisodes(lab.fetch)
    lab.both = beside(await episodes.get(0), await episodes.get(1))
    lab.player.reset({ episodes: only(lab.both), actions: ["left", "right"] })
    lab.player.play(0)
}"""
COLOR = """([share, color]) => {
    const canvas = document.querySelector(".lab-player-canvas")
    const at = [share * canvas.width, canvas.height / 2].map(Math.round)
    return String(canvas.getContext("2d").getImageData(...at, 1, 1).data.slice(0, 3)) === color
}"""


def put_both(page: Page, mine: Json, other: Json) -> None:
    give(page, {"0": mine, "1": other})
    page.evaluate(BESIDE)
    expect(page.locator("#stage")).to_have_attribute("data-update", "0")


@pytest.mark.parametrize(("mine", "other"), [(20, 50), (50, 20)])
def test_the_longer_episode_is_played_to_its_end(stage: Stage, mine: int, other: int) -> None:
    page = stage()
    put_both(page, sent(0, [mine]), sent(1, [other]))
    page.evaluate("lab.player.hold(50)")
    expect(caption(page)).to_have_text(f"untrained · step 50 of 50 · return {mine}")
    label = page.locator(".lab-player-canvas")
    expect(label).to_have_attribute("aria-label", f"CartPole-v1, untrained: return {mine} in {mine} steps")
    both = pixels(label)
    page.evaluate("lab.player.reset({ episodes: { get: async () => ({ ...lab.both, beside: undefined }) } })")
    page.evaluate("lab.player.play(0)")
    expect(page.get_by_label("Time step", exact=True)).to_have_attribute("max", str(mine))
    page.evaluate(f"lab.player.hold({mine})")
    assert (pixels(label) != both).any(), "the other pole was on the stage"


def test_pictures_of_both_are_of_the_same_steps_beside_each_other(stage: Stage) -> None:
    page = stage()
    thoughts = [[0.5, 0.5], [0.2, 0.8], [], []]
    mine, other = sent_frames(0, 0, [*thoughts[:2], []]), sent_frames(1, 0, [*thoughts[:1] * 3, []])
    other["episodes"][0] |= {"steps": [0, 3, 6, 7], "length": 7}  # thinned otherwise
    put_both(page, mine, other)
    found = page.evaluate("[lab.both.episodes, lab.both.beside].map(([{ steps, thoughts }]) => [steps, thoughts])")
    assert found[0] == [[0, 3, 6, 7], thoughts]  # of steps 0, 2, and 4, which was the last one
    assert found[1] == [[0, 3, 6, 7], other["episodes"][0]["thoughts"]]
    page.evaluate("lab.player.hold(3)")
    page.wait_for_function(COLOR, arg=[0.25, "250,10,40"])  # the third picture of one
    page.wait_for_function(COLOR, arg=[0.75, "250,10,60"])  # the fourth of the other
    expect(caption(page)).to_contain_text("step 7 of 7 · return −30.5")
