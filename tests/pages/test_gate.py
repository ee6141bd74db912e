"""Where the lab may be served, what its answers say, and what a page tells of an error: with real servers."""

import http.client
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pages.widgets import gate
from pg_core.runs.paths import ROOT
from tests.serving import Server, free_port


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True)]
    + [(other, False) for other in (None, "", "0.0.0.0", "::", "192.168.1.2", "lab.example.org", "127.0.0.1.nip.io")],
)
def test_only_loopback_addresses_are_loopback(address: str | None, expected: bool) -> None:
    assert gate.is_loopback(address) is expected


WEAK = '[auth]\ncookie_secret = "too short"\n'


@pytest.mark.parametrize(
    ("options", "environment", "secrets", "sentence"),
    [
        (["--server.address", "0.0.0.0"], {}, "", r"not served at the address 0\.0\.0\.0, where others could reach it"),
        ([], {"STREAMLIT_SERVER_ADDRESS": "::"}, "", "not served at the address ::, where others"),
        ([], {}, WEAK, "`cookie_secret` .* must have at least 32 characters, got 9"),
        ([], {}, "[auth", "Error parsing secrets file"),
        ([], {"PG_LAB_MAX_ACTIVE": "x"}, "", "`PG_LAB_MAX_ACTIVE` must be a number of at least 0, got 'x'"),
    ],
    ids=["wildcard", "environment", "weak secret", "broken secrets", "bad limit"],
)
def test_a_lab_that_is_not_safe_does_not_start(tmp_path: Path, options, environment, secrets, sentence) -> None:
    (tmp_path / "secrets.toml").write_text(secrets)
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(free_port()), *options]
    command += ["--secrets.files", str(tmp_path / "secrets.toml")] if secrets else []
    environment = {**os.environ, "PG_LAB_DATA": str(tmp_path / "data"), **environment}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert re.search(sentence, ended.stderr.strip().splitlines()[-1])
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "data").exists()  # nor a worker


def answer(server: Server, path: str, host: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    connection.request("GET", path, headers={"Host": host})
    return connection.getresponse()


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/lab/plotly/plotly.min.js", "/auth/login"])
def test_another_host_name_is_refused_and_every_answer_has_safe_headers(server: Server, path: str) -> None:
    for host, refused in (("127.0.0.1", False), ("localhost:80", False), ("evil.example.org", True), ("", True)):
        found = answer(server, path, host)
        assert (found.status == 400) is refused, host
        assert {name: found.headers[name] for name in gate.HEADERS} == gate.HEADERS


@pytest.mark.parametrize(
    ("origin", "host", "opens"),
    [
        (None, None, True),
        ("http://evil.example.org", None, False),
        ("null", None, False),
        ("http://evil.example.org", "evil.example.org", False),  # whose name points to this machine by now
    ],
)
def test_a_page_of_another_origin_gets_no_connection(server: Server, origin, host, opens) -> None:
    url = server.url.replace("http", "ws")
    sock = socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])))
    target = f"ws://{host}" if host else url
    stream = dict(sock=sock, origin=origin or server.url, proxy=None, compression=None)
    if opens:
        with connect(f"{target}/_stcore/stream", **stream):
            pass
    else:
        with pytest.raises(InvalidStatus) as refused, connect(f"{target}/_stcore/stream", **stream):
            pass
        assert refused.value.response.status_code in (400, 403)
    sock.close()
