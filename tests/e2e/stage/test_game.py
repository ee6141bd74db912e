"""The game against a policy: its clock, its keys, its words, and that the lab plays it again, bit for bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from pg_core.learning import games
from pg_core.runs.paths import ROOT
from tests.e2e.stage.conftest import Stage, is_color, pixels

BALANCES = "(([x, v, angle, turn]) => angle + 0.3 * turn + 0.03 * x + 0.06 * v > 0 ? [0, 1] : [1, 0])"
LEANS = "(() => [0, 1])"  # always to the right
Play = Callable[..., Page]


@pytest.fixture
def game(stage: Stage) -> Play:
    """Open the page with a game against a policy of `probabilities`."""

    def open_one(probabilities: str = LEANS, limit: int = 500, **look: Any) -> Page:
        page = stage(**look)
        page.add_style_tag(path=ROOT / "assets/instrument/game.css")
        page.evaluate(
            """async ([probabilities, limit]) => {
                const { createGame } = await import("./instrument/game.js")
                document.body.innerHTML = "<main class='lab-micro-stage'><p>the stage</p></main>"
                document.body.style.paddingBottom = "2000px"
                Object.assign(lab, { opened: 0, played: [] })
                lab.game = createGame(document.querySelector("main"), {
                    onOpen: () => (lab.opened += 1), onEnd: (played) => lab.played.push(played),
                })
                lab.policy = { network: { probabilities: eval(probabilities) }, update: 7, agent: 2 }
                lab.game.of({ limit, scores: [] })
            }""",
            [probabilities, limit],
        )
        return page

    return open_one


def begun(page: Page, key: str = "ArrowRight") -> Page:
    page.evaluate("lab.game.against(lab.policy)")
    page.get_by_role("button", name="Beat the agent").press("Enter")
    page.keyboard.press(key)
    return page


def words(page: Page) -> Any:
    return page.locator(".lab-game-words")


def steps(page: Page) -> list[int]:
    [mine, its] = page.locator(".lab-game-count > :first-child").inner_text().split(" · ")
    return [int(mine.removeprefix("you ")), int(its.removeprefix("agent "))]


def test_it_waits_for_somebody_to_play_against_and_for_the_first_press(game: Play) -> None:
    page = game()
    button = page.get_by_role("button", name="Beat the agent")
    expect(button).to_be_disabled()
    page.evaluate("lab.game.against(lab.policy)")
    button.press("Enter")
    assert page.evaluate("lab.opened") == 1
    expect(page.get_by_text("the stage")).to_be_hidden()
    expect(page.get_by_text("agent 2, after update 7")).to_be_visible()
    expect(words(page)).to_contain_text("The first press starts.")
    page.evaluate("lab.game.against({ ...lab.policy, update: 0 })")
    expect(page.get_by_text("agent 2, untrained")).to_be_visible()
    page.clock.run_for(3000)
    assert steps(page) == [0, 0]
    page.keyboard.press("ArrowRight")
    page.clock.run_for(60)
    assert steps(page)[0] > 0


def test_fifty_steps_a_second_however_late_a_picture_is_and_none_while_nobody_sees_it(game: Play) -> None:
    page = begun(game(BALANCES), "d")
    page.clock.run_for(108)
    taken = steps(page)[1]
    assert taken in (4, 5, 6)
    page.clock.fast_forward(100)  # one picture, late
    assert steps(page)[1] - taken in (5, 6)
    taken = steps(page)[1]
    page.clock.fast_forward(5_000)
    assert steps(page)[1] - taken in (0, 1), "the page was not seen"


def test_the_last_direction_is_kept_and_each_key_means_one(game: Play) -> None:
    page = game()
    page.evaluate("Math.random = () => 0.5")  # upright at first: nobody falls before the last press
    begun(page, "ArrowLeft")
    for key in ("d", "a", "D", "A", "ArrowRight"):
        page.clock.run_for(40)
        page.keyboard.press(key)
    page.clock.run_for(40)
    page.get_by_role("button", name="to the left").dispatch_event("pointerdown")
    page.clock.run_for(40)
    expect(page.get_by_role("button", name="to the left")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="to the right").press("Enter")
    page.clock.run_for(4_000)
    [played] = page.evaluate("lab.played")
    runs = "".join(action for i, action in enumerate(played["visitor"]) if not i or played["visitor"][i - 1] != action)
    assert runs == "01010101"
    assert set(played["opponent"]) == {"1"}
    assert played["update"] == 7 and played["agent"] == 2


def test_the_lab_plays_the_same_game_bit_for_bit(game: Play) -> None:
    page = begun(game(BALANCES, limit=3_000))
    page.clock.run_for(61_000)
    [played] = page.evaluate("lab.played")
    mine, its = len(played["visitor"]), len(played["opponent"])
    assert its == 3_000, "for so long a bit that differs would not stay one"
    assert games.length(played["start"], played["opponent"], 3_000) == its
    assert games.length(played["start"], played["visitor"] + "01" * 9, 3_000) == mine
    states = page.evaluate(
        """async ({ start, opponent }) => {
            const { step } = await import("./instrument/cart_pole.js")
            return [...opponent].reduce((states, action) => [...states, step(states.at(-1), Number(action))], [start])
        }""",
        played,
    )
    state = tuple(played["start"])
    for action, theirs in zip(played["opponent"], states[1:], strict=True):
        state = games.step(state, action == "1")
        assert list(state) == theirs


@pytest.mark.parametrize(
    ("key", "policy", "limit", "result"),
    [
        ("d", BALANCES, 60, "the agent for all 60 steps: the agent wins."),
        ("d", BALANCES, 5, "You held the pole up for all 5 steps, the agent for all 5 steps: a draw."),
        ("a", LEANS, 500, ": "),
    ],
)
def test_what_came_of_it_is_said_in_words(game: Play, key: str, policy: str, limit: int, result: str) -> None:
    page = begun(game(policy, limit=limit), key)
    expect(words(page)).to_be_empty()
    page.clock.run_for(800)
    if limit == 60:
        expect(words(page)).to_have_text("You fell: the agent goes on.")
    page.clock.run_for(2_000)
    expect(words(page)).to_contain_text(result)
    expect(words(page)).to_have_attribute("aria-live", "polite")
    [played] = page.evaluate("lab.played")
    assert steps(page) == [len(played["visitor"]), len(played["opponent"])]
    expect(page.get_by_role("button", name="Play again")).to_be_focused()
    page.keyboard.press("Enter")
    assert steps(page) == [0, 0]
    expect(page.get_by_role("button", name="Play again")).to_be_hidden()


def test_escape_ends_it_and_nothing_is_told(game: Play) -> None:
    page = begun(game(BALANCES))
    page.clock.run_for(100)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Beat the agent")).to_be_focused()
    expect(page.get_by_text("the stage")).to_be_visible()
    page.clock.run_for(20_000)
    assert page.evaluate("lab.played") == []


def test_arrows_scroll_the_page_only_where_nobody_plays(game: Play) -> None:
    page = begun(game(BALANCES))
    for key in ("ArrowDown", "ArrowRight", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
    page.clock.run_for(100)
    assert page.evaluate("scrollY") == 0
    prevented = """() => {
        const event = new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true, cancelable: true })
        return !document.activeElement.dispatchEvent(event)
    }"""
    assert page.evaluate(prevented)
    page.keyboard.press("Escape")
    assert not page.evaluate(prevented)
    page.keyboard.press("ArrowRight")  # does not play
    assert page.evaluate("lab.opened") == 1


def test_both_are_drawn_and_the_agent_is_a_ghost(game: Play) -> None:
    page = begun(game(BALANCES), "a")
    page.clock.run_for(700)
    picture = pixels(page.get_by_role("img"))
    front = np.nonzero(is_color(picture, (0, 104, 163)))
    assert front[0].size and np.median(front[1]) < picture.shape[1] / 2, "pushed to the left"
    # 60 % of the colour of the pole in front, on the background
    ghost = (np.abs(picture[..., :3] - [97, 160, 197]).max(axis=-1) <= 2) & (picture[..., 3] == 255)
    assert ghost.sum() > 100


def test_it_is_played_where_motion_is_reduced(game: Play) -> None:
    page = begun(game(BALANCES, still=True))
    page.clock.run_for(200)
    assert steps(page)[1] >= 8


def test_without_anybody_to_play_against_a_game_ends(game: Play) -> None:
    page = begun(game(BALANCES))
    page.evaluate("lab.game.against(null)")
    expect(page.get_by_role("button", name="Beat the agent")).to_be_disabled()
    page.evaluate("lab.game.of(null)")
    expect(page.get_by_role("button", name="Beat the agent")).to_be_hidden()
    page.evaluate("lab.game.destroy()")
    assert page.locator("main > *").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_axe_violation_and_large_buttons(game: Play, scheme: str) -> None:
    page = game(limit=8, width=358, scheme=scheme)
    scores = [{"update": i, "agent": 0, "visitor_steps": 90 - i, "opponent_steps": 500} for i in range(5)]
    page.evaluate("(scores) => lab.game.of({ limit: 8, scores })", scores)
    begun(page)
    page.clock.run_for(300)
    expect(page.locator(".lab-game-scores tbody tr").first).to_have_text("agent 0, untrained90500")
    for side in ("left", "right"):
        where = page.get_by_role("button", name=f"to the {side}").bounding_box()
        assert where and where["width"] > 150 and where["height"] >= 64
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.clock.resume()
    found = Axe().run(page).response["violations"]
    serious = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    assert [f"{rule['id']}: {node['html'][:200]}" for rule in serious for node in rule["nodes"]] == []
