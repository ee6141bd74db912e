"""A server ends when it is told to, whoever goes on asking."""

import signal
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from pages.widgets import departure
from tests.serving import greet, start

HANDSHAKE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip
GONE = (0, "close")


@pytest.mark.parametrize("told", departure.SIGNALS)
def test_after_the_signal_each_answer_is_the_last_of_its_connection(told: signal.Signals) -> None:
    visitor, heard = TestClient(departure.LastAnswers(greet)), []
    before = signal.signal(told, lambda received, _: heard.append(received))
    try:
        with departure.noticed():
            with visitor.websocket_connect("/"):
                assert "Connection" not in visitor.get("/").headers
            signal.raise_signal(told)
            assert heard == [told], "its server hears of it, too"
            assert visitor.get("/").headers["Connection"] == "close"
            with pytest.raises(WebSocketDisconnect), visitor.websocket_connect("/"):
                pass
        assert "Connection" not in visitor.get("/").headers
        signal.raise_signal(told)
        assert heard == [told, told]
    finally:
        signal.signal(told, before)


def test_who_comes_at_the_very_moment_is_answered_once_or_refused(tmp_path: Path) -> None:
    server = start(tmp_path)
    try:
        asks, converses = (HTTPConnection(urlsplit(server.url).netloc) for _ in range(2))
        server.process.send_signal(signal.SIGSTOP)
        while psutil.Process(server.process.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)
        asks.connect()
        converses.connect()
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)  # its turn to look whether it is to end, ten times a second, comes with the connections
        server.process.send_signal(signal.SIGCONT)
        assert ask(asks, "/_stcore/health") in ((200, "close"), GONE)
        assert ask(converses, "/_stcore/stream", **HANDSHAKE)[0] in (403, GONE[0])
        server.process.wait()
    finally:
        server.process.kill()


def ask(connection: HTTPConnection, path: str, **headers: str) -> tuple[int, str | None]:
    """Return the status of an answer, and whether the connection ends with it."""
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
    except ConnectionError:  # after all it was there when the others were closed
        return GONE
    return answer.status, answer.getheader("Connection")
