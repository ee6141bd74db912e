"""Lets a server end while pages are open."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SIGNALS = signal.SIGINT, signal.SIGTERM

_departs = threading.Event()


@contextlib.contextmanager
def noticed() -> Iterator[None]:
    """Have `LastAnswers` know of the signal that ends this process, before its server deals with it."""
    if threading.current_thread() is not threading.main_thread():  # which alone may listen to signals
        yield
        return
    before = {each: signal.getsignal(each) for each in SIGNALS}

    def note(received: int, frame: FrameType | None) -> None:
        _departs.set()
        if callable(handler := before[signal.Signals(received)]):
            handler(received, frame)

    for each in SIGNALS:
        signal.signal(each, note)
    try:
        yield
    finally:
        _departs.clear()
        for each, handler in before.items():
            signal.signal(each, handler)


class LastAnswers:
    """ASGI middleware that has each connection end with its answer once the process is to end.

    Uvicorn stops listening, closes the connections that it has, and waits for them to end. One that was accepted at
    that very moment is not among them: it would be served, and waited for, as long as a page asks for news.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse a conversation that would begin now."""

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start" and _departs.is_set():
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        if scope["type"] == "websocket" and _departs.is_set():
            await send({"type": "websocket.close"})
        else:
            await self._app(scope, receive, send_last)
