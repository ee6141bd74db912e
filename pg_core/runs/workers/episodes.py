"""What viewers see of policies: what several ask for is found out once, and the newest answers stay in memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from typing import Any

MAX_BYTES = 2**23  # of answers in memory


class EpisodeError(RuntimeError):
    """Raised when an episode cannot be played or drawn; its message is a sentence for whoever wants to see it."""


class Episodes:
    """Questions under way and answers, by what was asked.

    Args:
        kind: of the answers, and their name in what the process says: "episode", "policy", "spread", …
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._asked: OrderedDict[Hashable, Future[bytes]] = OrderedDict()  # what was wanted last comes last
        self._bytes = 0

    def get(self, key: Hashable, ask: Callable[[], Future[Mapping[str, Any]]]) -> Future[bytes]:
        """Return the answer to a question, which `ask` asks if nobody has; one that failed is forgotten.

        What `ask` raises is raised here, and told to those who wait for the same.
        """
        with self._lock:
            if known := self._asked.get(key):
                self._asked.move_to_end(key)
                return known
            future = self._asked[key] = Future()
            future.set_running_or_notify_cancel()  # of several viewers none can cancel it for the others
        try:
            answer = ask()
        except BaseException as error:  # else whoever comes later would wait for ever
            self._fail(key, future, error)
            raise
        answer.add_done_callback(lambda answer: self._settle(key, future, answer))
        return future

    def _settle(self, key: Hashable, future: Future[bytes], answer: Future[Mapping[str, Any]]) -> None:
        if error := answer.exception():
            self._fail(key, future, error)
        else:
            future.set_result(answer.result()[self._kind].encode())
            with self._lock:
                self._bytes += len(future.result())
                self._make_room()

    def _fail(self, key: Hashable, future: Future[bytes], error: BaseException) -> None:
        with self._lock:
            del self._asked[key]
        future.set_exception(EpisodeError(str(error)))

    def _make_room(self) -> None:
        for key, future in list(self._asked.items()):
            if self._bytes <= MAX_BYTES:
                return
            if future.done():
                self._bytes -= len(future.result())
                del self._asked[key]
