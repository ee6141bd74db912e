"""Scores of visitors: the best are kept with their run, and go with it."""

import pytest
import sqlalchemy as sa

from pg_core.runs.store import library, maintenance, scores
from pg_core.runs.store.records import Score, UnknownRun
from pg_core.runs.store.schema import SCORES, read, write
from pg_core.runs.store.store import Store
from tests.runs.store.conftest import forget_leases
from tests.runs.store.test_sweeps import forget_sweeps


@pytest.fixture
def run(store, small) -> str:
    return store.create(small)


def count(store) -> int:
    with read(store.engine) as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(SCORES))


def test_the_longest_games_come_first_then_those_against_the_better_agent(store, run, small):
    games = [(30, 500), (90, 20), (90, 500), (7, 9), (90, 20)]
    for update, game in enumerate(games):
        scores.add(store, run, Score(update, 1, *game))
    scores.add(store, store.create(small), Score(0, 0, 500, 500))
    assert [score.update for score in scores.best(store, run, 9)] == [2, 1, 4, 0, 3]
    assert scores.best(store, run, 1) == [Score(2, 1, 90, 500)]


def test_the_best_hundred_stay(store, run):
    for steps in (*range(100, 0, -1), 50, 200):
        scores.add(store, run, Score(0, 0, steps, 10))
    kept = [score.visitor_steps for score in scores.best(store, run, 1_000)]
    assert kept == [200, *range(100, 49, -1), *range(50, 2, -1)] and len(kept) == scores.MAX_SCORES


def test_scores_go_with_their_run(store, run, monkeypatch):
    scores.add(store, run, Score(0, 0, 1, 1))
    store.transition(run, ["queued"], state="stopped")
    library.delete(store, [run])
    assert count(store) == 1  # it can be restored
    monkeypatch.setattr(library, "KEPT_SECONDS", -1.0)
    library.purge(store)
    assert count(store) == 0
    with pytest.raises(UnknownRun):
        scores.add(store, run, Score(0, 0, 1, 1))
    assert scores.best(store, run, 5) == [] and count(store) == 0


def test_a_backup_has_them(store, run, tmp_path):
    scores.add(store, run, Score(3, 1, 40, 41))
    (tmp_path / "copy").mkdir()
    maintenance.backup(store.engine.url, tmp_path / "copy" / "lab.db")
    copy = Store(tmp_path / "copy")
    assert scores.best(copy, run, 5) == [Score(3, 1, 40, 41)]
    copy.close()


def test_runs_of_a_store_of_version_8_get_scores(store, run):
    with write(store.engine) as connection:
        connection.exec_driver_sql("DROP TABLE scores")
        forget_sweeps(connection)
        forget_leases(connection)
        connection.exec_driver_sql("UPDATE schema_version SET version = 8")
    again = Store(store.folder, store.engine.url)
    scores.add(again, run, Score(3, 1, 40, 41))
    assert scores.best(again, run, 5) == [Score(3, 1, 40, 41)]
    again.close()
