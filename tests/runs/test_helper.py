"""Whoever asks a process is answered, or told why not, whatever happens to the process."""

import pytest

from pg_core.config import Config
from pg_core.runs import helper as module
from pg_core.runs.helper import Helper, NoAnswer

BEGINNING = Config(num_agents=1).model_dump(mode="json")
QUESTION = {"episode": {"run_id": None, "config": BEGINNING, "update": 0, "agent": None, "frames": False}}


@pytest.fixture
def studio(tmp_path):
    helper = Helper(tmp_path, "studio")
    yield helper
    helper.end()


def test_questions_are_answered_in_their_own_futures(studio):
    first, wrong, third = studio.ask(QUESTION), studio.ask({"episode": {}}), studio.ask(QUESTION)
    assert first.result()["episode"] == third.result()["episode"]
    with pytest.raises(NoAnswer, match="An unexpected TypeError ended this; see incident"):
        wrong.result()


def test_what_was_asked_of_a_process_that_dies_is_told_and_the_next_question_starts_another(studio):
    studio.start()
    child = studio._child
    lost = studio.ask(QUESTION)
    child.kill()
    with pytest.raises(NoAnswer, match="ended before it had an answer; ask again"):
        lost.result()
    assert studio.ask(QUESTION).result()["error"] is None and studio._child is not child


def test_what_is_asked_when_the_process_ends_is_told(studio):
    lost = studio.ask(QUESTION)
    studio.end()
    with pytest.raises(NoAnswer, match="ask again"):
        lost.result()


def test_so_many_questions_wait_and_no_more(studio, monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    waiting = [studio.ask(QUESTION) for _ in range(3)]
    with pytest.raises(NoAnswer, match="wait for an answer, which is all the lab takes; ask again"):
        waiting[2].result()
    assert all(future.result()["error"] is None for future in waiting[:2])


def test_a_process_that_cannot_be_started_is_told(studio, monkeypatch):
    def start(*_):
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(module, "Child", start)
    with pytest.raises(NoAnswer, match="cannot be started: Cannot allocate memory"):
        studio.ask(QUESTION).result()
