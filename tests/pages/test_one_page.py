"""What is asked of a page that was left is not run, and nothing else is touched."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from pages.widgets.one_page import OnePage


def asks(page: str, fragment: str = "", by_clock: bool = False, pressed: bool = False) -> bytes:
    message = BackMsg()
    message.rerun_script.is_auto_rerun = by_clock
    if pressed:
        message.rerun_script.widget_states.widgets.add(id="a button", trigger_value=True)
    message.rerun_script.page_script_hash, message.rerun_script.fragment_id = page, fragment
    return message.SerializeToString()


def runs(page: str, *fragments: str) -> bytes:
    message = ForwardMsg()
    message.new_session.page_script_hash = page
    message.metadata.run.fragment_ids.extend(fragments)
    return message.SerializeToString()


def navigates(page: str) -> bytes:
    message = ForwardMsg()
    message.navigation.page_script_hash = page
    return message.SerializeToString()


def passed(*messages: tuple[str, bytes]) -> list[tuple[str, bytes]]:
    """Return what of a conversation comes through; `>` goes to the server, `<` to the browser."""
    through: list[tuple[str, bytes]] = []

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        for direction, data in messages:
            if direction == "<":
                await send({"type": "websocket.send", "bytes": data})
        while (message := await receive())["type"] != "websocket.disconnect":
            through.append((">", message["bytes"]))

    async def conversation() -> None:
        coming = iter([data for direction, data in messages if direction == ">"])

        async def receive() -> Message:
            data = next(coming, None)
            return {"type": "websocket.disconnect"} if data is None else {"type": "websocket.receive", "bytes": data}

        async def send(message: Message) -> None:
            through.append(("<", message["bytes"]))

        scope: dict[str, Any] = {"type": "websocket"}
        await OnePage(server)(scope, receive, send)

    with ThreadPoolExecutor() as other:  # a browser's loop runs in this thread if one of its tests came before
        other.submit(asyncio.run, conversation()).result()
    return through


def test_a_fragment_of_the_page_that_is_shown_runs() -> None:
    # The first run goes by the main script's hash, until the navigation has found the page.
    told = [("<", runs("main")), ("<", navigates("a")), (">", asks("a", "f")), (">", asks("a"))]
    assert passed(*told) == told


def test_a_connection_that_comes_back_may_begin_with_a_fragment() -> None:
    told = [("<", runs("a", "f")), (">", asks("a", "f"))]
    assert passed(*told) == told


@pytest.mark.parametrize("left", [(">", asks("b")), ("<", runs("b")), ("<", navigates("b"))], ids=str)
def test_a_fragment_of_a_page_that_was_left_does_not_run(left: tuple[str, bytes]) -> None:
    told = [("<", navigates("a")), left, (">", asks("a", "f")), (">", asks("b", "g"))]
    assert passed(*told) == [told[0], told[1], told[3]]


@pytest.mark.parametrize("left", [(">", asks("b")), ("<", runs("b")), ("<", navigates("b"))], ids=str)
def test_a_press_on_a_page_that_was_left_does_not_lead_back_to_it(left: tuple[str, bytes]) -> None:
    told = [("<", navigates("a")), left, (">", asks("a", pressed=True)), (">", asks("b", pressed=True))]
    assert passed(*told) == [told[0], told[1], told[3]]


def test_a_link_leads_to_another_page_and_back() -> None:
    told = [
        ("<", navigates("a")),
        (">", asks("b")),
        ("<", navigates("b")),
        (">", asks("a")),
        (">", asks("a", pressed=True)),
    ]
    assert sorted(passed(*told)) == sorted(told)


def test_a_clock_does_not_tick_until_a_run_of_the_whole_page_has_begun() -> None:
    told = [(">", asks("a")), (">", asks("a", "f", by_clock=True)), (">", asks("a", "f"))]
    assert passed(*told) == [told[0], told[2]]


def test_a_run_of_a_fragment_of_a_page_that_was_left_is_not_told() -> None:
    told = [("<", navigates("a")), ("<", runs("a", "f")), ("<", runs("b"))]
    told += [("<", runs("a", "f")), ("<", runs("b", "g"))]
    assert passed(*told) == [told[0], told[1], told[2], told[4]]


def test_what_is_no_message_is_left_to_streamlit() -> None:
    told = [("<", b"\xff"), (">", b"\xff")]
    assert passed(*told) == told
