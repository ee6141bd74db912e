"""What a run of a page has drawn reaches the browser, also where another run begins before it was sent."""

from streamlit.runtime import app_session
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue


class Queue(ForwardMsgQueue):
    """Streamlit's queue of messages to a browser, but that a fragment's run takes nothing out of it.

    Streamlit takes out what that fragment had drawn before, and keeps the word that the run of the whole page, which
    drew it, has finished. The browser then forgets the controls that it did not get, and reports each at its lowest
    value: a run was once told to end after one update.
    """

    def clear(self, retain_lifecycle_msgs: bool = False, fragment_ids_this_run: list[str] | None = None) -> None:
        """Empty the queue for a run of the whole page; for one of fragments, only see to it that they draw anew."""
        if fragment_ids_this_run is None:
            super().clear(retain_lifecycle_msgs)
        else:
            self._delta_index_map = {}  # else what they draw would take the place of what waits, before its time


def keep_what_is_drawn() -> None:
    """Have every visit from now on use this queue."""
    app_session.ForwardMsgQueue = Queue
