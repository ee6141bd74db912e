"""No secret is in what the lab writes, says or draws, nor in the command lines of its processes."""

import contextlib
import http.client
import signal
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests.pages.test_gate import LOGIN, SECRET, Tab, login
from tests.postgresql import PASSWORD, PostgreSQL
from tests.serving import Server, serve

CODE = "4f5e1c0de"  # a token in addresses


def ask(server: Server, path: str, cookie: str) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    connection.request("GET", path, headers={"Cookie": cookie})
    return connection.getresponse().read()


def test_secrets_are_kept(tmp_path: Path, postgresql: PostgreSQL) -> None:
    secrets, data = tmp_path / "secrets.toml", tmp_path / "data"
    secrets.write_text(LOGIN.format(secret=SECRET))
    data.mkdir()
    url = postgresql.empty().render_as_string(hide_password=False)
    with (
        serve(data, "--secrets.files", str(secrets), PG_LAB_DATABASE_URL=url) as server,
        contextlib.ExitStack() as tabs,
    ):
        cookie = login(server, "hers")
        paths = "auth/login", f"oauth2callback?state={CODE}&code={CODE}", f"lab/live/{CODE}", f"media/{CODE}"
        said = [ask(server, f"/{path}", cookie) for path in paths]
        tab = Tab(server, cookie, tabs)
        said.append(tab.press())
        process = psutil.Process(server.process.pid)
        lines = ["\0".join(one.cmdline()).encode() for one in (process, *process.children(recursive=True))]
        assert len(lines) > 1
        postgresql.stop(signal.SIGKILL)
        try:
            said.append(tab.press("runs"))
            assert b"store cannot be used" in said[-1]
        finally:
            postgresql.start()
    written = {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()}
    assert b"look whether PG_LAB_DATABASE_URL is right" in written["server.log"]
    for secret in (SECRET, CODE, cookie.partition("=")[2], PASSWORD, urlsplit(url).password):
        assert secret and not any(secret.encode() in text for text in (*said, *lines, *written.values())), secret
