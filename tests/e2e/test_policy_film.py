"""The film of a run: taken away from the page of the policy, by keyboard alone."""

from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from pg_core.config import Config
from tests.e2e.conftest import Open

RUN = Config(pace=0, num_updates=3, max_episode_steps=50)  # short episodes make a short film


def test_a_film_is_taken_away_by_keyboard_alone(open_page: Open, run: str, tmp_path: Path) -> None:
    page = open_page(f"policy?run={run}&update=1")
    button = page.get_by_role("button", name="Film as WebP")
    expect(page.get_by_label("Policies of the film")).to_have_value("beside")
    page.get_by_label("Policies of the film").select_option("one after the other")
    button.focus()
    with page.expect_download() as download:
        button.press("Enter")
    path = tmp_path / "film.webp"
    download.value.save_as(path)
    assert download.value.suggested_filename.endswith(".webp")
    assert Image.open(path).n_frames > 1
    expect(button).to_be_focused()
    page.route("**/lab/live/**film=gif**", lambda route: route.fulfill(json={"error": "It cannot be drawn."}))
    page.get_by_role("button", name="Film as GIF").press("Enter")
    expect(page.get_by_text("It cannot be drawn.")).to_be_visible()
