"""Which uploads are taken and how long they are held: by itself Streamlit takes them from anyone, and keeps them."""

import asyncio
import re
from collections import Counter
from typing import Any

import streamlit as st
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pages.widgets import visitor

ADDRESS = re.compile("/_stcore/upload_file/([^/]+)/")
FRAME_BYTES = 2**20  # of a request, around the file in it
NO_PAGE = "Only a page of the lab that is open, to who has logged in if they must, uploads files.", 403
MAX_FILES = 3  # of `server.maxUploadSize`, which all sessions together may fill; one session has a single file


def free(file: UploadedFile) -> None:
    """Forget a file of the session whose page is being drawn."""
    if context := get_script_run_ctx():
        get_instance().uploaded_file_mgr.remove_file(context.session_id, file.file_id)
    file.close()


class Uploads:
    """ASGI middleware that takes an upload of who may be here, where memory is set apart for it.

    What a session uploads takes the place of what it had; what it has, or is sending, goes when it ends.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._coming: Counter[str] = Counter()  # bytes that have come of requests that each session is sending
        self._tasks: dict[asyncio.Task[Any] | None, str] = {}  # those that serve such requests, and their sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        uploads = scope["type"] == "http" and scope["method"] == "PUT"
        address = ADDRESS.search(scope["path"]) if uploads else None
        try:
            if address:
                await self._take(address[1], scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            if address or scope["type"] == "websocket":
                _free_ended()
                for task, session_id in self._tasks.items():
                    if task and not get_instance().is_active_session(session_id):
                        task.cancel()

    async def _take(self, session_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        # In chunks, how much it is would only be known once it is here; else no more is read than is announced.
        size = -1 if "transfer-encoding" in headers else int(headers.get("content-length", -1))
        if refusal := self._refusal(session_id, size):
            await PlainTextResponse(*refusal)(scope, receive, send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += (more := len(message.get("body", b"")))
            self._coming[session_id] += more
            if more and (refusal := self._want_of_room(session_id)):
                raise HTTPException(refusal[1], refusal[0])
            return message

        self._tasks[asyncio.current_task()] = session_id
        try:
            await self._app(scope, counted, send)
        except asyncio.CancelledError:
            if get_instance().is_active_session(session_id):
                raise
            await PlainTextResponse(*NO_PAGE)(scope, receive, send)
        finally:
            del self._tasks[asyncio.current_task()]
            self._coming[session_id] -= came
            self._coming = +self._coming

    def _refusal(self, session_id: str, size: int) -> tuple[str, int] | None:
        """Return why an upload is not taken, and the status of that answer."""
        if not visitor.may_enter(session_id):
            return NO_PAGE
        if size < 0:
            return "An upload must say its `Content-Length`.", 411
        get_instance().uploaded_file_mgr.remove_session_files(session_id)
        return self._want_of_room(session_id, size)

    def _want_of_room(self, session_id: str, more: int = 0) -> tuple[str, int] | None:
        """Return why there is no room for more bytes of a session beside what is here, and the status of that answer.

        What is announced and does not come takes nobody's room; so where several come at once, one may have to end.
        """
        manager, most = get_instance().uploaded_file_mgr, st.get_option("server.maxUploadSize") * 2**20
        own = sum(len(file.data) for file in manager.file_storage.get(session_id, {}).values())
        if own + self._coming[session_id] + more > most + FRAME_BYTES:
            return "The file is too large, or another one is on its way.", 413
        held = sum(stat.byte_length for stats in manager.get_stats().values() for stat in stats)
        if held + self._coming.total() + more > MAX_FILES * most + FRAME_BYTES:
            return "Others are uploading: try again when they are done.", 503
        return None


def _free_ended() -> None:
    """Forget the files of sessions that have ended; Streamlit keeps them for those that might come back."""
    runtime = get_instance()
    for session_id in list(runtime.uploaded_file_mgr.file_storage):
        if not runtime.is_active_session(session_id):
            runtime.uploaded_file_mgr.remove_session_files(session_id)
