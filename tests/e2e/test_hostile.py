"""What strangers write is text: no script, no request, no markup, no page that becomes wider than its window."""

import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from pg_core.config import Config
from pg_core.runs.store.schema import ARRAYS, RUNS, UPDATES, write
from pg_core.runs.store.store import Store
from tests.e2e.conftest import Open, show
from tests.e2e.test_runs import lines, select
from tests.serving import Server

NAMES = [
    "<img src=http://127.0.0.1:9/x onerror=\"window.__xss=1\"> <b>bold</b> <a href='javascript:window.__xss=1'>a</a>",
    "![x](http://127.0.0.1:9/x) [a](javascript:alert(1)) :red[x] :material/home: **x** `x` | x",
    "$\\href{javascript:alert(1)}{x}$ {name} %s %{x} <br> http://127.0.0.1:9/x www.example.org a@example.org",
    "W" * 80,
    "\u202eright to left\u202c \u200bzero\u200dwidth \x07bell \U0001f468\u200d\U0001f469\u200d\U0001f467",
]


@pytest.fixture(scope="module")
def hostile(server: Server) -> list[str]:
    """Runs of an update with such names, notes, tags and reasons; some could only be written by another program."""
    store, ids = Store(server.data), []
    sizes = {"episodic_returns": 2, "episodic_lengths": 2, "iqm": 3}
    update = {name: np.ones(sizes.get(name, 1), dtype).tobytes() for name, dtype in ARRAYS.items()}
    for number, name in enumerate(NAMES):
        config = Config(num_agents=1, episodes_per_update=2, learning_rate=0.01 / (number + 1))
        ids.append(store.create(config, "x"))
        labels = {"name": name, "note": name * 9, "tags": json.dumps([name, name[::-1]])}
        with write(store.engine) as connection:
            connection.execute(UPDATES.insert(), {"run_id": ids[-1], "update": 0, "seconds": 1.0, **update})
            state = {"state": "failed", "reason": f"Why: {name}", "updates": 1}
            connection.execute(RUNS.update().where(RUNS.c.id == ids[-1]).values(**labels, **state))
    return ids


def watch(page: Page) -> list[str]:
    """Return a list in which everything appears that must not happen."""
    seen: list[str] = []
    own = urlsplit(page.url).netloc

    def asked(url: str) -> None:
        if urlsplit(url).scheme.startswith(("http", "ws")) and urlsplit(url).netloc != own:
            seen.append(url)

    page.on("request", lambda request: asked(request.url))
    page.on("dialog", lambda dialog: (seen.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda message: seen.append(message.text) if "Content Security" in message.text else None)
    return seen


def harmless(page: Page, seen: list[str]) -> None:
    assert seen == []
    assert page.evaluate("window.__xss === undefined")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for markup in (
        "img[src*='127.0.0.1:9']",
        "[href^='javascript']",
        "a[href*='127.0.0.1:9']",
        "a[href*='example.org']",
    ):
        assert page.locator(markup).count() == 0, markup


def test_hostile_names_are_text_on_the_train_page_of_a_phone_and_of_a_desk(open_page: Open, hostile: list[str]) -> None:
    page = open_page()
    seen = watch(page)
    for run_id, name in zip(hostile, NAMES, strict=True):
        show(page, 390, 900, "light")
        page.goto(page.url.split("?")[0] + f"?run={run_id}")
        for width in (390, 1440):
            show(page, width, 900, "light")
            expect(page.locator(".lab-status")).to_contain_text(name)
            harmless(page, seen)


def test_hostile_names_are_text_on_the_runs_page(open_page: Open, hostile: list[str]) -> None:
    page = open_page("runs")
    seen = watch(page)
    for row in range(len(NAMES)):
        select(page, row)
        expect(page.get_by_label("Name", exact=True)).to_have_value(NAMES[-1 - row])
        harmless(page, seen)
        lines(page).nth(row).get_by_role("checkbox").uncheck()
        expect(page.get_by_label("Name", exact=True)).to_have_count(0)
    select(page, *range(len(NAMES)))
    expect(page.locator(".lab-compared-legend tbody th")).to_have_count(len(NAMES))
    for row in range(len(NAMES)):
        expect(lines(page).nth(row)).to_contain_text(NAMES[-1 - row])
    harmless(page, seen)


ACTS = {
    "press": lambda page: page.get_by_role("radio", name="5", exact=True).click(),
    "page": lambda page: page.reload(),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_an_unexpected_error_is_a_number_here_and_a_traceback_in_the_log(
    open_page: Open, hostile: list[str], server: Server, act: Callable[[Page], object]
) -> None:
    store = Store(server.data)
    page = open_page(f"?run={hostile[0]}")
    expect(page.locator(".lab-status")).to_contain_text("failed")
    with write(store.engine) as connection:
        connection.exec_driver_sql("UPDATE runs SET updates = 'no number' WHERE id = ?", (hostile[0],))
    act(page)
    told = page.get_by_text("This page met an error").first
    expect(told).to_be_visible()
    [number] = re.findall("Incident ([0-9a-f]{8})", told.inner_text())
    assert f"incident {number}" in (server.data / "errors.log").read_text()
    assert not any(word in page.inner_text("body") for word in ("Traceback", "no number", "pg_core", str(server.data)))
    with write(store.engine) as connection:
        connection.execute(RUNS.update().where(RUNS.c.id == hostile[0]).values(updates=1))


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Serve an empty page at another port of this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        threading.Thread(target=other.serve_forever).start()
        yield f"http://127.0.0.1:{other.server_port}"
        other.shutdown()


# What comes of a conversation, of questions and of an upload.
TRY = """async (lab) => {
    const converses = new Promise((resolve) => {
        const socket = new WebSocket(`${lab.replace("http", "ws")}/_stcore/stream`)
        socket.onopen = () => resolve("open")
        socket.onerror = () => resolve("refused")
    })
    const read = (path, options) => fetch(`${lab}${path}`, { credentials: "include", ...options })
        .then((answer) => answer.text()).catch(() => "refused")
    const upload = { method: "PUT", body: new FormData() }
    return [await converses, await read("/"), await read("/lab/plotly/plotly.min.js"),
        await read("/_stcore/upload_file/x/y", upload)]
}"""


@pytest.mark.parametrize("origin", ["port", "host", "null"])
def test_a_page_from_elsewhere_reads_nothing_of_the_lab_and_says_nothing_to_it(
    context: BrowserContext, server: Server, elsewhere: str, origin: str
) -> None:
    page = context.new_page()
    if origin == "null":
        page.goto("data:text/html,<body></body>")
    else:
        page.goto(elsewhere.replace("127.0.0.1", "localhost") if origin == "host" else elsewhere)
    assert page.evaluate(TRY, server.url) == ["refused"] * 4
    page.close()
