"""Proofs are checked in another process, which comes when it is needed and whose death is told."""

import os
from concurrent.futures import Future

import psutil
import pytest

from pg_core.runs.workers import helper, prover
from pg_core.runs.workers.prover import Prover
from tests.workers import fork_server

QUESTION = ("expected_score", {"states": 1, "seed": 3})


@pytest.fixture(scope="module")
def checking(tmp_path_factory):
    """One for all tests, for its process takes seconds to start; an answer is forgotten when it is asked for again."""
    prover = Prover(tmp_path_factory.mktemp("lab"))
    yield prover
    prover.shutdown()


def answered(checking: Prover):
    answer, pending = checking.answer(*QUESTION)
    assert (answer is None) == pending
    return answer


def test_a_check_is_asked_for_and_answered(checking, wait):
    assert checking.answer(*QUESTION) == (None, False)
    checking.ask(*QUESTION)
    checking.ask(*QUESTION)  # is on its way
    answer = wait(lambda: answered(checking))
    assert answer.error is None
    assert answer.check["passed"] is True
    child = checking._helper._child
    checking.ask(*QUESTION)
    assert wait(lambda: answered(checking)) == answer
    assert checking._helper._child is child


def test_a_check_that_breaks_is_told(checking, wait):
    checking.ask("expected_score", {"states": "many"})
    answer, _ = wait(lambda: checking.answer("expected_score", {"states": "many"})[0]), None
    assert answer.check is None
    assert "incident" in answer.error


def test_a_process_that_dies_is_told_and_replaced(checking, wait):
    checking.prepare()
    first = checking._helper._child
    checking.ask(*QUESTION)
    first._process.kill()
    assert wait(lambda: answered(checking)).error == helper.LOST
    checking.ask(*QUESTION)
    assert wait(lambda: answered(checking)).check["passed"] is True
    assert checking._helper._child is not first


@pytest.mark.parametrize("how", ["the deadline", "retirement"])
def test_a_process_that_is_suspended_is_ended_and_replaced(checking, wait, monkeypatch, how):
    checking.ask(*QUESTION)
    wait(lambda: answered(checking))  # so it has begun
    first = checking._helper._child
    psutil.Process(first._process.pid).suspend()
    if how == "the deadline":
        monkeypatch.setitem(helper.SECONDS, "prover", 0.01)
    checking.ask(*QUESTION)
    if how == "retirement":
        checking._helper.end()
    sentence = {"the deadline": helper.TOO_LONG.format(0.01), "retirement": helper.LOST}[how]
    assert wait(lambda: answered(checking)).error == sentence
    wait(lambda: not first.is_alive())
    monkeypatch.undo()
    checking.ask(*QUESTION)
    assert wait(lambda: answered(checking)).check["passed"] is True


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Nothing is forked here.")
def test_a_process_that_begins_too_late_ends(checking, wait, monkeypatch):
    monkeypatch.setitem(helper.SECONDS, "prover", 0.01)
    checking._helper.end()
    forks = fork_server()
    forks.suspend()
    checking.prepare()
    child = checking._helper._child
    checking.ask(*QUESTION)
    assert wait(lambda: answered(checking)).error == helper.TOO_LONG.format(0.01)
    forks.resume()
    wait(lambda: not child.is_alive())


def test_an_idle_process_ends_and_its_answers_stay(checking, wait, monkeypatch):
    checking.ask(*QUESTION)
    answer = wait(lambda: answered(checking))
    child = checking._helper._child
    monkeypatch.setattr(prover, "IDLE_SECONDS", 0.01)
    checking.prepare()
    wait(lambda: not child.is_alive())
    assert answered(checking) == answer


def test_only_the_newest_answers_are_kept(checking, monkeypatch):
    monkeypatch.setattr(prover, "MAX_ANSWERS", 2)
    for key in "abc":
        lost = Future()
        lost.set_exception(helper.NoAnswer(key))
        checking._keep(key, lost)
    assert list(checking._answers) == ["b", "c"]
