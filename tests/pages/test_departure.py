"""A server ends when it is told to, whoever goes on asking."""

import http.client
import signal
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.serving import start

HANDSHAKE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_who_comes_at_the_very_moment_is_answered_once_or_refused(tmp_path: Path, told: signal.Signals) -> None:
    server = start(tmp_path)
    try:
        asks, converses = (http.client.HTTPConnection(urlsplit(server.url).netloc) for _ in range(2))
        server.process.send_signal(signal.SIGSTOP)
        asks.connect()
        converses.connect()
        server.process.send_signal(told)
        time.sleep(0.2)  # its turn to look whether it is to end, ten times a second, comes with the connections
        server.process.send_signal(signal.SIGCONT)
        asks.request("GET", "/_stcore/health")
        converses.request("GET", "/_stcore/stream", headers=HANDSHAKE)
        answer = asks.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (200, "close")
        answer.read()
        assert converses.getresponse().status == 403
        server.process.wait()
    finally:
        server.process.kill()
