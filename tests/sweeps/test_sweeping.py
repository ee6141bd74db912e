"""Sweeps through the lab's door: started, seen, stopped, extended, and looked after, without workers."""

import contextlib
import math

import numpy as np
import pytest

from pg_core import lab
from pg_core.config import Config, ConfigError
from pg_core.lab import access, state
from pg_core.lab.access import Visitor
from pg_core.learning import memory
from pg_core.runs.store import sweeps
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.records import Batch
from pg_core.runs.store.schema import CHANGES, write
from pg_core.sweeps import searching
from pg_core.sweeps.pooling import iqm

BASE = Config(num_agents=2, episodes_per_update=3, num_updates=4)
ID = "5" * 32


def declared(*axes: str, **values) -> lab.Sweep:
    axes = axes or ("learning_rate=0.01,0.1", "baseline=none,leave_one_out")
    return lab.Sweep(**{"base": BASE, "axes": tuple(map(lab.SweepAxis.of, axes)), "seeds": 2} | values)


@contextlib.contextmanager
def acting(visitor: Visitor):
    access.identify(lambda: visitor)
    try:
        yield
    finally:
        access.identify(access._command_line)


@pytest.fixture
def train(folder, make_update):
    """Have a run of 2 agents and 3 episodes end with certain mean returns, after so many updates."""

    def end(run: lab.Run, returns=(10.0, 20.0), updates=4, state_="finished", reason="", solved=(None, None)):
        store = state.store()
        assert store.transition(run.id, ["queued"], state="running", process="me")
        records = [make_update(index, agents=len(returns)) for index in range(updates)]
        for update in records:
            update.mean_return[:] = returns
        summary = {"updates": updates, "env_steps_to_solve": str(list(solved)).replace("None", "null")}
        store.commit(run.id, "me", Batch([(update, 1.0) for update in records], summary, {}, []))
        store.transition(run.id, ["running"], state=state_, reason=reason)

    return end


def runs() -> dict[int, list[lab.Run]]:
    found = lab.sweep(ID)
    return {setting.number: list(setting.runs) for setting in found.settings}


def test_a_start_that_comes_twice_is_one_sweep(folder):
    assert lab.start_sweep(declared(), "first", ID) == ID == lab.start_sweep(declared(), "second", ID)
    found = lab.sweep(ID)
    assert (found.name, found.state, len(found.settings), len(lab.queue())) == ("first", "training", 4, 4)
    assert [setting.values for setting in found.settings] == declared().grid()
    for setting in found.settings:
        [run] = setting.runs
        assert run.config == Config(**{**BASE.model_dump(), "pace": 0, **setting.values})
        assert (setting.state, setting.seeds, setting.curve) == ("queued", 0, None)
        assert all(math.isnan(value) for measured in setting.measures.values() for value in measured)
    assert runs()[1][0].name == "first: Learning rate 0.01, Baseline leave-one-out"
    assert lab.Sweep.from_json(lab.export_sweep(ID)) == declared()
    assert [row.name for row in lab.sweeps()] == ["first"]
    with pytest.raises(ValueError, match="`sweep_id` must be 32 hexadecimal digits"):
        lab.start_sweep(declared(), sweep_id="x")
    with pytest.raises(lab.UnknownSweep, match="No sweep has the id 'gone'"):
        lab.sweep("gone")


def test_each_run_of_a_sweep_counts_and_twelve_settings_fit(folder, monkeypatch):
    twelve = declared("learning_rate=0.01:0.1:log:4", "gamma=0.9:1:3")
    with acting(Visitor("someone", "browser", admin=False)):
        lab.start_sweep(twelve, sweep_id=ID)
        monkeypatch.setenv("PG_LAB_MAX_ACTIVE", "23")
        lab.start_sweep(twelve, sweep_id=ID)  # is there
        with pytest.raises(lab.NotAllowed, match="You have 12 runs in training or in the queue, and with 12 more"):
            lab.start_sweep(twelve)
        assert len(lab.sweeps()) == 1
        with pytest.raises(lab.NotAllowed, match="with 12 more"):
            lab.extend_sweep(ID, seeds=5)


def test_whose_a_sweep_is(folder):
    with acting(Visitor("someone", "browser", admin=False)):
        lab.start_sweep(declared(), "mine", ID)
    with acting(Visitor("another", "other", admin=False)):
        assert lab.sweep(ID).owner == "someone"
        for order in (lab.stop_sweep, lab.resume_sweep, lab.extend_sweep, lambda i: lab.stop_setting(i, 0)):
            with pytest.raises(lab.NotAllowed, match="Sweep mine belongs to someone else"):
                order(ID)


def test_settings_pool_their_agents_and_nobody_else(folder, train):
    lab.start_sweep(declared(), "first", ID)
    for number, [run] in runs().items():
        train(run, (10.0 * number, 10.0 * number + 4), solved=(None, 50 + number))
    lab.extend_sweep(ID, seeds=2, settings=[1])
    second = runs()[1][1]
    assert (second.config.seed, second.config.num_agents) == (BASE.seed + 1, 2)
    train(second, (30.0, 50.0), updates=2)
    found = lab.sweep(ID)
    assert found.state == "done" and [setting.seeds for setting in found.settings] == [2, 4, 2, 2]
    one = found.settings[1]
    scores = np.array([10.0, 14.0, 30.0, 50.0])
    assert one.measures["final_return"].value == (14 + 30) / 2  # the middle half
    assert one.curve.update.tolist() == [0, 1, 2, 3] and one.curve.episodes.tolist() == [3, 6, 9, 12]
    np.testing.assert_allclose(one.curve.iqm, np.broadcast_to(iqm(scores), (4, 3)))
    assert found.settings[3].measures["area_under_curve"].value == 32
    assert (one.solved, found.best("final_return")[0].number) == (1, 3)
    lab.extend_sweep(ID, seeds=3)
    further = {number: mine[-1] for number, mine in runs().items()}
    assert [run.config.seed for run in further.values()] == [BASE.seed + n for n in (1, 2, 1, 1)]
    assert {run.config.num_agents for run in further.values()} == {3}


def test_what_was_changed_on_the_way_or_has_failed_is_not_pooled(folder, train):
    lab.start_sweep(declared(), "first", ID)
    [changed], [failed], [paced], _ = runs().values()
    lab.change(changed.id, gamma=0.5)
    lab.change(paced.id, pace=30)
    train(changed)
    train(failed, state_="failed", reason="See incident 7.")
    train(paced)
    found = lab.sweep(ID).settings
    assert [(setting.state, setting.seeds, setting.left_out) for setting in found] == [
        ("finished", 0, 1), ("failed", 0, 1), ("finished", 2, 0), ("queued", 0, 0)
    ]  # fmt: skip


def test_a_setting_that_diverges_is_a_result_and_the_worst(folder, train):
    lab.start_sweep(declared(), "first", ID)
    for number, [run] in runs().items():
        diverged = {"updates": 3, "state_": "failed", "reason": "Training diverged at update 3: …"}
        train(run, (10.0 + number, 20.0), **(diverged if number == 2 else {"solved": (40, 50)}))
    found = lab.sweep(ID)
    worst = found.settings[2]
    assert (found.state, worst.state, worst.seeds, len(worst.curve.update)) == ("done", "diverged", 2, 3)
    assert worst.measures["final_return"].value == -math.inf
    for measure in lab.MEASURES:
        assert found.best(measure)[-1] is worst
    against = lab.against_base(found)
    assert (against.base, against.measure, sorted(against.verdicts)) == (0, "env_steps_to_solve", [1, 2, 3])
    assert against.verdicts[2].probability == 0 and against.verdicts[1].comparisons == 3


def test_the_base_is_the_setting_of_the_base(folder, train):
    lab.start_sweep(declared("learning_rate=0.01,0.025"), "first", ID)
    assert lab.against_base(lab.sweep(ID)) == (1, "env_steps_to_solve", {})  # nothing has trained


def test_groups_are_compared_paired_by_their_seeds(folder, train):
    lab.start_sweep(declared(), "first", ID)
    for number, [run] in runs().items():
        train(run, (10.0 * number, 10.0 * number + 4))
    first, second, third, _ = (f"{ID}:{number}" for number in range(4))
    [verdict] = lab.compare(second, first, measure="final_return")
    assert (verdict.a, verdict.b) == ("Learning rate 0.01, Baseline leave-one-out", "Learning rate 0.01, Baseline none")
    assert (verdict.pairs, verdict.iqm_difference) == (2, 10.0)
    found = lab.compare(second, third, first, measure="final_return")
    assert [each.b for each in found] == 2 * ["Learning rate 0.01, Baseline none"] and found[0].comparisons == 2
    ids = [mine[0].id for mine in runs().values()]
    [by_run] = lab.compare(ids[1], ids[0], measure="final_return")
    assert by_run.iqm_difference == 10.0
    for groups, sentence in [
        ((first,), "`groups` must be at least two, got 1."),
        ((first, f"{ID}:7"), "A setting of sweep first must be one of 0, 1, 2, 3, got '7'."),
        ((first, f"{ids[0]},{ids[1]}"), "pooled only if their settings agree: these differ in `baseline`."),
        ((first, f"{ids[0]},{ids[0]}"), "pooled only if they differ in their seeds, got "),
    ]:
        with pytest.raises(ValueError, match=sentence):
            lab.compare(*groups)


def test_a_group_never_pools_what_was_changed_on_the_way(folder):
    """They end with the same settings."""
    store = state.store()
    ids = [store.create(Config(seed=seed), process="me") for seed in range(4)]
    for run_id, at in zip(ids[1:], (2, 3, 3), strict=True):
        store.request(run_id, {"gamma": 0.9})
        with write(store.engine) as connection:
            connection.execute(CHANGES.update().where(CHANGES.c.run_id == run_id).values(update=at))
    one = store.create(Config(seed=9, gamma=0.9))
    for pooled, what in [
        ((ids[0], one), "in `gamma`"),
        ((ids[1], one), "in `gamma`"),
        (ids[1:3], "at which they were"),
    ]:
        with pytest.raises(ValueError, match=what):
            lab.group_of(",".join(pooled))
    longer = store.create(Config(seed=10, gamma=0.9, num_updates=7))
    assert [run.id for run in lab.group_of(f"{one},{longer}").runs] == [one, longer]  # up to where the shorter one goes
    assert [run.id for run in lab.group_of(",".join(ids[2:])).runs] == ids[2:]


def test_a_sweep_or_one_setting_is_stopped_and_goes_on(folder):
    lab.start_sweep(declared(), "first", ID)
    lab.stop_setting(ID, 2)
    assert [setting.state for setting in lab.sweep(ID).settings] == ["queued", "queued", "stopped", "queued"]
    assert lab.sweep(ID).state == "training"
    lab.stop_sweep(ID)
    assert (lab.sweep(ID).state, {setting.state for setting in lab.sweep(ID).settings}) == ("stopped", {"stopped"})
    lab.resume_sweep(ID)
    assert {setting.state for setting in lab.sweep(ID).settings} == {"queued"}
    store = lab.state.store()
    for run in store.runs():
        store.transition(run.id, ["queued"], state="finished")
    assert lab.sweep(ID).state == "done"


def test_further_values_are_all_combinations_with_them(folder):
    lab.start_sweep(declared("learning_rate=0.01:0.1:log:2", "baseline=none,leave_one_out"), "first", ID)
    before = lab.sweep(ID).settings
    lab.extend_sweep(ID, values={"learning_rate": [0.05], "baseline": ["value"]})
    found = lab.sweep(ID)
    assert found.sweep.axes[0].values == (0.01, 0.05, 0.1) and found.settings[:4] == before
    assert [setting.number for setting in found.settings] == list(range(9))
    combinations = {(setting.values["learning_rate"], setting.values["baseline"]) for setting in found.settings}
    assert combinations == {(r, b) for r in (0.01, 0.05, 0.1) for b in ("none", "leave_one_out", "value")}
    for more, sentence in [
        ({"values": {"gamma": [0.5]}}, "`gamma` is no axis of this sweep: learning_rate, baseline."),
        ({"values": {"learning_rate": [0.01]}}, "must differ, got 0.01 twice"),
        ({"values": {"learning_rate": ["x"]}}, "`learning_rate` must be in"),
        ({"seeds": 513}, "`seeds` must be in [0, 512] at a time, got 513."),
        ({"seeds": -1}, "`seeds` must be in [0, 512]"),
        ({"seeds": 1, "settings": [99]}, "`settings` must be among"),
        ({"trials": 3}, "`trials` must be 0, got 3, for a grid"),
    ]:
        with pytest.raises(ConfigError) as caught:
            lab.extend_sweep(ID, **more)
        assert sentence in str(caught.value)
    assert len(lab.sweep(ID).settings) == 9


def test_a_sampler_is_asked_for_more_as_settings_end_whatever_process_asks(folder, train):
    sweep = declared("learning_rate=0.001:0.1:log:3", sampler="tpe", trials=13)
    lab.start_sweep(sweep, "first", ID)
    store = state.store()
    assert len(lab.sweep(ID).settings) == searching.BATCH == 8
    searching.go_on(store)  # there is no room yet
    assert len(lab.sweep(ID).settings) == 8
    for number, [run] in runs().items():
        if number < 4:
            train(run, 2 * (1000 * run.config.learning_rate,))
    searching.go_on(store)
    assert len(lab.sweep(ID).settings) == 12
    searching.go_on(store)
    for [run] in list(runs().values())[4:]:
        train(run)
    searching.go_on(store)
    found = lab.sweep(ID)
    assert (len(found.settings), found.state) == (13, "training")
    train(found.settings[12].runs[0], state_="failed", reason="Training diverged at update 3: …", updates=3)
    searching.go_on(store)
    assert lab.sweep(ID).state == "done" and sweeps.searching(store) == []
    lab.extend_sweep(ID, trials=2)
    searching.go_on(store)
    assert len(lab.sweep(ID).settings) == 15 and lab.sweep(ID).sweep.trials == 15
    lab.stop_sweep(ID)
    searching.go_on(store)
    assert len(lab.sweep(ID).settings) == 15 and lab.sweep(ID).state == "stopped"


def test_who_looks_after_a_sweep_does_so_as_long_as_they_live(folder):
    sweep = declared("learning_rate=0.001:0.1:log:3", sampler="random", trials=20)
    lab.start_sweep(sweep, "first", ID)
    store = state.store()
    row = sweeps.sweep(store, ID)
    for [run] in runs().values():
        store.transition(run.id, ["queued"], state="stopped")
    for process, count in ((process_name(), 8), ("999999@gone+1", 16)):
        before = sweeps.settings_of(store, ID)
        assert sweeps.extend(store, type(row)(**vars(row) | {"process": process}), before, [])
        searching.go_on(store)
        assert len(lab.sweep(ID).settings) == count


def test_a_sweep_that_cannot_go_on_is_stopped_with_a_word_and_does_not_hinder_others(folder, caplog):
    sweep = declared("learning_rate=0.001:0.1:log:3", sampler="random", trials=20)
    for sweep_id in (ID, "6" * 32):
        lab.start_sweep(sweep, "first", sweep_id)
        for setting in lab.sweep(sweep_id).settings:
            lab.stop(setting.runs[0].id)
    store = state.store()
    row = sweeps.sweep(store, ID)
    sweeps.extend(store, type(row)(**vars(row) | {"declaration": "{}"}), sweeps.settings_of(store, ID), [])
    searching.go_on(store)
    assert len(lab.sweep("6" * 32).settings) == 16 and sweeps.sweep(store, ID).target == "stop"
    assert "Sweep first is stopped: " in caplog.text


def test_a_sweep_of_another_machine_is_left_to_it_while_that_works_on_a_run(folder):
    elsewhere = "7@8a0b6a39-9d0d-4d1c-8a3f-0d6f5ec4b3a1+42"
    lab.start_sweep(declared("learning_rate=0.001:0.1:log:3", sampler="random", trials=20), "first", ID)
    store = state.store()
    row, before = sweeps.sweep(store, ID), sweeps.settings_of(store, ID)
    sweeps.extend(store, type(row)(**vars(row) | {"process": elsewhere}), before, [])
    first, *others = [setting.runs[0].id for setting in lab.sweep(ID).settings]
    for run_id in others:
        lab.stop(run_id)
    store.transition(first, ["queued"], state="running", process=elsewhere)
    searching.go_on(store)
    assert sweeps.settings_of(store, ID) == before
    store.transition(first, ["running"], state="interrupted")
    searching.go_on(store)
    assert len(sweeps.settings_of(store, ID)) > len(before)


def test_hopeless_settings_are_stopped(folder, train, make_update):
    sweep = declared("learning_rate=0.001:0.1:log:3", sampler="random", trials=8, prune=True)
    lab.start_sweep(sweep, "first", ID)
    *ended, worse, better = (mine[0] for mine in runs().values())
    for run in ended:
        train(run, (50.0, 50.0))
    store = state.store()
    for run, value in ((worse, 10.0), (better, 90.0)):
        store.transition(run.id, ["queued"], state="running", process=process_name())
        update = make_update(0)
        update.mean_return[:] = value
        store.commit(run.id, process_name(), Batch([(update, 1.0)], {"updates": 1}, {}, []))
    searching.go_on(store)
    assert [store.run(run.id).target for run in (worse, better)] == ["stop", "run"]


def test_the_time_is_estimated_from_what_such_a_run_took(folder, train):
    four = declared()
    unknown = lab.estimate_sweep(four)
    assert unknown[:2] == (4, 8) and unknown.seconds > 0
    assert lab.estimate_sweep(declared("gamma=0.5:1:3", sampler="random", trials=12))[:2] == (12, 24)
    run_id = state.store().create(BASE)
    train(state.store().run(run_id))
    ended = {"state": "finished", "env_steps": 1200, "episodes": 24, "wall_seconds": 6.0}
    state.store().transition(run_id, ["finished"], **ended)
    # As many agents, episodes and updates in each of four settings, two of which have a processor at a time.
    threads = memory.THREADS
    assert lab.estimate_sweep(four).seconds == pytest.approx(4 * 6.0 / threads)


def test_curves_are_pooled_as_a_run_pools_its_agents():
    from pg_core import maths

    scores = np.random.default_rng(0).normal(size=(5, 11)).astype(np.float32)
    ours = iqm(scores)
    theirs = [maths.interquartile_mean(scores), *maths.bootstrap_interval(scores)]
    np.testing.assert_allclose(ours, np.stack([each.numpy() for each in theirs], axis=-1), rtol=1e-5, atol=1e-6)
