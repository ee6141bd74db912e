"""Films are made one at a time, in a process of their own, for as long as the lab runs."""

import threading
from types import SimpleNamespace

import pytest

from pg_core import lab
from pg_core.config import Config
from pg_core.runs.workers import helper

GIVEN_UP = 30.0  # seconds, so that a film that nobody makes fails its test


def test_films_that_wait_when_the_lab_ends_say_so_and_start_no_process(folder, monkeypatch):
    started, begun = [], threading.Event()

    def start(*_):
        started.append(SimpleNamespace(send=lambda _: begun.set(), kill=list, close=list, end=list))  # it never answers
        return started[-1]

    monkeypatch.setattr(helper, "Child", start)
    monkeypatch.setattr(lab.filming, "_policies", lambda *_: ([0], 0))
    run = lab.start(Config(num_agents=1))
    films = [lab.ask_film(run, "webp", 0) for _ in range(3)]
    assert begun.wait(GIVEN_UP)
    lab.shutdown()
    for film in films:
        with pytest.raises(lab.EpisodeError, match="ended before it had an answer; ask again"):
            film.result(GIVEN_UP)
    assert len(started) == 1
