"""Runs that are trained in one process: each is what it is alone, and ends by itself."""

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import pytest

from pg_core.config import Config
from pg_core.runs.store import sweeps
from pg_core.runs.store.records import Batch, Snapshot, SweepRow
from pg_core.runs.store.schema import ARRAYS, StoreError
from pg_core.runs.store.sweeps import NewRun
from pg_core.runs.workers import together
from pg_core.runs.workers.session import Leave
from pg_core.runs.workers.worker import work, work_together

BASE = Config(num_updates=12, pace=0, stop_when_solved=False, num_agents=3)


def add(store, *configs: Config, process: str | None = "me") -> list[str]:
    runs = [NewRun(number, f"run {number}", config) for number, config in enumerate(configs)]
    sweeps.add(store, SweepRow("a" * 32, "sweep", None, "{}"), runs, process)
    return [run.id for run in sorted(store.runs(sweep_id="a" * 32), key=lambda run: run.setting)]


def stored(store, run_id: str) -> list[tuple]:
    return [tuple(row)[2:] for row in store.updates(run_id, list(ARRAYS), 0, 100_000)]


def states(store, ids: list[str]) -> list[tuple[str, int]]:
    return [(store.run(run_id).state, store.run(run_id).updates) for run_id in ids]


def test_each_run_is_what_it_is_alone_bit_for_bit(store):
    settings = [BASE.changed(learning_rate=rate) for rate in (0.003, 0.01, 0.03)]
    settings += [BASE.changed(baseline="none"), Config(**{**BASE.model_dump(), "seed": 7})]
    ids = add(store, *settings)
    ended = list(work_together(store, ids, "me"))
    assert ended == sorted(ended) and ended[-1] == 5
    assert states(store, ids) == 5 * [("finished", 12)]
    for run_id, config in zip(ids, settings, strict=True):
        alone = store.create(config, process="me")
        deque(work(store, alone, "me"), maxlen=0)
        assert stored(store, run_id) == stored(store, alone)
        assert store.checkpoints(run_id)[-1] == store.checkpoints(alone)[-1] == 12
    assert stored(store, ids[0]) != stored(store, ids[1])


def test_the_first_agents_of_a_larger_population_are_the_same_agents(store):
    """Common random numbers: agent k draws the same, whatever else there is; in a batch of another size to rounding."""
    ids = add(store, BASE, Config(**{**BASE.model_dump(), "num_agents": 2}))
    deque(work_together(store, ids, "me"), maxlen=0)
    three, two = (store.updates(run_id, ["episodic_lengths"], 0, 1)[0].episodic_lengths for run_id in ids)
    assert three[: len(two)] == two


def test_one_that_diverges_or_fails_ends_alone(store, monkeypatch):
    from pg_core.learning.trainer import Trainer

    good = Config(**{**BASE.model_dump(), "optimizer": "sgd", "baseline": "none"})
    bad, broken = good.changed(learning_rate=1.0, momentum=0.999), good.changed(gamma=0.5)
    ids = add(store, good, bad, broken)
    trainer = Trainer(bad)
    checkpoint = trainer.checkpoint()
    checkpoint["policy_slots/bias_0/first"][1] = 1e38  # carries a bias past the largest float32 in the fourth step
    store.commit(ids[1], "me", Batch([], {}, {}, [Snapshot(0, trainer.policy(), checkpoint)]))
    advance = Trainer.advance

    def breaking(trainer, num_updates):
        if trainer.config.gamma == 0.5:
            raise ArithmeticError("a bug")
        return advance(trainer, num_updates)

    monkeypatch.setattr(Trainer, "advance", breaking)
    deque(work_together(store, ids, "me"), maxlen=0)
    runs = [store.run(run_id) for run_id in ids]
    assert [run.state for run in runs] == ["finished", "failed", "failed"]
    assert [run.updates for run in runs] == [12, 3, 0]
    assert [run.diverged for run in runs] == [False, True, False]
    assert runs[1].reason.startswith("Training diverged at update") and "incident" in runs[2].reason


def follow(store, ids, leave=None):
    """Train in a thread of its own."""
    thread = threading.Thread(target=lambda: deque(work_together(store, ids, "me", leave), maxlen=0))
    thread.start()
    return thread


def test_each_obeys_orders_of_its_own(store, wait):
    long = BASE.changed(num_updates=100_000, pace=30)
    ids = add(store, long, long, long)
    thread = follow(store, ids)
    wait(lambda: all(updates > 0 for _, updates in states(store, ids)))
    store.transition(ids[0], ["running"], target="stop")
    store.transition(ids[1], ["running"], target="pause")
    store.request(ids[2], {"learning_rate": 0.125})
    wait(lambda: [state for state, _ in states(store, ids)] == ["stopped", "paused", "running"])
    wait(lambda: store.requests(ids[2])[0].update is not None)
    until = store.run(ids[1]).updates + 2
    store.transition(ids[1], ["paused"], until=until)
    wait(lambda: store.run(ids[1]).updates == until and store.run(ids[1]).state == "paused")
    for run_id in ids[1:]:
        store.transition(run_id, ["running", "paused"], target="stop")
    thread.join()
    assert [state for state, _ in states(store, ids)] == 3 * ["stopped"]


def test_a_process_that_must_end_leaves_all_its_runs_with_what_they_have_learned(store, wait):
    long = BASE.changed(num_updates=100_000, pace=30)
    ids, leave = add(store, long, long), Leave()
    thread = follow(store, ids, leave)
    wait(lambda: all(updates > 0 for _, updates in states(store, ids)))
    leave.set()
    thread.join()
    for run_id in ids:
        run = store.run(run_id)
        assert (run.state, run.reason) == ("interrupted", Leave.reason) and store.checkpoints(run_id)[-1] == run.updates


def test_a_caller_that_leaves_stops_them(store):
    ids = add(store, *(2 * [BASE.changed(num_updates=100_000, pace=30)]))
    for _ in work_together(store, ids, "me"):
        break
    assert [state for state, _ in states(store, ids)] == 2 * ["stopped"]


def test_who_is_to_stop_does_not_wait_for_a_turn(monkeypatch):
    monkeypatch.setattr(together, "PATIENCE_SECONDS", 0.01)
    turns, over, asked = together.Turns(2), threading.Event(), []
    begun = threading.Barrier(together.THREADS + 1)

    def given_up() -> bool:
        asked.append("asked")
        return len(asked) == 3

    with ThreadPoolExecutor(together.THREADS) as others:
        busy = [others.submit(turns.take, lambda: (begun.wait(), over.wait())) for _ in range(together.THREADS)]
        begun.wait()  # all processors are taken
        try:
            assert turns.take(lambda: asked.append("done"), given_up) is None and asked == 3 * ["asked"]
        finally:
            over.set()
    assert all(each.result() for each in busy) and turns.take(lambda: 7) == 7
    turns.close()


def test_the_others_are_trained_where_one_cannot_be_written(store):
    def train(run_id, turns):
        if run_id == "bad":
            raise StoreError("full")
        yield turns.take(lambda: trained.append(run_id))

    trained: list[str] = []
    with pytest.raises(StoreError, match="full"):
        deque(together.side_by_side(store, ["bad", "good", "fine"], "me", train), maxlen=0)
    assert sorted(trained) == ["fine", "good"]


@pytest.mark.parametrize(
    ("values", "same"),
    [
        ({"learning_rate": 0.5, "gamma": 0.5, "seed": 3, "num_updates": 7, "pace": 2}, True),
        ({"baseline": "none", "activation": "relu"}, True),
        ({"baseline": "value"}, False),
        ({"num_agents": 4}, False),
        ({"hidden_layers": (8,)}, False),
        ({"episodes_per_update": 5}, False),
        ({"optimizer": "sgd"}, False),
        ({"max_episode_steps": 100}, False),
        ({"engine": "gymnasium"}, False),
    ],
)
def test_runs_share_a_program_if_they_differ_in_live_values_only(values, same):
    assert (together.kind(BASE) == together.kind(Config(**{**BASE.model_dump(), **values}))) is same


def test_what_gymnasium_plays_is_trained_alone():
    played = Config(env_id="Acrobot-v1")
    assert together.kind(played) != together.kind(played)
