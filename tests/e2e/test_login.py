"""Logging in for real: two people and an administrator in three browsers, with a provider of log-ins beside them."""

import contextlib
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from pg_core.config import Config
from pg_core.runs.store.store import Store
from tests.e2e.conftest import PATIENCE_MS
from tests.e2e.provider import Provider
from tests.serving import Server, free_port, serve

PEOPLE: dict[str, dict[str, object]] = {
    "1": {"name": "Ann *A*", "email": "ann@example.org", "email_verified": True},
    "2": {"name": "Bob", "email": "admin@example.org", "email_verified": False},  # so Bob says
    "3": {"name": "Eve", "email": "admin@example.org", "email_verified": True},
}
SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "{secret}"
client_id = "lab"
client_secret = "lab"
server_metadata_url = "{url}/.well-known/openid-configuration"
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    provider = Provider(PEOPLE)
    yield provider
    provider.shutdown()
    provider.server_close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Server]:
    data, port = tmp_path_factory.mktemp("lab"), free_port()
    file = data / "secrets.toml"
    file.write_text(SECRETS.format(port=port, secret=secrets.token_hex(32), url=provider.url))
    with serve(data, "--secrets.files", str(file), port=port, PG_LAB_ADMINS="admin@example.org, nobody") as server:
        yield server


@contextlib.contextmanager
def visit(browser: Browser, server: Server, provider: Provider, person: str) -> Iterator[Page]:
    """Log a person in, in a browser of their own."""
    context = browser.new_context(reduced_motion="reduce")
    context.add_cookies([{"name": "person", "value": person, "url": provider.url}])
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{server.url}/runs?run={'0' * 32}")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    for other in (page.get_by_text("Runs", exact=True), page.get_by_role("dialog")):
        expect(other).to_have_count(0)  # nothing but the way in
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name=str(PEOPLE[person]["name"]))).to_be_visible()
    yield page
    context.close()


def test_only_the_owner_and_an_administrator_control_a_run(
    browser: Browser, server: Server, provider: Provider
) -> None:
    store = Store(server.data)
    with visit(browser, server, provider, "1") as ann, visit(browser, server, provider, "2") as bob:
        ann.goto(f"{server.url}/?pace=1&num_updates=5000")  # there is time to look at it
        expect(ann.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_have_count(1)
        ann.get_by_role("button", name="Train", exact=True).click()
        ann.wait_for_url("**/?*run=*")
        [run] = store.runs()
        assert run.owner == f"{provider.url} 1"
        expect(ann.locator(".lab-status")).to_contain_text("running")  # a run that has not begun cannot be forked
        with ann.expect_request("**/lab/live/*") as asked:
            pass
        address = asked.value.url
        assert ann.request.get(address).status == 200
        assert bob.request.get(address).status == 403
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address)
        bob.goto(f"{server.url}/?run={run.id}")
        expect(bob.locator(".lab-status")).to_contain_text(run.name)
        page = bob.get_by_test_id("stMainBlockContainer")
        for label in ("Pause", "One update", "Stop"):
            expect(page.get_by_role("button", name=label, exact=True)).to_be_disabled()
        ann.locator(".st-key-stop button:visible").click()
        expect(ann.locator(".lab-status")).to_contain_text("stopped")

        bob.goto(f"{server.url}/runs")
        select_first(bob)
        for label in ("Delete", "Save"):
            expect(bob.get_by_role("button", name=label)).to_be_disabled()
        expect(bob.get_by_role("button", name="Resume")).to_have_count(0)
        bob.get_by_role("button", name="Fork").click()
        bob.wait_for_url("**/?*run=*")
        [child] = [found for found in store.runs() if found.parent_id == run.id]
        assert child.owner == f"{provider.url} 2"
        expect(bob.locator(".lab-status")).to_contain_text("stopped")

        other_tab = bob.context.new_page()
        other_tab.goto(f"{server.url}/?run={run.id}")
        expect(other_tab.locator(".lab-status")).to_contain_text(run.name)
        bob.get_by_role("button", name="Bob").click()
        bob.get_by_role("button", name="Log out").click()
        for tab in (bob, other_tab):
            expect(tab.get_by_role("button", name="Log in")).to_be_visible()
        expect(other_tab.locator(".lab-status")).to_have_count(0)
        expect(ann.get_by_role("button", name="Ann *A*")).to_be_visible()


def test_an_administrator_deletes_what_others_started(browser: Browser, server: Server, provider: Provider) -> None:
    store = Store(server.data)
    for found in store.runs():
        store.transition(found.id, [found.state], deleted_at=1e12)
    run_id = store.create(Config(num_agents=1), "hers", "me", owner=f"{provider.url} 1")
    store.transition(run_id, ["starting"], state="stopped", process=None)
    with visit(browser, server, provider, "3") as eve:
        eve.goto(f"{server.url}/runs")
        select_first(eve)
        eve.locator(".st-key-actions").get_by_role("button", name="Export").click()
        with eve.expect_download() as download:
            eve.get_by_role("button", name="The whole run, to be imported again").click()
        assert download.value.failure() is None
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(download.value.url)
        eve.keyboard.press("Escape")
        eve.get_by_role("button", name="Delete").click()
        expect(eve.get_by_text("1 run deleted.")).to_be_visible()
        assert store.runs() == []


def select_first(page: Page) -> None:
    page.locator(".lab-runs-line").first.click()
