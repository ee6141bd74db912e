"""Where the lab may be served, what its answers say, and what a page tells of an error: with real servers."""

import contextlib
import http.client
import json
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.types import Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.web.server.server_util import AUTH_COOKIE_NAME
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value, generate_xsrf_token_string
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response
from websockets.sync.client import ClientConnection, connect

from pages.widgets import addresses, gate, instrument
from pg_core.runs.paths import ROOT
from tests.serving import Server, free_port, greet, serve


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True)]
    + [(other, False) for other in (None, "", "0.0.0.0", "::", "192.168.1.2", "lab.example.org", "127.0.0.1.nip.io")],
)
def test_only_loopback_addresses_are_loopback(address: str | None, expected: bool) -> None:
    assert gate.is_loopback(address) is expected


WEAK = '[auth]\ncookie_secret = "too short"\n'


@pytest.mark.parametrize(
    ("options", "environment", "told", "sentence"),
    [
        (["--server.address", "0.0.0.0"], {}, "", r"not served at the address 0\.0\.0\.0, where others could reach it"),
        ([], {"STREAMLIT_SERVER_ADDRESS": "::"}, "", "not served at the address ::, where others"),
        ([], {}, WEAK, "`cookie_secret` .* must have at least 32 characters, got 9"),
        ([], {}, "[auth", "Error parsing secrets file"),
        ([], {"PG_LAB_MAX_ACTIVE": "x"}, "", "`PG_LAB_MAX_ACTIVE` must be a number of at least 0, got 'x'"),
    ],
    ids=["wildcard", "environment", "weak secret", "broken secrets", "bad limit"],
)
def test_a_lab_that_is_not_safe_does_not_start(tmp_path: Path, options, environment, told, sentence) -> None:
    (tmp_path / "secrets.toml").write_text(told)
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(free_port()), *options]
    command += ["--secrets.files", str(tmp_path / "secrets.toml")] if told else []
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


def stream(server: Server, origin: str, host: str | None = None, path: str = "/_stcore/stream") -> ClientConnection:
    """Open the WebSocket of a page, as a browser does that takes `host` for the name of this machine."""
    port = urlsplit(server.url).port
    url = f"ws://{host or f'127.0.0.1:{port}'}{path}"
    return connect(url, sock=socket.create_connection(("127.0.0.1", port)), origin=origin, proxy=None, compression=None)


def refusal(server: Server, origin: str, *where: str) -> Response:
    with pytest.raises(InvalidStatus) as refused, stream(server, origin, *where):
        pass
    return refused.value.response


def foreign(server: Server) -> list[str]:
    """Return origins that are not the lab's, though some are of its machine."""
    port = urlsplit(server.url).port
    same_machine = [f"http://127.0.0.1:{port + 1}", "http://127.0.0.1", f"http://localhost:{port}", "http://localhost"]
    return [*same_machine, f"https://127.0.0.1:{port}", "null", "", "http://evil.example.org", f"{server.url}/"]


def test_a_page_of_another_origin_gets_no_connection(server: Server) -> None:
    for origin in foreign(server):
        assert refusal(server, origin).status_code == 403, origin
    # whose name points to this machine by now
    assert refusal(server, "http://evil.example.org", "evil.example.org").status_code == 400
    localhost = f"localhost:{urlsplit(server.url).port}"
    for origin, host in ((server.url, None), (f"http://{localhost}", localhost)):
        with stream(server, origin, host):
            pass


def test_connections_have_safe_headers_whether_or_not_they_are_refused(server: Server) -> None:
    host, evil = urlsplit(server.url).netloc, "http://evil.example.org"
    for status, *asked in (
        (403, evil),
        (400, evil, "evil.example.org"),
        (403, server.url, host, "/nowhere"),  # a close before the handshake, for which Streamlit has more reasons
    ):
        found = refusal(server, *asked)
        assert found.status_code == status
        assert {name: found.headers.get(name) for name in gate.HEADERS} == gate.HEADERS, asked
    with stream(server, server.url) as page:
        assert {name: page.response.headers.get(name) for name in gate.HEADERS} == gate.HEADERS


def test_pages_that_are_refused_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    visitor = TestClient(gate.OwnOrigin(greet))
    for number in range(2 * gate.MAX_WARNINGS):
        for _ in range(2):
            assert visitor.get("/", headers={"Origin": f"http://evil{number}.example.org"}).status_code == 403
    assert len({record.message for record in caplog.records}) == len(caplog.records) == gate.MAX_WARNINGS


ASKED = [
    *[(method, "/_stcore/upload_file/session/file") for method in ("PUT", "POST", "DELETE", "OPTIONS")],
    *[("GET", path) for path in ("/", "/_stcore/health", "/media/x.png", "/lab/plotly/plotly.min.js")],
    ("GET", f"/{instrument.SCRIPTS_ROUTE}/instrument.js"),
    ("GET", f"/{addresses.ROUTE}/x"),
]


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_a_page_of_another_origin_gets_no_answer(server: Server, method: str, path: str) -> None:
    def ask(*origins: str) -> str:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        connection.putrequest(method, path)
        for origin in origins:
            connection.putheader("Origin", origin)
        connection.endheaders()
        found = connection.getresponse()
        return f"{found.status} {found.read().decode(errors='replace')}"

    for origin in foreign(server):
        for origins in ([origin], [origin, server.url], [server.url, origin]):
            assert ask(*origins).startswith(f"403 A page of {origin} is refused: the lab is at {server.url}.")
    for origins in ([], [server.url]):
        assert "is refused" not in ask(*origins)


@pytest.mark.parametrize(
    ("proxy", "forwarded", "own"),
    [
        ("127.0.0.1", "https", "https://localhost"),
        ("127.0.0.1", "http", "http://localhost"),
        ("127.0.0.1", None, "http://localhost"),
        ("192.0.2.1", "https", "http://localhost"),  # a stranger
    ],
)
def test_a_proxy_says_whether_the_browser_speaks_tls(proxy: str, forwarded: str | None, own: str) -> None:
    app = ProxyHeadersMiddleware(gate.OwnOrigin(greet))  # with which uvicorn serves
    visitor = TestClient(app, "http://localhost", client=(proxy, 1))
    for origin in ("http://localhost", "https://localhost"):
        headers = {"Origin": origin} | ({"X-Forwarded-Proto": forwarded} if forwarded else {})
        assert (visitor.get("/", headers=headers).status_code == 200) is (origin == own)
        refused = contextlib.nullcontext() if origin == own else pytest.raises(WebSocketDenialResponse)
        with refused, visitor.websocket_connect("ws://localhost/", headers=headers):
            pass


LOGIN = """
[auth]
redirect_uri = "https://lab.example.org/oauth2callback"
cookie_secret = "{secret}"
client_id = "lab"
client_secret = "{secret}"
server_metadata_url = "http://127.0.0.1:9/nobody-asks-there"
"""


SECRET = secrets.token_hex(32)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A lab with a log-in."""
    data = tmp_path_factory.mktemp("lab")
    (data / "secrets.toml").write_text(LOGIN.format(secret=SECRET))
    with serve(data, "--secrets.files", str(data / "secrets.toml")) as server:
        yield server


ROUTES = """
import app

app.app._runtime = app.app._create_runtime()
for route in app.app._build_starlette_app().routes:
    print(route.path)
"""
PUBLIC = re.findall(r"^\| `(\w+) (/\S*)`.* \| (\d+) \|", (ROOT / "docs" / "deployment.md").read_text(), re.MULTILINE)


def test_what_is_public_is_documented(tmp_path: Path) -> None:
    environment = {**os.environ, "PG_LAB_DATA": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", ROUTES], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    routes = {path.split("{")[0].rstrip("/") for path in found.stdout.splitlines()}
    documented = [path.replace("VERSION", instrument.VERSION) for _, path, _ in PUBLIC]
    assert {max((route for route in routes if path.startswith(route)), key=len) for path in documented} == routes


@pytest.mark.parametrize(("method", "path", "status"), PUBLIC, ids=[path for _, path, _ in PUBLIC])
def test_who_has_not_logged_in_gets_what_is_documented(locked: Server, method: str, path: str, status: str) -> None:
    if status == "101":
        with stream(locked, locked.url) as page:
            assert page.response.status_code == 101
        return
    connection = http.client.HTTPConnection(urlsplit(locked.url).netloc)
    connection.request(method, path.replace("VERSION", instrument.VERSION))
    assert connection.getresponse().status == int(status)


@pytest.mark.parametrize(
    ("secret", "claims", "status"),
    [
        (SECRET, {"is_logged_in": True, "iss": "https://accounts.example.org", "sub": "1"}, 404),  # it is looked for
        (SECRET, {"is_logged_in": False, "iss": "https://accounts.example.org", "sub": "1"}, 403),
        (SECRET, {"is_logged_in": True}, 403),
        ("x", {"is_logged_in": True, "iss": "https://accounts.example.org", "sub": "1"}, 403),
    ],
    ids=["logged in", "logged out", "nobody", "forged"],
)
def test_downloads_are_for_who_has_logged_in(locked: Server, secret: str, claims: dict, status: int) -> None:
    cookie = create_signed_value(secret, AUTH_COOKIE_NAME, json.dumps(claims)).decode()
    assert download(locked, f"{AUTH_COOKIE_NAME}={cookie}") == status


def download(server: Server, cookie: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    connection.request("GET", "/media/x.bin", headers={"Cookie": cookie})
    return connection.getresponse().status


WAY_IN = b"Log in to see runs"


class Tab:
    """A page of a browser in which Ann has logged in."""

    def __init__(self, server: Server, login: str, tabs: contextlib.ExitStack) -> None:
        token = generate_xsrf_token_string()
        options: Any = {"subprotocols": ["streamlit", token], "proxy": None, "max_queue": None}
        options["additional_headers"] = {"Cookie": f"_streamlit_xsrf={token}; {login}"}
        url = f"{server.url.replace('http', 'ws')}/_stcore/stream"
        self._connection = tabs.enter_context(connect(url, origin=server.url, **options))

    def press(self, page: str = "") -> bytes:
        """Have the script run, of the Train page or another; return what it draws."""
        asked = BackMsg()
        asked.rerun_script.page_name = page
        self._connection.send(asked.SerializeToString())
        return self.drawn()

    def drawn(self) -> bytes:
        """Return what the next run of the script draws."""
        message, messages = ForwardMsg(), []
        while message.script_finished != ForwardMsg.FINISHED_SUCCESSFULLY or not message.HasField("script_finished"):
            messages.append(self._connection.recv(timeout=30))
            message.ParseFromString(messages[-1])
        return b"".join(messages)


def login(server: Server, browser: str) -> str:
    """Return the cookie of Ann's log-in in a browser."""
    claims = {"origin": server.url, "is_logged_in": True, "iss": "https://id", "sub": "ann", "nonce": browser}
    return f"{AUTH_COOKIE_NAME}={create_signed_value(SECRET, AUTH_COOKIE_NAME, json.dumps(claims)).decode()}"


def test_a_log_out_is_one_of_all_tabs_of_the_browser(locked: Server) -> None:
    def log_out(cookie: str) -> None:
        connection = http.client.HTTPConnection(urlsplit(locked.url).netloc)
        connection.request("GET", "/auth/logout", headers={"Cookie": cookie})
        assert connection.getresponse().status == 302

    here, there = login(locked, "here"), login(locked, "there")
    with contextlib.ExitStack() as tabs:
        one, other, elsewhere = (Tab(locked, cookie, tabs) for cookie in (here, here, there))
        assert not any(WAY_IN in tab.press() for tab in (one, other, elsewhere))
        log_out("")  # who has no log-in ends none
        assert not any(WAY_IN in tab.press() for tab in (one, other, elsewhere))
        log_out(here)
        assert WAY_IN in one.drawn() and WAY_IN in other.drawn()
        assert WAY_IN in one.press() and WAY_IN in other.press()
        assert WAY_IN not in elsewhere.press()
        assert WAY_IN not in Tab(locked, there, tabs).press()
        for copied in (here, f"{here}; {AUTH_COOKIE_NAME}_1=x"):
            assert WAY_IN in Tab(locked, copied, tabs).press()
            assert download(locked, copied) == 403
        assert download(locked, f"{here}; {there}") == 404, "who has logged in again is somebody"


@pytest.mark.parametrize(("path", "number"), [("/_stcore/health", 1), ("/auth/logout", 2)])
@pytest.mark.parametrize(("scheme", "is_secure"), [("https", True), ("http", False)])
def test_cookies_are_secure_where_the_browser_speaks_tls(
    locked: Server, path: str, number: int, scheme: str, is_secure: bool
) -> None:
    connection = http.client.HTTPConnection(urlsplit(locked.url).netloc)
    connection.request("GET", path, headers={"X-Forwarded-Proto": scheme})
    found = connection.getresponse().headers.get_all("Set-Cookie")
    assert [("Secure" in cookie.split("; ")) for cookie in found] == [is_secure] * number


def test_a_cookie_is_not_made_secure_twice() -> None:
    async def sets(scope: Scope, receive: Receive, send: Send) -> None:
        response = PlainTextResponse("secure")
        response.set_cookie("one", "secure", secure=True)
        response.set_cookie("two", "secure")
        await response(scope, receive, send)

    cookies = TestClient(gate.SafeHeaders(sets), "https://localhost").get("/").headers.get_list("Set-Cookie")
    assert [cookie.lower().count("; secure") for cookie in cookies] == [1, 1]


SPY = """
import os, sys

def note(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[0] if event.startswith("socket.get") else args[1]
        host = address[0] if isinstance(address, tuple) else address
        if isinstance(host, str) and not host.startswith(("127.", "localhost", "0.0.0.0", "/")):
            with open(os.environ["SPIED"], "a") as file:
                print(event, host, file=file)

sys.addaudithook(note)
"""


def test_the_lab_asks_nobody_outside(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SPY)
    spied, data = tmp_path / "spied", tmp_path / "data"
    spied.touch()
    data.mkdir()
    more = {"PYTHONPATH": str(tmp_path), "SPIED": str(spied), "PG_LAB_ALLOW_ANYONE": "1"}
    with serve(data, "--server.address", "0.0.0.0", **more) as server:  # as in a container
        for number in range(100):
            refusal(server, f"http://evil{number}.example.org")
        with stream(server, server.url):
            pass
    assert spied.read_text() == ""
    assert server.url in (data / "server.log").read_text()  # where it is to be opened
