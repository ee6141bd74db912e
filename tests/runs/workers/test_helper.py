"""Whoever asks a process is answered, or told why not, whatever happens to the process."""

import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from pg_core.config import Config
from pg_core.runs.store.records import Batch, Snapshot
from pg_core.runs.store.store import Store
from pg_core.runs.workers import helper as module
from pg_core.runs.workers.helper import Helper, NoAnswer

BEGINNING = Config(num_agents=1).model_dump(mode="json")
QUESTION = {"episode": {"run_id": None, "config": BEGINNING, "update": 0, "agent": None, "frames": False}}

GIVEN_UP = 60.0  # seconds, so that a question that hangs fails its test


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


def test_what_is_asked_of_a_process_whose_input_is_closed_is_told(studio):
    studio.start()
    studio._child.close()
    with pytest.raises(NoAnswer, match="ask again"):
        studio.ask(QUESTION).result(GIVEN_UP)


def test_what_is_asked_while_the_process_ends_is_answered_by_the_next(studio, monkeypatch):
    studio.start()
    child, asked = studio._child, []
    end = child.end
    monkeypatch.setattr(child, "end", lambda: (asked.append(studio.ask(QUESTION)), end()))
    studio.end()
    assert asked[0].result(GIVEN_UP)["error"] is None and studio._child is not child


@pytest.mark.parametrize("then", ["exit 1", "exec sleep 1000"])
def test_a_process_that_breaks_off_amid_a_line_is_lost(studio, tmp_path, monkeypatch, wait, then):
    script = tmp_path / "breaks_off"
    script.write_text(f'#!/bin/sh\nread question\nprintf \'{{"answer": 0, "epi\\n\'\n{then}\n')
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    studio.start()
    child = studio._child
    with pytest.raises(NoAnswer, match="ended before it had an answer; ask again"):
        studio.ask(QUESTION).result(GIVEN_UP)
    wait(lambda: not child.is_alive())


def test_the_studio_plays_only_what_is_kept_and_never_imports_tensorflow(tmp_path, monkeypatch):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('The studio has no need of it.')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    store = Store(tmp_path)
    config = Config(num_agents=1, hidden_layers=())
    run_id = store.create(config, process="me")
    policy = {"kernel_0": np.zeros((1, 4, 2), np.float32), "bias_0": np.zeros((1, 2), np.float32)}
    snapshots = [Snapshot(0, policy, {"update": np.int64(0)}), Snapshot(2, policy, None)]
    store.commit(run_id, "me", Batch([], {"updates": 2}, {}, snapshots))
    studio = Helper(tmp_path, "studio")
    of_run = {"run_id": run_id, "config": None, "agent": None, "frames": False}
    kept, thinned = (studio.ask({"episode": {**of_run, "update": update}}) for update in (2, 1))
    assert kept.result()["error"] is None
    with pytest.raises(NoAnswer, match=r"The policy at update 1 was thinned meanwhile; ask again\."):
        thinned.result()
    studio.end()


ANSWERS_THE_SECOND_TIME = """#!/bin/sh
if mkdir "{folder}/hung"; then exec sleep 1000; fi
while read question; do
    number=${{question#*: }}
    echo "{{\\"answer\\": ${{number%%,*}}, \\"error\\": null}}"
done
"""


def test_a_process_that_hangs_is_replaced_and_only_what_it_was_asked_is_lost(studio, tmp_path, monkeypatch, wait):
    script = tmp_path / "hangs"
    script.write_text(ANSWERS_THE_SECOND_TIME.format(folder=tmp_path))
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setitem(module.SECONDS, "studio", 2.0)
    studio.start()
    child = studio._child
    hung, second, third = (studio.ask(QUESTION) for _ in range(3))
    with pytest.raises(NoAnswer, match=r"no answer within 2 seconds, so the process .* was ended; ask again, or for"):
        hung.result(GIVEN_UP)
    assert second.result(GIVEN_UP)["error"] is third.result(GIVEN_UP)["error"] is None
    wait(lambda: not child.is_alive())


ANSWERS_ALL_BUT_THE_FIRST = """#!/bin/sh
read question
while read question; do
    number=${question#*: }
    echo "{\\"answer\\": ${number%%,*}, \\"error\\": null}"
done
"""


def test_a_bound_that_ends_just_as_the_answer_comes_costs_nobody_anything(studio, tmp_path, monkeypatch):
    script = tmp_path / "answers"
    script.write_text(ANSWERS_ALL_BUT_THE_FIRST)
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    first, second = studio.ask(QUESTION), studio.ask(QUESTION)
    child, deadline, lock, waits = studio._child, studio._deadline, studio._lock, threading.Event()

    class Contended:
        def __enter__(self):
            waits.set()
            lock.acquire()

        def __exit__(self, *_):
            lock.release()

    late = threading.Thread(target=deadline.function, args=deadline.args)
    with lock:
        studio._lock = Contended()
        late.start()
        assert waits.wait(GIVEN_UP)
        studio._on_answer({"answer": 1, "error": None})
    late.join()
    assert first.result(GIVEN_UP)["error"] is second.result(GIVEN_UP)["error"] is None
    assert studio._child is child


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


def ask_as(who, helper):
    token = module.asker.set(who)
    try:
        return helper.ask(QUESTION)
    finally:
        module.asker.reset(token)


def test_askers_take_turns_and_nobody_has_all_places(studio, monkeypatch):
    child = SimpleNamespace(send=lambda question: sent.append(question["ask"]), kill=list, close=list, end=list)
    sent = []
    monkeypatch.setattr(module, "Child", lambda *_: child)
    many = [ask_as("one", studio) for _ in range(60)]
    other, nobody = ask_as("other", studio), [studio.ask(QUESTION) for _ in range(2)]
    with pytest.raises(
        NoAnswer, match=r"32 of your questions wait for an answer, .*; ask again when some are answered"
    ):
        many[32].result(0)
    assert all(future.done() for future in many[32:])
    asked, order = [*many[:32], other, *nobody], []
    while sent and len(order) < len(asked):
        studio._on_answer({"answer": sent[-1], "error": None})
        order += [future for future in asked if future.done() and future not in order]
    assert order == [many[0], other, nobody[0], many[1], nobody[1], *many[2:32]]
