"""Noise and weights on the page of the policy: the pictures say in words what the run has stored."""

import re

import numpy as np
from playwright.sync_api import Page, expect

from pg_core.config import Config
from pg_core.runs.store.rows import ARRAYS
from pg_core.runs.store.store import Store
from tests.e2e.conftest import Open
from tests.e2e.test_look import settled, violations_in_each_look

UPDATES = 6
RUN = Config(pace=0, num_updates=UPDATES, episodes_per_update=5)


def noise(page: Page):
    return page.get_by_role("region", name="Noise of the gradient")


def short(number: float) -> str:
    """Write a number as the page does."""
    small = 0 < abs(number) < 1e-3
    return (f"{number:.1e}".replace("e-0", "e-") if small else f"{number:.3g}").replace("-", "−")


def test_the_arrows_say_the_update_s_noise_and_go_where_no_update_has_followed(
    open_page: Open, store: Store, run: str
) -> None:
    page = open_page(f"policy?run={run}&update=2&agent=1")
    [update] = store.updates(run, ["grad_snr", "explained_variance"], 2, 1)
    snr, explained = (
        short(np.frombuffer(getattr(update, name), ARRAYS[name])[1]) for name in ("grad_snr", "explained_variance")
    )
    expect(noise(page)).to_contain_text(f"As the run learns: signal-to-noise {snr};")
    expect(noise(page)).to_contain_text(f"explained variance {explained}:")
    expect(noise(page).get_by_role("img", name="As the run learns: the gradients of 5 episodes")).to_be_visible()
    without = noise(page).get_by_role("img", name="Without baseline: the gradients of 5 episodes")
    words = without.get_attribute("aria-label")
    page.get_by_role("slider", name="Update", exact=True).press("ArrowRight")
    expect(without).not_to_have_attribute("aria-label", str(words))
    page.get_by_role("slider", name="Update", exact=True).press("End")
    expect(noise(page)).to_be_hidden()


def test_the_weights_are_those_of_the_policies_that_are_kept(open_page: Open, store: Store, run: str) -> None:
    page = open_page(f"policy?run={run}&update=2&agent=1")
    weights = page.get_by_role("region", name="Weights of the policy")
    for update, agent in ((2, 1), (3, 1), (3, 0)):
        page.get_by_label("Agent", exact=True).select_option(str(agent))
        if (update, agent) == (3, 1):
            page.get_by_role("slider", name="Update", exact=True).press("ArrowRight")
        at, policy = store.policy(run, update) or (None, {})
        assert at == update
        middle, low, high = map(short, np.quantile(policy["kernel_1"][agent], [0.5, 0.25, 0.75]))
        words = f"Weights of layer 2 after update {update}: median {middle}, half of them from {low} to {high}"
        expect(weights.get_by_role("img", name=words)).to_be_visible()
        sizes = np.abs(policy["kernel_0"][agent]).mean(axis=1)
        strongest = f"{('x', 'ẋ', 'θ', 'θ̇')[int(np.argmax(sizes))]} {short(sizes.max())}"
        expect(weights.get_by_role("img", name=f"mean size of those of {strongest}")).to_be_visible()


def test_it_is_accessible_in_each_look_and_nothing_sticks_out(open_page: Open, run: str) -> None:
    page = open_page(f"policy?run={run}&update=2", width=390, height=844)
    expect(noise(page)).to_contain_text("signal-to-noise")
    expect(page.get_by_role("img", name=re.compile("Weights of layer 1"))).to_be_visible()
    settled(page, "")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations_in_each_look(page, "") == {}
