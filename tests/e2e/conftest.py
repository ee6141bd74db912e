"""A real server with a store of its own, and a real browser."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PATIENCE_MS = 90_000  # a bound for a hung test on a busy machine, not a target

expect.set_options(timeout=PATIENCE_MS)


@dataclass(frozen=True)
class Server:
    """A running lab."""

    url: str
    data: Path
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the lab's folder."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Server]:
    """Serve the lab as the README says, on a free port and with an empty store."""
    with serve(data, free_port()) as server:
        yield server


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serve(data: Path, port: int, *options: str, **environment: str) -> Iterator[Server]:
    """Serve the lab until it is left."""
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), *options]
    log = (data / "server.log").open("wb")
    environment = {**os.environ, "PG_LAB_DATA": str(data), **environment}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as process:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(url, process)
        yield Server(url, data, process)
        process.terminate()
        process.wait(30)


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("The server did not start.")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium once."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[Open]:
    """Open a page of the lab: `open_page(path, width=1440, height=900, scheme="light")`; errors fail the test."""
    contexts, errors = [], []

    def open_one(path: str = "", width: int = 1440, height: int = 900, scheme: str = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("requestfailed", lambda request: errors.append(request.url) if server.url not in request.url else None)
        page.goto(f"{server.url}/{path}")
        page.wait_for_selector("[data-testid=stApp][data-test-connection-state=CONNECTED]")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not errors, "JavaScript errors, or requests to another origin"
