"""Environments of somebody's own, of modules that the lab's owner has named, on the Train page."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Open
from tests.e2e.test_journey import button, state

TEN = "?env_id=tests.own.ten_environments:Ten/{}-v0&num_updates=3&num_agents=2&hidden_layers=8&pace=0"


def test_a_good_one_is_examined_trained_and_found_sound(open_page: Open) -> None:
    page = open_page(TEN.format("Corridor") + "&env_kwargs=start%3D2")
    page.get_by_text("Doctor", exact=True).click()
    doctor = page.locator(".st-key-doctor")
    expect(doctor).to_contain_text("Nobody has examined tests.own.ten_environments:Ten/Corridor-v0 here yet.")
    button(page, "Train").click()
    expect(state(page, "finished")).to_be_visible()
    expect(page.locator(".lab-status")).to_contain_text("update 3")
    page.reload()
    page.get_by_text("Doctor", exact=True).click()
    expect(doctor).to_contain_text("a softmax policy over 2 choices")
    expect(doctor).to_contain_text("It cannot be drawn: its curves are all there is to see.")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Raises", r"raised ValueError: bad shape \(tests/own/ten_environments\.py:\d+; examination, .*step 7\)"),
        ("NotANumber", r"returned a reward that is not finite, nan \(.*ten_environments\.py:\d+; .*step 4\)"),
        ("Exits", r"ended its process with exit status 3 \(examination, episode 1, step 5\)"),
    ],
)
def test_a_bad_one_is_not_trained_and_its_author_is_told_why(open_page: Open, name: str, said: str) -> None:
    page = open_page(TEN.format(name))
    button(page, "Train").click()
    expect(state(page, "failed")).to_be_visible()
    expect(page.get_by_text(re.compile(said)).first).to_be_visible()
    page.get_by_text("Doctor", exact=True).click()
    expect(page.locator(".st-key-doctor")).to_contain_text(re.compile(said))


@pytest.mark.parametrize(
    ("env_id", "said"),
    [
        ("tests.own.ten_environments:Ten/Pixels-v0", "with pictures, uint8 of shape (8, 8, 3)"),
        ("tests.own.faulty_environments:Raises-v0", "must not name a module that the lab's owner has not allowed"),
        ("os:CartPole-v1", "must not name a module that the lab's owner has not allowed"),
    ],
)
def test_one_that_cannot_be_trained_or_is_not_allowed_is_refused_and_not_taken(
    open_page: Open, env_id: str, said: str
) -> None:
    page = open_page(f"?env_id={env_id}")
    expect(page.locator(".st-key-problem")).to_contain_text(said)
    assert "env_id" not in page.url
