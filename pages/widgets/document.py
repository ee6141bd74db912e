"""The document that every page of Streamlit begins with, told where the lab is and what it will need."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEAD = b"<head>"
# A document is written into: it must come uncompressed, and changes with the lab's scripts, not Streamlit's file.
UNWANTED = (b"accept-encoding", b"if-none-match", b"if-modified-since")


class Document:
    """ASGI middleware that writes the lab's own address and what is to be loaded early into Streamlit's document.

    Streamlit's script would look for its server below each page's address first, `/runs/_stcore/health`, and the
    browser's console would show an error for each. All addresses are relative to the page's: only the browser knows
    what a proxy has taken off them.

    Args:
        app: what it stands before.
        train: path of the Train page.
        modules: scripts that it needs, relative to it.
        scripts: likewise those that are no modules.
        inline: a script that every page runs before anything else.
    """

    def __init__(self, app: ASGIApp, train: str, modules: list[str], scripts: list[str], inline: str) -> None:
        self._app = app
        base = 'window.__streamlit = {BACKEND_BASE_URL: new URL(".", document.baseURI).href}'
        self._told = f"<script>{inline};{base}</script>".encode()
        links = [f'<link rel="modulepreload" href="{path}">' for path in modules]
        links += [f'<link rel="preload" as="script" href="{path}">' for path in scripts]
        self._needed = "".join(links).encode()
        self._train = train

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not _asks_for_a_page(scope):
            await self._app(scope, receive, send)
            return
        plain = [(name, value) for name, value in scope["headers"] if name not in UNWANTED]
        added = self._told + (self._needed if scope["path"] == self._train else b"")
        await self._app({**scope, "headers": plain}, receive, _Writing(send, added))


def _asks_for_a_page(scope: Scope) -> bool:
    is_get = scope["type"] == "http" and scope["method"] == "GET"
    return is_get and b"text/html" in dict(scope["headers"]).get(b"accept", b"")


class _Writing:
    """Sends one answer on, with something added to its head if it is a document."""

    def __init__(self, send: Send, added: bytes) -> None:
        self._send, self._added = send, added
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_document(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                body = self._body.replace(HEAD, HEAD + self._added, 1)
                headers = MutableHeaders(scope=self._start)
                headers["content-length"] = str(len(body))
                for name in ("etag", "last-modified"):
                    del headers[name]
                await self._send(self._start)
                await self._send({"type": "http.response.body", "body": body})


def _is_document(message: Message) -> bool:
    headers = MutableHeaders(scope=message)
    return message["status"] == 200 and headers.get("content-type", "").startswith("text/html")
