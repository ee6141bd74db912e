"""What a server with a log-in takes of uploads, and how long it holds them."""

import contextlib
import http.client
import json
from collections.abc import Iterator

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value, generate_xsrf_token_string
from websockets.sync.client import ClientConnection, connect

from pages.widgets.uploads import FRAME_BYTES, MAX_FILES
from tests.serving import Server, serve

SECRET = "s" * 32
LIMIT = 2**20  # of the server that is asked, in bytes
FILE = 700 * 2**10  # bytes: a session has room for one
TOGETHER = (MAX_FILES * LIMIT + FRAME_BYTES) // FILE  # so many have all sessions together
AUTH = f"""[auth]
redirect_uri = "http://localhost/oauth2callback"
cookie_secret = "{SECRET}"
client_id = "lab"
client_secret = "lab"
server_metadata_url = "http://localhost/"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("lab")
    (data / "secrets.toml").write_text(AUTH)
    with serve(data, "--secrets.files", str(data / "secrets.toml"), "--server.maxUploadSize", "1") as server:
        yield server


class Visit:
    """A browser's session: its connection, and the requests that it makes."""

    def __init__(self, server: Server, connection: ClientConnection, token: str) -> None:
        self._server, self._token = server, token
        self.connection, self.id = connection, ""
        asked = BackMsg()
        asked.rerun_script.query_string = ""
        connection.send(asked.SerializeToString())
        while not self.id:
            message = ForwardMsg()
            message.ParseFromString(connection.recv(timeout=30))
            self.id = message.new_session.initialize.session_id

    def put(self, size: int, file: str = "file", chunked: bool = False) -> int:
        """Upload a file; return the answer's status."""
        with contextlib.closing(self.begin(size, file, chunked)) as request:
            request.send(frame(size) if not chunked else b"%x\r\n%s\r\n0\r\n\r\n" % (len(frame(size)), frame(size)))
            return request.getresponse().status

    def begin(self, size: int, file: str = "file", chunked: bool = False) -> http.client.HTTPConnection:
        """Announce a file, and send nothing of it."""
        request = http.client.HTTPConnection(self._server.url.removeprefix("http://"), timeout=30)
        request.putrequest("PUT", f"/_stcore/upload_file/{self.id}/{file}")
        length = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(frame(size))))
        token = [("X-Xsrftoken", self._token), ("Cookie", f"_streamlit_xsrf={self._token}")]
        kind = ("Content-Type", "multipart/form-data; boundary=b"), ("Expect", "100-continue")
        for name, value in (length, *token, *kind):
            request.putheader(name, value)
        request.endheaders()
        return request

    def ask(self, size: int, file: str = "file") -> tuple[http.client.HTTPConnection, int]:
        """Announce a file; return the first status: 100 once the server waits for what is announced."""
        request = self.begin(size, file)
        return request, int(request.sock.recv(1000).split()[1])


def frame(size: int) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.zip"\r\n\r\n'
    return head + bytes(size) + b"\r\n--b--\r\n"


@contextlib.contextmanager
def visit(server: Server, person: str | None) -> Iterator[Visit]:
    """Open a session of a person who has logged in, or of nobody."""
    token = generate_xsrf_token_string()
    cookies = f"_streamlit_xsrf={token}"
    if person:
        said = {"origin": server.url, "is_logged_in": True, "iss": "https://id", "sub": person}
        signed = create_signed_value(SECRET, "_streamlit_user", json.dumps(said)).decode()
        cookies += f"; _streamlit_user={signed}"
    url = server.url.replace("http", "ws") + "/_stcore/stream"
    more = {"additional_headers": {"Cookie": cookies}, "subprotocols": ["streamlit", token], "max_queue": None}
    with connect(url, origin=server.url, **more) as opened:
        yield Visit(server, opened, token)


def test_who_has_not_logged_in_uploads_nothing(server: Server) -> None:
    with visit(server, None) as stranger:
        assert [stranger.put(FILE, f"file{n}") for n in range(3)] == [403] * 3
        assert stranger.begin(FILE).getresponse().status == 403  # before anything of it is sent


def test_a_session_holds_one_file_as_long_as_it_lasts(server: Server) -> None:
    with contextlib.ExitStack() as pages:
        ann, *others, last = (pages.enter_context(visit(server, f"{n}")) for n in range(TOGETHER + 1))
        assert [ann.put(FILE, f"file{n}") for n in range(3)] == [204] * 3
        assert [other.put(FILE) for other in others] == [204] * (TOGETHER - 1)  # there is room for these
        assert last.put(FILE) == 503
        assert ann.put(2 * LIMIT + 1) == 413  # it was to take the other's place
        assert last.put(FILE) == 204
        assert ann.put(FILE) == 503
        others[0].connection.close()
        while (status := ann.put(FILE)) == 503:  # until the server has noticed
            pass
        assert status == 204
        assert others[0].put(FILE) == 403


def send_all(request: http.client.HTTPConnection) -> int:
    with contextlib.closing(request):
        request.send(frame(FILE))
        return request.getresponse().status


def test_what_has_come_counts_and_what_is_announced_does_not(server: Server) -> None:
    with contextlib.ExitStack() as pages:
        *some, last = (pages.enter_context(visit(server, f"{n}")) for n in range(TOGETHER + 1))
        assert last.put(FILE, chunked=True) == 411
        announced = [each.ask(FILE) for each in some]
        assert [status for _, status in announced] == [100] * TOGETHER
        assert last.put(FILE) == 204  # though all others have announced theirs, and keep them
        assert [send_all(request) for request, _ in announced] == [204] * (TOGETHER - 1) + [503]
        last.connection.close()
        while (asked := some[-1].ask(FILE))[1] == 503:  # until the server has noticed
            asked[0].close()
        asked[0].send(frame(FILE)[:-1])
        other = pages.enter_context(visit(server, "other"))
        while (refused := other.ask(FILE))[1] == 100:  # until that has come
            refused[0].close()
        assert refused[1] == 503
        asked[0].close()
        while (status := other.put(FILE)) == 503:  # until it is noticed that the rest is not to come
            pass
        assert status == 204


def test_what_a_session_sends_at_the_same_time_counts_together(server: Server) -> None:
    with visit(server, "ann") as ann:
        asked = [ann.ask(FILE, f"file{n}") for n in range(3)]
        assert 2 * FILE < LIMIT + FRAME_BYTES < 3 * FILE
        assert [status for _, status in asked] == [100] * 3
        assert [send_all(request) for request, _ in asked] == [204, 204, 413]


def test_what_has_come_of_a_file_goes_with_its_page(server: Server) -> None:
    with contextlib.ExitStack() as pages:
        *some, gone, other = (pages.enter_context(visit(server, f"{n}")) for n in range(TOGETHER + 1))
        assert [each.put(FILE) for each in some] == [204] * (TOGETHER - 1)
        request, status = gone.ask(FILE)
        assert status == 100
        request.send(frame(FILE)[:-1])
        while (refused := other.ask(FILE))[1] == 100:  # until that has come
            refused[0].close()
        gone.connection.close()
        assert request.getresponse().status == 403
        assert other.put(FILE) == 204
