"""What several viewers ask for is asked once, and the newest answers stay within a number of bytes."""

from concurrent.futures import Future

import pytest

from pg_core.runs.workers import episodes as module
from pg_core.runs.workers.episodes import EpisodeError, Episodes
from pg_core.runs.workers.helper import NoAnswer


class Studio:
    """Answers when it is told to."""

    def __init__(self):
        self.asked = []

    def ask(self):
        self.asked.append(Future())
        return self.asked[-1]

    def answer(self, text):
        self.asked[-1].set_result({"episode": text})


def test_a_question_under_way_or_answered_is_not_asked_again():
    episodes, studio = Episodes("episode"), Studio()
    first, second = (episodes.get("key", studio.ask) for _ in range(2))
    assert first is second and len(studio.asked) == 1 and not first.done()
    assert not first.cancel(), "the other one still waits for it"
    studio.answer("ünique")
    assert first.result() == "ünique".encode() and episodes.get("key", studio.ask) is first
    assert episodes.get("other", studio.ask) is not first and len(studio.asked) == 2


def test_a_question_that_failed_may_be_asked_again():
    episodes, studio = Episodes("episode"), Studio()
    failed = episodes.get("key", studio.ask)
    studio.asked[-1].set_exception(NoAnswer("It was lost; ask again."))
    with pytest.raises(EpisodeError, match=r"It was lost; ask again\."):
        failed.result()
    again = episodes.get("key", studio.ask)
    studio.answer("here")
    assert again.result() == b"here"


@pytest.mark.parametrize("error", [ValueError("write to closed file"), KeyboardInterrupt("Stop.")])
def test_a_question_that_cannot_be_asked_is_told_to_all_and_may_be_asked_again(error):
    episodes, studio, others = Episodes("episode"), Studio(), []

    def ask():
        others.append(episodes.get("key", studio.ask))  # meanwhile
        raise error

    with pytest.raises(type(error), match=str(error)):
        episodes.get("key", ask)
    with pytest.raises(EpisodeError, match=str(error)):
        others[0].result(timeout=0)
    again = episodes.get("key", studio.ask)
    studio.answer("here")
    assert again.result() == b"here"


def test_the_newest_answers_stay_within_so_many_bytes(monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    episodes, studio = Episodes("episode"), Studio()
    waiting = episodes.get("waiting", Studio().ask)
    for key in "abc":
        episodes.get(key, studio.ask)
        studio.answer(4 * key)
        episodes.get("a", studio.ask)  # it is wanted each time
    # 4 + 4 + 4 bytes are more than 10, and b is the one that nobody has wanted since.
    assert list(episodes._asked) == ["waiting", "c", "a"] and episodes._bytes == 8
    large = episodes.get("large", studio.ask)
    studio.answer("x" * 11)
    assert large.result() == b"x" * 11 and list(episodes._asked) == ["waiting"] and episodes._bytes == 0
    assert episodes.get("waiting", studio.ask) is waiting
