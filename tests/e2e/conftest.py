"""A real server with a store of its own, and a real browser."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, expect, sync_playwright

from pg_core.runs.store.store import Store
from tests.serving import Server, chromium

PATIENCE_MS = 90_000  # a bound for a hung test on a busy machine, not a target

expect.set_options(timeout=PATIENCE_MS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show what was on the open pages when a test failed, and what the server had said."""
    report = yield
    if report.failed and report.when == "call":
        pages = [page for context in item.funcargs["browser"].contexts for page in context.pages]
        shown = "\n\n".join(page.locator("body").aria_snapshot() for page in pages)
        report.sections.append(("pages", shown))
        data = item.funcargs["server"].data if "server" in item.funcargs else item.funcargs["tmp_path"]
        report.sections.append(("server.log", (data / "server.log").read_text()[-4000:]))
    return report


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
    what `followed` makes of it.
    """
    pages, errors = [], []

    def open_one(
        path: str = "", width: int = 1440, height: int = 900, scheme: str = "light",
        followed: Callable[[bytes], Sequence[bytes]] = lambda _: (), excused: str = "\0",
    ) -> Page:  # fmt: skip
        def note(text: str) -> None:
            if excused not in text:
                errors.append(text)

        def send(server: WebSocketRoute, message: bytes) -> None:
            for each in (message, *followed(message)):
                server.send(each)

        def route(page: WebSocketRoute) -> None:
            server = page.connect_to_server()
            page.on_message(lambda message: send(server, message))

        page = context.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.set_default_timeout(PATIENCE_MS)
        page.route_web_socket("**/_stcore/stream", route)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda told: note(told.text) if told.type == "error" else None)
        page.on("requestfailed", lambda request: errors.append(request.url) if server.url not in request.url else None)
        page.goto(f"{server.url}/{path}")
        page.wait_for_selector("[data-testid=stApp][data-test-connection-state=CONNECTED]")
        return page

    yield open_one
    for page in pages:
        page.close()
    assert not errors, "JavaScript errors, or requests to another origin"
