"""Each browser is on one page: what it still asks of another one is not run."""

import contextlib
from typing import Any

from google.protobuf.message import DecodeError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


class OnePage:
    """ASGI middleware that drops what a browser asks of the widgets and fragments of a page that it has left.

    A click, or the clock of a fragment, may come from the old page while the new one is made. Streamlit would run it
    after the new page and lead back to the old one, or, where it was a fragment's, have the browser clear what it
    shows. Who goes to a page by a link asks for it with no widgets yet.
    A clock that ticks while another view of the same page is asked for brings the address of before, and Streamlit
    would make the page from that one: a link would lead nowhere.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        page = ""  # the hash of its script, which Streamlit tells pages apart by; not known yet
        awaited = False  # whether a run of the whole page was asked for and has not begun

        async def receive_of_page() -> Message:
            nonlocal page, awaited
            while True:
                message = await receive()
                parsed = _parsed(BackMsg(), message)
                asked = parsed.rerun_script
                elsewhere = page not in ("", asked.page_script_hash)
                if asked.fragment_id and (elsewhere or (awaited and asked.is_auto_rerun)):
                    continue
                if not asked.fragment_id and parsed.HasField("rerun_script"):
                    if elsewhere and asked.page_script_hash and asked.widget_states.widgets:
                        continue
                    page, awaited = asked.page_script_hash or page, True
                return message

        async def send_of_page(message: Message) -> None:
            nonlocal page, awaited
            told = _parsed(ForwardMsg(), message)
            if told.HasField("navigation"):
                page = told.navigation.page_script_hash
            elif told.HasField("new_session"):
                if not told.metadata.run.fragment_ids:
                    awaited = False
                    page = told.new_session.page_script_hash
                elif page not in ("", told.new_session.page_script_hash):  # it was asked for before the page was left
                    return
            await send(message)

        await self._app(scope, receive_of_page, send_of_page)


def _parsed(into: Any, message: Message) -> Any:
    with contextlib.suppress(DecodeError):  # Streamlit says what it thinks of it
        into.ParseFromString(message.get("bytes") or b"")
    return into
