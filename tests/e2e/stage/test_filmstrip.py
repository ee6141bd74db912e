"""The filmstrip: it grows in its places, waits for the stage, and scrolls in its own box."""

from playwright.sync_api import expect

from tests.e2e.stage.conftest import (
    Stage,
    give,
    pixels,
    places,
    playing,
    sent,
)


def test_the_filmstrip_grows_in_its_places(stage: Stage) -> None:
    page = playing(stage(1000), **{str(update): sent(update, [10 + update]) for update in range(1, 40)})
    before = places(page, ".lab-film, .lab-film-place")
    assert before[0] and before[0]["height"] <= 92
    for strip in ([0], [0, 3], [0, 3, 6, 9, 12, 15, 18, 21, 24], [0, 6, 12, 18, 24]):
        page.evaluate("(strip) => lab.film.update({ strip, newest: strip.at(-1) })", strip)
        expect(page.locator(".lab-film-outcome").filter(has_text="return")).to_have_count(len(strip))
        assert places(page, ".lab-film, .lab-film-place") == before
    assert page.evaluate("lab.asked") == [str(update) for update in (0, 3, 6, 9, 12, 15, 18, 21, 24)]
    assert pixels(page.locator(".lab-film canvas").nth(1))[..., 3].any()
    film = page.get_by_role("group", name="Earlier policies")
    film.get_by_role("button", name="update 12 return 22").click()
    film.get_by_role("button", name="now update 24").click()
    film.get_by_role("button", name="untrained return 120").click()
    assert page.evaluate("lab.picked") == [12, None, 0]
    pressed = film.locator("[aria-pressed=true]")
    page.evaluate("lab.film.mark(12)")
    expect(pressed).to_have_text("update 12 return 22")
    page.evaluate("lab.film.mark(null)")
    expect(pressed).to_have_text("now update 24")
    film.get_by_role("button", name="update 6 return 16").focus()
    page.evaluate("lab.film.update({ strip: [0, 1, 6], newest: 24 })")
    expect(film.get_by_role("button", name="update 6 return 16")).to_be_focused()


def test_the_filmstrip_waits_for_the_stage_and_tries_again(stage: Stage) -> None:
    page = playing(stage(), **{"1": sent(1), "2": sent(2)})
    page.evaluate("lab.hold('1'); lab.player.play(1); lab.film.update({ strip: [0, 2, 5], newest: 5 })")
    assert page.evaluate("lab.asked") == ["0", "1"]
    page.evaluate("lab.release()")
    expect(page.locator(".lab-film-outcome").filter(has_text="return")).to_have_count(2)
    page.wait_for_function("lab.asked.at(-1) === '5' && !lab.episodes.busy")
    give(page, {"5": sent(5)})
    page.clock.run_for(1000)
    expect(page.locator(".lab-film-outcome").filter(has_text="return")).to_have_count(3)


def test_the_filmstrip_scrolls_in_its_own_box_on_a_phone(stage: Stage) -> None:
    page = stage(358)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".lab-film").evaluate("(film) => film.scrollWidth > film.clientWidth")
