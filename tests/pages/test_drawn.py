"""What a page has drawn reaches the browser, whatever runs next."""

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import app_session

import app  # noqa: F401  which has every visit use the queue


def drawn(path: int, text: str, fragment: str = "") -> ForwardMsg:
    message = ForwardMsg()
    message.metadata.delta_path.append(path)
    message.delta.new_element.markdown.body = text
    message.delta.fragment_id = fragment
    return message


def finished(status: ForwardMsg.ScriptFinishedStatus.ValueType) -> ForwardMsg:
    return ForwardMsg(script_finished=status)


def told(queue: app_session.ForwardMsgQueue) -> list[str | int]:
    return [m.delta.new_element.markdown.body if m.HasField("delta") else m.script_finished for m in queue.flush()]


def test_a_finished_page_is_sent_whole_though_its_fragment_runs_next() -> None:
    queue = app_session.ForwardMsgQueue()
    queue.enqueue(drawn(0, "title"))
    queue.enqueue(drawn(1, "slider", "controls"))
    queue.enqueue(finished(ForwardMsg.FINISHED_SUCCESSFULLY))
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["controls"])
    queue.enqueue(drawn(1, "slider, moved", "controls"))
    assert told(queue) == ["title", "slider", ForwardMsg.FINISHED_SUCCESSFULLY, "slider, moved"]


def test_a_page_that_runs_anew_takes_the_place_of_what_was_not_sent() -> None:
    queue = app_session.ForwardMsgQueue()
    queue.enqueue(drawn(0, "title"))
    queue.enqueue(finished(ForwardMsg.FINISHED_SUCCESSFULLY))
    queue.clear(retain_lifecycle_msgs=True)
    queue.enqueue(drawn(0, "other title"))
    assert told(queue) == [ForwardMsg.FINISHED_EARLY_FOR_RERUN, "other title"]
