"""What is on the stage: the player, the agents, pictures; nothing of it moves from its place."""

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.e2e.stage.conftest import (
    Stage,
    box,
    caption,
    entry,
    give,
    is_color,
    keys,
    offer,
    pixels,
    places,
    playing,
    sent,
    sent_frames,
    shown,
    step,
)


def test_it_loops_with_a_rest_at_the_end(stage: Stage) -> None:
    page = stage()
    give(page, {"0": sent(0, [50])})
    offer(page, 0)
    page.clock.run_for(500)
    assert 20 <= step(page) <= 25
    page.clock.run_for(1000)
    assert step(page) == 50
    expect(caption(page)).to_have_text("untrained · step 50 of 50 · return 50")
    page.clock.run_for(400)
    assert step(page) < 25


def test_the_keyboard_moves_through_the_episode(stage: Stage) -> None:
    page = playing(stage())
    slider, group = page.get_by_label("Time step", exact=True), keys(page)
    group.press(" ")
    expect(page.get_by_role("button", name="Play the episode")).to_be_visible()
    group.press("Home")
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        group.press(key)
    expect(slider).to_have_attribute("aria-valuetext", "step 2 of 120")
    expect(caption(page)).to_have_text("untrained · median agent 4 of 5 · step   2 of 120 · return 120")
    group.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "step 120 of 120")
    group.press("ArrowRight")
    assert step(page) == 120
    page.get_by_role("button", name="Previous time step").click()
    page.get_by_role("button", name="Next time step").click()
    page.get_by_role("button", name="Previous time step").click()
    assert step(page) == 119
    group.press(">")
    expect(page.get_by_label("Speed", exact=True)).to_have_value("2")
    for _ in range(9):
        group.press("<")
    expect(page.get_by_label("Speed", exact=True)).to_have_value("0.25")
    for key in ("r", "c", "Control+ArrowLeft"):
        group.press(key)
    assert step(page) == 119
    group.press("Home")
    group.press(" ")
    page.clock.run_for(400)
    assert 3 <= step(page) <= 5, "a quarter of the environment's own pace"


def test_thought_and_state_are_those_of_the_moment(stage: Stage) -> None:
    page = stage()
    one = sent(0, [1])
    states = np.array([[0.5, -1.25, np.radians(-6), np.radians(90)], [0, 0, 0, 0]])
    give(page, {"0": {**one, "episodes": [entry(0, 1, states, np.array([0.71]))]}})
    offer(page, 0)
    keys(page).press("Home")
    expect(page.locator(".lab-player-push")).to_have_text("◀ leftright ▶0.71")
    assert page.locator(".lab-player-state").inner_text().split() == [
        "x", "0.50", "m", "ẋ", "−1.25", "m/s", "θ", "−6.0", "°", "θ̇", "90.0", "°/s",
    ]  # fmt: skip
    filled = page.locator(".lab-player-filled").bounding_box()
    whole = page.locator(".lab-player-bar").bounding_box()
    assert filled and whole
    assert filled["width"] / whole["width"] == pytest.approx(0.29, abs=0.01)
    keys(page).press("End")
    expect(page.locator(".lab-player-push")).to_have_text("◀ leftright ▶end")


def test_any_agent_stands_in_front_and_one_that_was_not_sent_is_fetched(stage: Stage) -> None:
    lengths = (212, 19, 500, 41, 120)
    page = stage()
    give(page, {"0": sent(0, lengths, agents=[1, 2, 4]), "0/3": sent(0, lengths, agents=[3])})
    offer(page, 0)
    picker = page.get_by_label("Agent in front")
    picker.select_option("Best agent")
    expect(caption(page)).to_contain_text("best agent 2 of 5")
    keys(page).press("End")
    assert step(page) == 500
    picker.select_option("Agent 3")
    expect(caption(page)).to_have_text("untrained · agent 3 of 5 · step 41 of 41 · return 41")
    assert page.evaluate("lab.asked") == ["0", "0/3"]
    picker.select_option("All side by side")
    expect(caption(page)).to_contain_text("untrained · 3 of 5 agents · step  41 of 500 · returns 19 to 500")
    expect(page.get_by_role("img")).to_have_accessible_name(
        "CartPole-v1, untrained, 3 of 5 agents: returns 19 to 500 in 500 steps"
    )
    assert shown(page) == [0], "it is the same policy"


def test_side_by_side_has_a_track_for_each(stage: Stage) -> None:
    page = playing(stage())
    page.get_by_label("Agent in front").select_option("All side by side")
    keys(page).press("Home")
    primary = is_color(pixels(page.get_by_role("img")), (0, 104, 163))
    # A pole's row is taller than that of a label; three rows of two.
    rows = np.flatnonzero(np.diff(np.concatenate([[0], primary.any(axis=1), [0]]).astype(int)))
    assert ((rows[1::2] - rows[::2]) > 20).sum() == 3


def test_the_fallen_fade(stage: Stage) -> None:
    page = playing(stage())
    page.get_by_label("Agent in front").select_option("All side by side")
    keys(page).press("Home")
    darkest = []
    for steps in (19, 12, 13, 10):
        for _ in range(steps):
            keys(page).press("ArrowRight")
        track = pixels(page.get_by_role("img"))[20:105, 255:]  # of agent 1, which falls after 19 steps
        darkest.append(int(track[..., :3].sum(axis=-1)[track[..., 3] == 255].min()))
    assert darkest[0] < darkest[1] < darkest[2] == darkest[3]


def test_gymnasiums_frames_of_the_front_agent(stage: Stage) -> None:
    frames = sent_frames(0, 4, [[0.3, 0.7], [0.6, 0.4], []])
    page = playing(stage(), **{"0/4/frames": {**frames, "env_id": "CartPole-v1"}})
    button = page.get_by_role("button", name="Gymnasium's frames")
    expect(button).to_have_attribute("aria-pressed", "false")
    keys(page).press("Home")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(caption(page)).to_have_text("untrained · median agent 4 of 5 · step 0 of 4 · return −30.5")
    expect(page.locator(".lab-player-actions")).to_have_text("left0.30right0.70")
    keys(page).press("End")
    expect(page.get_by_label("Time step", exact=True)).to_have_attribute("aria-valuetext", "step 4 of 4")
    expect(page.locator(".lab-player-actions")).to_have_text("leftendrightend")
    page.wait_for_function(
        "document.querySelector('canvas').getContext('2d').getImageData(250, 166, 1, 1).data[2] === 40"
    )
    # Twice as wide as high, in a box of 3 to 2: not distorted.
    assert box(pixels(page.get_by_role("img"))[..., 3] > 200)[:4] == pytest.approx([0, 41.5, 499, 290.5], abs=1)
    assert page.evaluate("lab.asked") == ["0", "0/4/frames"]
    button.click()
    expect(caption(page)).to_contain_text("step   4 of 120")


def test_other_environments_come_in_pictures(stage: Stage) -> None:
    page = stage()
    best, mean = sent_frames(0, 2, [[0.1] * 8, []]), sent_frames(1, 0, [[-0.5, 0.25], []], choices=())
    give(
        page,
        {
            "0": sent_frames(0, 0, [[0.3, 0.7, 0.0], []]),
            "0/2": best,
            "1": mean,
            "1/2": {**mean, "episodes": [{**mean["episodes"][0], "agent": 2}]},
        },
    )
    offer(page, 0)
    expect(page.get_by_role("button", name="Gymnasium's frames")).to_be_hidden()
    expect(page.locator(".lab-player-actions")).to_have_text("left0.30right0.70action 20.00")
    page.get_by_label("Agent in front").select_option("Best agent")
    expect(caption(page)).to_contain_text("best agent 2 of 5")
    expect(page.locator(".lab-player-action")).to_have_count(6)
    offer(page, 1)
    page.clock.run_for(950)
    keys(page).press("Home")
    expect(page.locator(".lab-player-actions")).to_have_text("mean a₀−0.50mean a₁0.25")


def test_a_new_theme_reaches_a_picture_that_stands_still(stage: Stage) -> None:
    page = playing(stage())
    keys(page).press("Home")
    assert is_color(pixels(page.get_by_role("img")), (0, 104, 163)).any()
    page.evaluate("document.body.className = 'dark'")
    page.wait_for_function(
        """() => {
            const canvas = document.querySelector("canvas")
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
            return data.some((_, i) => data[i] === 63 && data[i + 1] === 146 && data[i + 2] === 222)
        }"""
    )


def test_reduced_motion_shows_stills_of_newer_policies(stage: Stage) -> None:
    page = playing(stage(still=True), **{"1": sent(1)})
    expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Play the episode")).to_be_visible()
    assert step(page) == 120
    still = pixels(page.get_by_role("img"))
    page.clock.run_for(3000)
    assert (pixels(page.get_by_role("img")) == still).all()
    offer(page, 1)
    assert shown(page) == [0, 1]
    page.get_by_role("button", name="Play the episode").click()
    page.clock.run_for(500)
    assert 20 <= step(page) <= 25


def test_a_still_of_the_newest_policy_comes_though_it_was_told_of_while_another_loaded(stage: Stage) -> None:
    page = playing(stage(still=True), **{"1": sent(1), "2": sent(2)})
    page.evaluate("lab.hold('1')")
    offer(page, 1)
    offer(page, 2)  # the last that is told: the run has ended
    page.evaluate("lab.release()")
    expect(page.locator("#stage[data-update='2']")).to_be_attached()
    assert page.evaluate("lab.asked") == ["0", "1", "2"]


@pytest.mark.parametrize(("width", "height"), [(358, 340), (500, 500), (800, 700)])
def test_nothing_moves_while_it_plays(stage: Stage, width: int, height: int) -> None:
    frames = {**sent_frames(0, 4, [[0.3, 0.7]] * 3), "env_id": "CartPole-v1"}
    page = stage(width)
    pieces = ".lab-player, .lab-player-screen, .lab-player-thought, .lab-player-caption, .lab-player-controls > *"
    empty = places(page, pieces)
    assert empty[0] and empty[0]["height"] <= height
    playing(page, **{"0/4/frames": frames})
    parts = f"{pieces}, .lab-player-quantity, .lab-player-number, .lab-player-outcome"
    at_first = places(page, parts)
    page.clock.run_for(1900)
    assert places(page, parts) == at_first
    assert places(page, pieces) == empty
    page.get_by_role("button", name="Gymnasium's frames").click()
    expect(page.locator(".lab-player-actions")).to_be_visible()
    assert places(page, pieces) == empty
    for piece in page.locator(".lab-player :is(button, select, input)").all():
        where = piece.bounding_box()
        assert where and min(where["width"], where["height"]) >= 24
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_axe_violation(stage: Stage, scheme: str) -> None:
    page = playing(stage(scheme=scheme))
    page.evaluate("lab.film.update({ strip: [0], newest: 0 }); lab.film.mark(0)")
    expect(page.locator(".lab-film-outcome").filter(has_text="return")).to_have_count(1)
    page.clock.resume()
    found = Axe().run(page).response["violations"]
    serious = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    assert [f"{rule['id']}: {node['html'][:200]}" for rule in serious for node in rule["nodes"]] == []


def test_all_is_gone_once_it_is_destroyed(stage: Stage) -> None:
    page = playing(stage())
    page.evaluate("lab.player.destroy(); lab.film.destroy()")
    assert page.locator("#stage > *, #film > *").count() == 0
    page.clock.run_for(1000)
