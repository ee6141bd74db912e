"""Which policy takes over on the stage, and when."""

import pytest
from playwright.sync_api import expect

from tests.e2e.stage.conftest import (
    Stage,
    caption,
    give,
    offer,
    playing,
    sent,
    shown,
    step,
)


def test_with_every_none_is_skipped_also_after_the_last_offer(stage: Stage) -> None:
    page = playing(stage(), **{str(update): sent(update, [400]) for update in range(1, 5)})
    give(page, {"0": sent(0, [400])})
    offer(page, 1, [0, 1], every=True)
    page.clock.run_for(800)
    assert shown(page) == [0], "0.9 seconds are due to each"
    page.clock.run_for(200)
    assert shown(page) == [0, 1]
    offer(page, 4, [1, 2, 3, 4], every=True)
    page.clock.run_for(100)
    assert shown(page) == [0, 1], "0.9 / 3 seconds if three wait"
    page.clock.run_for(200)
    assert shown(page) == [0, 1, 2]
    page.clock.run_for(500)
    assert shown(page) == [0, 1, 2, 3]
    page.clock.run_for(950)
    assert shown(page) == [0, 1, 2, 3, 4]
    page.clock.run_for(20_000)
    assert shown(page) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("kept", "every"), [([1, 2, 3], False), ([1, 2, 3, 9], True)])
def test_otherwise_the_newest_one(stage: Stage, kept: list[int], every: bool) -> None:
    page = playing(stage(), **{"9": sent(9)})
    offer(page, 9, kept, every)
    page.clock.run_for(950)
    assert shown(page) == [0, 9]
    expect(caption(page)).to_contain_text("update 9 · median agent 4 of 5")


def test_news_has_the_newest_take_over_after_six_tenths_of_a_second(stage: Stage) -> None:
    page = playing(stage(), **{str(update): sent(update) for update in (1, 2, 3)})
    page.clock.run_for(400)
    offer(page, 1)
    assert shown(page) == [0]
    page.clock.run_for(250)
    assert shown(page) == [0], "without news it plays on: something newer may come"
    offer(page, 2)
    assert shown(page) == [0, 2]
    offer(page, 3)
    page.clock.run_for(950)
    assert shown(page) == [0, 2, 3], "no news comes any more"


def test_an_episode_that_has_ended_makes_room_for_news(stage: Stage) -> None:
    page = stage()
    give(page, {"0": sent(0, [12]), "1": sent(1, [500])})
    offer(page, 0)
    page.clock.run_for(200)
    offer(page, 1)
    assert shown(page) == [0], "it has 12 steps of 20 milliseconds"
    page.clock.run_for(100)
    offer(page, 1)
    assert shown(page) == [0, 1]


def test_the_old_one_plays_until_the_new_one_is_there(stage: Stage) -> None:
    page = playing(stage(), **{"1": sent(1)})
    page.evaluate("lab.hold('1')")
    offer(page, 1)
    page.clock.run_for(1000)
    before = step(page)
    page.clock.run_for(100)
    assert shown(page) == [0] and step(page) > before
    page.evaluate("lab.release()")
    expect(page.locator("#stage[data-update='1']")).to_be_attached()
    assert step(page) == 0
    assert page.evaluate("lab.asked") == ["0", "1"]


def test_nothing_takes_over_while_paused_or_an_older_one_is_picked(stage: Stage) -> None:
    page = playing(stage(), **{str(update): sent(update) for update in range(1, 6)})
    live = page.get_by_role("button", name="Live")
    expect(live).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Pause the episode").click()
    expect(live).to_have_attribute("aria-pressed", "false")
    offer(page, 2)
    page.clock.run_for(5000)
    assert (shown(page), page.evaluate("lab.asked")) == ([0], ["0"])
    page.get_by_role("button", name="Play the episode").click()
    page.clock.run_for(950)
    assert shown(page) == [0, 2]
    page.evaluate("lab.player.play(1)")
    assert shown(page) == [0, 2, 1]
    offer(page, 4)
    page.clock.run_for(20_000)
    assert shown(page) == [0, 2, 1]
    live.click()
    assert shown(page) == [0, 2, 1, 4]
    live.click()
    offer(page, 5)
    page.clock.run_for(20_000)
    assert shown(page) == [0, 2, 1, 4], "a press on what is pressed stays with the policy"
    page.evaluate("lab.player.live()")
    assert shown(page) == [0, 2, 1, 4, 5]
    assert page.evaluate("lab.live") == [False, True, False, True, False, True]


def test_what_cannot_be_fetched_is_said_and_tried_again_later_each_time(stage: Stage) -> None:
    page = playing(stage())
    offer(page, 1)
    page.clock.run_for(1500)  # asked after 0.9 s
    expect(page.get_by_text("There is no 1.")).to_be_visible()
    assert page.evaluate("lab.asked") == ["0", "1"]
    page.clock.run_for(1000)  # again after 1.9 s
    offer(page, 1)
    assert page.evaluate("lab.asked") == ["0", "1", "1"]
    give(page, {"1": sent(1)})
    page.clock.run_for(1500)  # and after 3.9 s
    assert shown(page) == [0, 1]
    expect(page.locator(".lab-player-notice")).to_be_hidden()


def test_another_run_begins_anew(stage: Stage) -> None:
    page = playing(stage(), **{"7": sent(7)})
    page.get_by_role("button", name="Pause the episode").click()
    page.evaluate("lab.player.reset({ episodes: lab.createEpisodes(lab.fetch), actions: null })")
    assert page.locator("#stage[data-update]").count() == 0
    offer(page, 0)
    assert shown(page) == [0, 0]
    page.evaluate("lab.player.reset({ episodes: lab.episodes, actions: null })")
    offer(page, 7)
    assert shown(page) == [0, 0, 7]
