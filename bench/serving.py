"""A server of the lab, and the browser that visits it, for the scripts that measure them."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import ROOT

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Server:
    """A running lab."""

    url: str
    process: subprocess.Popen[bytes]


def chromium() -> dict[str, Any]:
    """Return what Playwright launches."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    return {"executable_path": path, "args": ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]}


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Serve the lab with its data in a folder, on a free port; yield once it answers, and end it afterwards.

    Raises:
        RuntimeError: it does not start; with what it said.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    environment = {**os.environ, "PG_LAB_DATA": str(folder)}
    log = folder / "server.log"
    with (
        log.open("ab") as said,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=said) as process,
    ):
        server = Server(f"http://127.0.0.1:{port}", process)
        try:
            while not _answers(f"{server.url}/_stcore/health"):
                if process.poll() is not None:
                    raise RuntimeError(log.read_text())
                time.sleep(0.1)
            yield server
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except OSError:
        return False
    return True
