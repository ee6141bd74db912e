"""How often each page may look when many look at once: the server draws them all on one processor."""

import bisect
import threading
import time

from pages.widgets.visitor import present

LOOK_SECONDS = 0.05  # for each page that looks: a look takes about 10 ms of the processor, and others need it too
STEPS = (0.4, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)  # few, for each change of the interval draws the whole page
GONE_SECONDS = 6.0  # after which who has not looked again has left
QUESTION_SECONDS = 0.01  # the same of a chart that asks what is new, which takes about 3 ms
MIN_QUESTION_SECONDS = 0.4

_looked: dict[str, float] = {}  # when, by session
_lock = threading.Lock()


def seconds_between_looks(looks: bool) -> float:
    """Note whether this session looks at a run, and return for how long it is to wait before it looks again."""
    now = time.monotonic()
    with _lock:
        if looks:
            _looked[present().session or ""] = now
        for session in [session for session, when in _looked.items() if now - when > GONE_SECONDS]:
            del _looked[session]
        wanted = LOOK_SECONDS * len(_looked)
    return STEPS[min(bisect.bisect_left(STEPS, wanted), len(STEPS) - 1)]


def seconds_between_questions() -> float:
    """Return for how long a chart is to wait before it asks again what is new."""
    return max(MIN_QUESTION_SECONDS, QUESTION_SECONDS * len(_looked))
