"""The gate: at which address the lab may be served, and what every answer of its server says to browsers."""

import ipaddress
import logging
import os

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.url_util import make_url_path

from pages.widgets.visitor import asking, has_ended, has_login, log_out, without_login
from pg_core import lab

MAX_WARNINGS = 20  # in the server's log, which strangers could fill
MIN_SECRET = 32  # characters of `cookie_secret`: whoever guesses it can pass for anyone
# Streamlit's own page has scripts and styles in it, and loads components from blobs; nothing comes from elsewhere.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
}
STARTS = "http.response.start", "websocket.http.response.start", "websocket.accept"  # of answers

_warned: set[str] = set()


def problem() -> str | None:
    """Return a sentence if the lab must not be served as it is set up."""
    try:
        lab.check_limits()
        if has_login():
            return _login_problem()
    except (ValueError, lab.StoreError, StreamlitSecretNotFoundError) as error:
        return str(error)
    address = st.get_option("server.address")
    if is_loopback(address) or os.environ.get("PG_LAB_ALLOW_ANYONE") == "1":
        return None
    return (
        f"The lab is not served at the address {address or '0.0.0.0 (no server.address is set)'}, where others could "
        "reach it without a log-in: serve it at 127.0.0.1, configure [auth] in .streamlit/secrets.toml, or set "
        "PG_LAB_ALLOW_ANYONE=1 if whoever reaches it may do everything. See docs/deployment.md."
    )


def is_loopback(address: str | None) -> bool:
    """Return whether only this machine reaches an address; a name may mean any, but for localhost."""
    try:
        return address == "localhost" or ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


def middleware() -> list[Middleware]:
    """Return what stands between Streamlit and the network; Streamlit itself checks the host of WebSockets only."""
    hosts, base = st.get_option("server.allowedHosts") or ["*"], st.get_option("server.baseUrlPath")
    return [
        Middleware(SafeHeaders),
        Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
        Middleware(OwnOrigin),
        Middleware(LogOut, make_url_path(base, "auth/logout")),
        Middleware(Downloads, make_url_path(base, "media/")),
    ]


class SafeHeaders:
    """ASGI middleware that adds `HEADERS` to every answer, and `Secure` to the cookies of one that is encrypted.

    The answer to a WebSocket's handshake is one, too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = False

        async def send_safely(message: Message) -> None:
            nonlocal begun
            if message["type"] == "websocket.close" and not begun:  # uvicorn would answer the same, without headers
                await PlainTextResponse(status_code=403)(scope, receive, send_safely)
                return
            if message["type"] in STARTS:
                begun = True
                MutableHeaders(scope=message).update(HEADERS)
                if _is_encrypted(scope):
                    message["headers"] = [(name, _secure(name, value)) for name, value in message["headers"]]
            await send(message)

        await self._app(scope, receive, send_safely)


def _secure(name: bytes, value: bytes) -> bytes:
    is_open = name == b"set-cookie" and b"; secure" not in value.lower()
    return value + b"; Secure" if is_open else value


class OwnOrigin:
    """ASGI middleware that answers 403 to what a page of another origin asks.

    Streamlit takes every port of this machine for the lab's own. Of other origins it asks servers outside what this
    machine's address is, and all pages wait meanwhile: so it is never asked about one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "lifespan":
            headers = Headers(scope=scope)
            own = f"{'https' if _is_encrypted(scope) else 'http'}://{headers.get('host')}"
            if foreign := [origin for origin in headers.getlist("origin") if origin != own]:
                sentence = f"A page of {foreign[0]} is refused: the lab is at {own}. See docs/deployment.md."
                _warn(sentence)
                await PlainTextResponse(sentence, 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _warn(sentence: str) -> None:
    """Tell the server's log of a page that was refused, once: whose proxy does not say https finds it there."""
    if sentence not in _warned and len(_warned) < MAX_WARNINGS:
        _warned.add(sentence)
        logging.getLogger(__name__).warning("%s", sentence)


class Downloads:
    """ASGI middleware that answers 403 below Streamlit's path of downloads to who has not logged in.

    Args:
        app: what it stands before.
        path: where they are.
    """

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app, self._path = app, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        is_download = scope["type"] == "http" and scope["path"].startswith(self._path)
        if is_download and has_login() and asking(Request(scope)).id is None:
            await PlainTextResponse("Log in to download.", 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class LogOut:
    """ASGI middleware that ends a log-in for all tabs of a browser when one of them asks Streamlit to forget it.

    Who comes with a copy of its cookies afterwards has none.

    Args:
        app: what it stands before.
        path: where it is asked.
    """

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app, self._path = app, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "lifespan" and has_ended(HTTPConnection(scope).cookies):
            headers = [(name, without_login(value) if name == b"cookie" else value) for name, value in scope["headers"]]
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)
        if scope["type"] == "http" and scope["path"] == self._path:
            log_out(Request(scope).cookies)


def _is_encrypted(scope: Scope) -> bool:
    """Return whether the browser speaks TLS: to the lab, or to a proxy that says so and that uvicorn trusts."""
    return scope["scheme"] in ("https", "wss")


def _login_problem() -> str | None:
    length = len(str(st.secrets["auth"].get("cookie_secret", st.get_option("server.cookieSecret"))))
    if length < MIN_SECRET:
        return (
            f"`cookie_secret` in [auth] of secrets.toml must have at least {MIN_SECRET} characters, got {length}: "
            "make one with python -c 'import secrets; print(secrets.token_hex(32))'."
        )
    return None
