"""A real server with a store of its own, and a real browser."""

import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    WebSocketRoute,
    expect,
    sync_playwright,
)

from pg_core.config import Config
from pg_core.runs.store.store import Store
from tests.serving import Server, chromium

PATIENCE_MS = 90_000  # a bound for a hung test on a busy machine, not a target

expect.set_options(timeout=PATIENCE_MS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show what was on the open pages when a test failed, and what they and the server had said."""
    report = yield
    if report.failed and report.when == "call":
        pages = [page for context in item.funcargs["browser"].contexts for page in context.pages]
        report.sections.append(("pages", "\n\n".join(map(_shown, pages))))
        data = item.funcargs["server"].data if "server" in item.funcargs else item.funcargs["tmp_path"]
        report.sections.append(("server.log", (data / "server.log").read_text()[-4000:]))
    return report


def _shown(page: Page) -> str:
    """Return what is on a page, what its console says, and which of its requests have no answer."""
    answered = page.evaluate("() => performance.getEntriesByType('resource').map(({ name }) => name)")
    unanswered = [asked.url for asked in page.requests() if asked.url not in [page.url, *answered]]
    said = [f"{told.type}: {told.text}" for told in page.console_messages()]
    script = page.evaluate("() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState")
    return "\n".join([page.locator("body").aria_snapshot(), f"- script: {script}", *said, "unanswered:", *unanswered])


@pytest.fixture
def store(server: Server) -> Store:
    return Store(server.data)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium once."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Keep what the pages load: of what the lab's pages show, a browser knows nothing but the address."""
    context = browser.new_context()
    yield context
    context.close()


Open = Callable[..., Page]


@pytest.fixture
def open_page(context: BrowserContext, server: Server) -> Iterator[Open]:
    """Open a page of the lab: `open_page(path, width=1440, height=900, scheme="light")`; errors fail the test.

    So does every error in the browser's console that `excused` is not in. After each message of the browser arrives
    what `followed` makes of it. The tabs of earlier tests are opened again: their process has compiled the scripts.
    Unless a test is about `motion`, the stage shows stills: to paint fifty a second takes a seventh of a processor.
    """
    excuses: dict[Page, str] = {}
    routed, errors = [], []

    def note(told: ConsoleMessage) -> None:
        if told.type == "error" and excuses.get(told.page, "\0") not in told.text:
            errors.append(f"{told.text} {told.location['url']}")

    def follow(page: Page, followed: Callable[[bytes], Sequence[bytes]]) -> None:
        def send(server: WebSocketRoute, message: bytes) -> None:
            for each in (message, *followed(message)):
                server.send(each)

        def route(page: WebSocketRoute) -> None:
            server = page.connect_to_server()
            page.on_message(lambda message: send(server, message))

        page.route_web_socket("**/_stcore/stream", route)
        routed.append(page)

    def open_one(
        path: str = "", width: int = 1440, height: int = 900, scheme: str = "light",
        followed: Callable[[bytes], Sequence[bytes]] | None = None, excused: str = "\0", motion: bool = False,
    ) -> Page:  # fmt: skip
        page = next((tab for tab in context.pages if tab not in excuses), None) or context.new_page()
        page.bring_to_front()  # a tab behind another is painted once a second
        excuses[page] = excused
        show(page, width, height, scheme)
        page.emulate_media(reduced_motion="no-preference" if motion else "reduce")
        page.set_default_timeout(PATIENCE_MS)
        if followed:
            follow(page, followed)
        page.goto(f"{server.url}/{path}")
        page.wait_for_selector("[data-testid=stApp][data-test-connection-state=CONNECTED]")
        return page

    told = {
        "weberror": lambda error: errors.append(str(error.error)),
        "console": note,
        "requestfailed": lambda request: errors.append(request.url) if server.url not in request.url else None,
    }
    for event, listener in told.items():
        context.on(event, listener)
    yield open_one
    for event, listener in told.items():
        context.remove_listener(event, listener)
    for page in excuses:
        leave(page)
    for page in routed:
        page.close()  # a route to a socket ends with its page
    assert not errors, "JavaScript errors, or requests to another origin"


@pytest.fixture
def run(request: pytest.FixtureRequest, store: Store) -> str:
    """Return the run that has a module's settings `RUN`."""
    return trained(store, request.module.RUN)


def trained(store: Store, config: Config) -> str:
    """Return a run with these settings that the lab has trained to its end: one for all tests that only look at it."""
    sought = (config, "finished", None)
    run = next((run.id for run in store.runs() if (run.config, run.state, run.parent_id) == sought), None)
    run = run or store.create(config)
    while (state := store.run(run).state) != "finished":
        assert state in ("queued", "starting", "running"), store.run(run).reason
        time.sleep(0.05)
    return run


def show(page: Page, width: int, height: int, scheme: str) -> None:
    """Show a page in another window and theme."""
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)


def leave(page: Page) -> None:
    """Leave a tab as a new one is, but for the process that shows it."""
    page.unroute_all()
    page.bring_to_front()
    page.mouse.move(0, 0)
    page.goto("about:blank")
