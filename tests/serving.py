"""A server of the lab, and the browser that visits it: for the tests in a browser, and for what measures them."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from pg_core.runs.paths import ROOT

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    # Each window has two pages ready for what is typed into its address bar, which nobody does here.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup",
)  # fmt: skip


@dataclass(frozen=True)
class Server:
    """A running lab."""

    url: str
    data: Path
    process: subprocess.Popen[bytes]


def chromium() -> dict[str, Any]:
    """Return what Playwright is to launch: the machine's Chromium, best its headless shell, else its own."""
    return {"executable_path": next(filter(None, map(shutil.which, NAMES)), None), "args": [*FLAGS]}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    data: Path, *options: str, port: int | None = None, base: str = "", inside: Sequence[str] = (), **environment: str
) -> Server:
    """Serve the lab as the README says; return once it answers.

    Args:
        data: its folder; what it says is there, in server.log.
        options: more of `streamlit run`.
        port: None: a free one.
        base: its `server.baseUrlPath`.
        inside: a command that runs another, given after it.
        environment: more variables.

    Raises:
        RuntimeError: it does not start; with what it said.
    """
    port = port or free_port()
    address = ["--server.port", str(port), "--server.baseUrlPath", base]
    command = [*inside, sys.executable, "-m", "streamlit", "run", "app.py", *address, *options]
    log = data / "server.log"
    with log.open("ab") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "PG_LAB_DATA": str(data), **environment}, stdout=said, stderr=said
        )
    server = Server(f"http://127.0.0.1:{port}/{base}".rstrip("/"), data, process)
    while not _answers(f"{server.url}/_stcore/health"):
        if process.poll() is not None:
            raise RuntimeError(log.read_text())
        time.sleep(0.1)
    return server


@contextlib.contextmanager
def serve(data: Path, *options: str, **more: Any) -> Iterator[Server]:
    """Serve the lab, as `start` does, until it is left."""
    server = start(data, *options, **more)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except urllib.error.HTTPError as error:
        return error.code == 400  # it is served by another name
    except OSError:
        return False
    return True


async def greet(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer whatever is asked, as an ASGI application to put middleware before."""
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).accept()
    else:
        await PlainTextResponse("Hello.")(scope, receive, send)
