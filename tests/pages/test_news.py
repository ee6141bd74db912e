"""What the instrument is told: state and share in words, the last change in a sentence, policies, when to ask again."""

from dataclasses import replace

import numpy as np
import pytest

from pages.widgets import news as module
from pages.widgets.effects import effect
from pages.widgets.figure import Shown
from pages.widgets.news import (
    BEAT_SECONDS,
    FIRST_SECONDS,
    REST_SECONDS,
    beat,
    news,
    nothing_yet,
    seconds_until,
    token,
)
from pg_core import lab
from pg_core.config import Config
from pg_core.lab import Change, Progress
from tests.pages.test_figure import progress


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Policies that the store has of every run."""
    policies = [0, 1, 2, 3]
    monkeypatch.setattr(lab, "policies", lambda run_id: policies)
    return policies


def told(found: Progress, **run: object) -> dict:
    return news(replace(found, run=replace(found.run, **run)), Shown("a"))["told"]


def test_the_words_say_how_far_it_is() -> None:
    run = progress(updates=3)
    assert told(run)["words"] == "update 3 of at most 500 · solved 0 of 2 · n"
    assert told(run, env_steps_to_solve=(7, None))["words"] == "update 3 of at most 500 · solved 1 of 2 · n"
    assert (
        told(replace(run, seconds_left=90.0))["words"]
        == "update 3 of at most 500 · solved 0 of 2 · at most 1:30 left · n"
    )
    assert told(replace(run, queue_position=1))["words"] == "next in the queue · n"
    assert told(replace(run, queue_position=2))["words"] == "number 2 in the queue · n"
    assert told(run, target="pause")["state"] == "pausing…"
    assert told(run, state="paused", target="pause")["state"] == "paused"
    assert "solved" not in told(progress(env_id="Pendulum-v1"))["words"]


def test_the_share_climbs_to_the_return_that_counts_as_solved_and_does_not_jump() -> None:
    climbs = np.float32([[25, 75], [25 + 450 / 2, 75], [475, 75 + 400 / 4]])
    run = progress(updates=3, mean_return=climbs)
    assert told(run)["progress"] == pytest.approx((1 + 1 / 4) / 2)
    assert told(progress(updates=2, mean_return=climbs[:2]))["progress"] == pytest.approx((1 / 2 + 0) / 2)
    assert told(run, env_steps_to_solve=(7, None))["progress"] == pytest.approx((1 + 1 / 4) / 2)
    assert told(run, state="solved")["progress"] == 1
    endless = run.run.current.changed(stop_when_solved=False)
    assert told(run, current=endless)["progress"] == 3 / 500
    assert told(run, current=run.run.current.changed(num_updates=3))["progress"] == 1


def test_the_sentence_is_what_went_wrong_then_the_last_change_then_a_hint() -> None:
    change = Change(2, {"learning_rate": (0.01, 0.0025)})
    run = progress(updates=4, changes=[change])  # the typical return after update u is u, from 0 on
    assert told(run)["sentence"] == (
        "Since update 3: α 0.01 → 0.0025, steps are 4 times shorter; typical return 1 then, 3 now."
    )
    assert told(run, reason="Training diverged.")["sentence"] == "Training diverged."
    assert told(progress(updates=1))["sentence"].startswith("Turn a knob")
    assert told(progress(updates=1), state="finished")["sentence"].startswith("Click a point")
    pendulum = progress(updates=1, env_id="Pendulum-v1")
    assert told(pendulum)["sentence"].startswith("No return counts as solved in Pendulum-v1")


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("learning_rate", 0.001, 0.01, "α 0.001 → 0.01, steps are 10 times longer"),
        ("gamma", 1.0, 0.9, "γ 1 → 0.9, rewards count for about 10 steps ahead"),
        ("gamma", 0.9, 1.0, "γ 0.9 → 1, all later rewards count in full"),
        ("gamma", 0.9, 0.0, "γ 0.9 → 0, only the next reward counts"),
        ("baseline", "none", "batch_mean", "b none → batch mean, the mean return of the batch is subtracted"),
        ("normalize_advantages", True, False, "Â on → off, advantages keep the scale of the rewards"),
        ("ent_coef", 0.0, 0.1, "c_H 0 → 0.1, the policy is drawn towards uniform probabilities"),
        ("ent_coef", 0.1, 0.0, "c_H 0.1 → 0, the policy is no longer drawn towards uniform probabilities"),
        ("ent_coef", 0.1, 0.2, "c_H 0.1 → 0.2, the policy is drawn 2 times more towards uniform probabilities"),
        ("reward_scale", 1.0, 0.1, "Reward scale 1 → 0.1, returns that are learned from are 10 times smaller"),
        ("weights", "reward_to_go", "episode_return", "the whole episode's return weighs every action"),
        ("max_grad_norm", 0.0, 2.5, "no gradient is longer than 2.5"),
        ("momentum", 0.9, 0.5, "μ 0.9 → 0.5"),
    ],
)
def test_a_change_is_told_with_what_follows_from_it(name: str, old: object, new: object, words: str) -> None:
    assert words in effect(name, old, new)


def test_the_numbers_say_what_they_are() -> None:
    run = progress(updates=2, agents=5)
    cells = {cell["name"]: cell for cell in told(run, best_return=-12.345, elapsed_seconds=83.2)["numbers"]}
    assert cells["typical of 5 agents"]["value"] == "1 (0 to 2)"
    assert "Interquartile mean (IQM)" in cells["typical of 5 agents"]["title"]
    assert cells["best episode"]["value"] == "−12.35"
    assert cells["running for"]["value"] == "1:23"
    assert "computing" in " ".join(cells)
    assert next(cell["name"] for cell in told(progress(agents=1))["numbers"]) == "mean return"
    assert {cell["value"] for cell in nothing_yet(Config(), Shown(None))["told"]["numbers"]} == {"–"}


def test_the_stage_is_told_the_newest_policies_and_an_even_spread(kept: list[int]) -> None:
    def stage(pace: int = 10) -> dict:
        run = progress(updates=1)
        return news(replace(run, run=replace(run.run, current=run.run.current.changed(pace=pace))), Shown("a"))["stage"]

    assert stage() == {"newest": 3, "kept": [0, 1, 2, 3], "every": False, "strip": [0, 1, 2, 3]}
    assert stage(pace=1)["every"] is True and stage(pace=0)["every"] is False
    kept[:] = range(20)
    assert stage()["kept"] == [14, 15, 16, 17, 18, 19]
    assert stage()["strip"] == [0, 4, 8, 12, 16]
    kept[:] = [*range(0, 1000, 8), 1001]
    assert stage()["strip"] == [0, 128, 256, 384, 512, 640, 768, 896]
    kept[:] = []
    assert stage() == {"newest": 0, "kept": [0], "every": False, "strip": [0]}


@pytest.mark.parametrize(
    ("run", "more", "seconds"),
    [
        ({"state": "starting", "updates": 0}, {}, FIRST_SECONDS),
        ({"state": "queued", "updates": 0}, {"queue_position": 1}, FIRST_SECONDS),
        ({"state": "queued", "updates": 0, "reason": "it waits for memory"}, {"queue_position": 1}, BEAT_SECONDS),
        ({"state": "queued", "updates": 0}, {"queue_position": 2}, BEAT_SECONDS),
        ({"state": "running", "updates": 0}, {}, FIRST_SECONDS),
        ({"state": "running"}, {}, BEAT_SECONDS),
        ({"state": "paused", "target": "pause"}, {}, REST_SECONDS),
        ({"state": "paused", "target": "pause", "until": 4}, {}, BEAT_SECONDS),  # a step is under way
        ({"state": "paused", "target": "run"}, {}, BEAT_SECONDS),
        ({"state": "paused", "target": "stop"}, {}, BEAT_SECONDS),
        ({"state": "starting", "target": "pause"}, {}, BEAT_SECONDS),
        ({"state": "interrupted"}, {}, REST_SECONDS),
        ({"state": "finished"}, {}, None),
        ({"state": "failed"}, {}, None),
    ],
)
def test_it_asks_again_for_as_long_as_something_may_come(run: dict, more: dict, seconds: float | None) -> None:
    found = progress(updates=3)
    assert beat(replace(found, run=replace(found.run, **run), **more)) == seconds


def test_of_a_run_that_is_not_read_to_its_end_the_rest_comes_soon() -> None:
    found = progress(updates=3, complete=False)
    assert beat(found) == beat(replace(found, run=replace(found.run, state="finished"))) == FIRST_SECONDS


def test_all_who_watch_a_run_ask_together_at_the_multiples_of_a_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def due(run_id: str, at: float) -> float:
        now[0] = at
        return at + seconds_until(BEAT_SECONDS, run_id)

    first = due("a", 0)
    assert 0 < first <= BEAT_SECONDS
    for later in (0.01, 0.3):
        assert due("a", first + later) == pytest.approx(first + BEAT_SECONDS)
    assert due("b", 0) != first  # not all runs at once
    assert seconds_until(None, "a") is None


def test_a_run_behind_that_still_learns_keeps_it_asking() -> None:
    run = progress(updates=3)
    ended = replace(run, run=replace(run.run, state="finished"))
    assert beat(ended) is None
    assert beat(ended, [progress(run_id="b")]) == BEAT_SECONDS


def test_the_charts_come_only_where_something_is_new() -> None:
    run, other = progress(version=7), progress(version=9, run_id="b")
    shown = Shown("a", beside=("b",))
    whole = news(run, shown, [other])
    assert whole["version"] == "7-9" and "charts" in whole and "rows" in whole
    assert "charts" not in news(run, shown, [other], [7, 9])
    assert "charts" in news(run, shown, [other], [7, 8])
    assert "charts" in news(run, shown, [other], [6, 9])


def test_the_page_and_the_charts_wait_for_the_first_update() -> None:
    run = progress(updates=3, version=7)
    first = replace(run, run=replace(run.run, state="running", updates=0))
    begun = news(first, Shown("a"), versions=[0])
    assert begun["token"] is None and "charts" not in begun
    assert "charts" in news(first, Shown("a"))  # to who has no axes yet
    resumed = news(replace(run, run=replace(run.run, state="starting")), Shown("a"), versions=[0])
    assert resumed["token"] is None and "charts" in resumed
    failed = news(replace(run, run=replace(run.run, state="failed", updates=0)), Shown("a"), versions=[0])
    assert failed["token"] and "charts" in failed


def test_the_page_runs_where_its_native_part_would_be_another() -> None:
    run = progress(updates=3)
    now = token(run)

    def of(**values: object) -> str:
        return token(replace(run, run=replace(run.run, **values)))

    assert of(updates=9) == of(state="starting") == of(episodes=7) == now  # what moves
    others = [
        of(target="pause"), of(state="paused"), of(state="paused", updates=9), of(state="solved"), of(updates=0),
        of(rewinds=1), of(current=run.run.current.changed(gamma=0.5)),
        token(progress(changes=[Change(1, {"gamma": (1, 0.5)})])),
    ]  # fmt: skip
    assert len({now, *others}) == 1 + len(others)
