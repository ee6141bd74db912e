import base64
import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import numpy as np
import psutil
import pytest

from pg_core import lab
from pg_core.config import Config, ConfigError
from pg_core.environments import make
from pg_core.lab import state
from pg_core.learning.episodes import start_seed
from pg_core.learning.evaluation import VALIDATION_SEED, actor, evaluate
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.records import MAX_CHANGES, Batch
from pg_core.runs.store.schema import ARRAYS, CHANGES, CHECKPOINTS, write
from pg_core.runs.store.store import Store
from tests.workers import workers

SMALL = Config(num_agents=2, episodes_per_update=3, hidden_layers=(8,), num_updates=8, pace=0, stop_when_solved=False)
ENDLESS = Config(pace=30, num_updates=100_000, stop_when_solved=False)  # of sizes whose program a spare has ready


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Give this module a lab of its own; its supervisor is ended with it."""
    folder = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PG_LAB_DATA", str(folder))
        yield folder
        lab.shutdown()


@pytest.fixture(scope="module")
def trained():
    """A run that this process has trained to its end."""
    training = lab.train(SMALL, "trained here")
    assert [update.index for update in training] == list(range(8))
    return training.run_id


def wait(condition):
    while not (value := condition()):
        time.sleep(0.01)
    return value


def test_training_in_this_process_keeps_the_run(trained):
    run = lab.run(trained)
    assert (run.name, run.state, run.updates, run.episodes, run.config) == ("trained here", "finished", 8, 48, SMALL)
    assert datetime.now(UTC) >= run.created_at
    assert run in lab.runs()


def test_breaking_the_loop_stops_the_run():
    training = lab.train(SMALL)
    for _ in training:
        break
    assert (lab.run(training.run_id).state, lab.run(training.run_id).updates) == ("stopped", 1)


def test_a_fork_after_any_update_without_changes_is_the_same_run(trained, folder):
    fork = lab.train_fork(trained, 3)
    assert 3 not in lab.checkpoints(trained) and [update.index for update in fork] == [3, 4, 5, 6, 7]
    columns = list(ARRAYS)
    ours, theirs = (
        [row[:1] + row[2:] for row in Store(folder).updates(r, columns, 0, 8)] for r in (fork.run_id, trained)
    )
    assert ours == theirs
    assert (lab.run(fork.run_id).parent_id, lab.run(fork.run_id).parent_update) == (trained, 3)
    with pytest.raises(LookupError, match=r"`update` must be in \[0, 8\]"):
        lab.train_fork(trained, 9)


def test_a_deleted_run_is_not_trained_on(trained):
    run_id = lab.fork(trained, 0, resumed=False)
    lab.delete(run_id)
    with pytest.raises(lab.RunEnded, match="A run that is deleted cannot go on"):
        lab.train_on(run_id)


def test_progress_holds_curves_and_no_time_left_when_finished(trained):
    progress = lab.progress(trained)
    assert progress.run == lab.run(trained)
    assert len(progress.curves.update) == 8 and len(progress.curves.episode_return) == 48
    assert (progress.changes, progress.seconds_left, progress.queue_position) == ([], None, None)
    assert progress.curves.mean_return[-1].mean() == pytest.approx(progress.run.mean_return)


def test_a_run_takes_so_many_changes_and_a_look_at_them_validates_none(folder, monkeypatch):
    store = Store(folder)
    run_id = store.create(SMALL, process="me")
    row = {"run_id": run_id, "requested_at": 1.0}
    values = [{"gamma": 0.5 + number / 10_000} for number in range(MAX_CHANGES - 1)]
    with write(store.engine) as connection:
        said = [{**row, "values": json.dumps(value), "update": at} for at, value in enumerate(values)]
        connection.execute(CHANGES.insert(), said)
    lab.change(run_id, gamma=0.25)
    with pytest.raises(ConfigError, match="A run takes at most 1,000 changes: start a new run with these values"):
        lab.change(run_id, gamma=0.75)
    lab.change(run_id, gamma=0.25)  # as it is
    before = lab.progress(run_id).changes
    with monkeypatch.context() as none:
        none.setattr(Config, "changed", None)
        assert lab.progress(run_id).changes == before
    assert [change.values["gamma"][1] for change in before] == [value["gamma"] for value in values]
    store.transition(run_id, ["starting"], state="failed")


def test_changes_of_one_update_are_one_change_with_old_and_new(folder):
    store = Store(folder)
    run_id = store.create(SMALL, process="me")
    lab.change(run_id, learning_rate=0.5)
    lab.change(run_id, learning_rate=0.25, gamma=0.9)
    lab.change(run_id, ent_coef=0.5)
    lab.change(run_id, ent_coef=0.0)
    lab.change(run_id, learning_rate=0.125)
    ids = [request.id for request in store.requests(run_id)]
    assert len(ids) == 5
    in_force = {ids[0]: 3, ids[1]: 3, ids[2]: 5, ids[3]: 5}
    store.commit(run_id, "me", Batch([], {}, in_force, []))
    old = SMALL.learning_rate
    assert lab.progress(run_id).changes == [lab.Change(3, {"learning_rate": (old, 0.25), "gamma": (SMALL.gamma, 0.9)})]
    assert lab.run(run_id).current.learning_rate == 0.125
    store.transition(run_id, ["starting"], state="failed")


def test_the_policy_at_an_update_is_the_one_of_then(trained):
    policy = lab.policy_at(trained, 0)
    assert policy["kernel_0"].shape == (2, 4, 8)
    assert not np.array_equal(policy["kernel_0"], lab.policy_at(trained, 8)["kernel_0"])
    with pytest.raises(LookupError, match=r"`update` must be in \[0, 8\], of which a policy can be had, got 9"):
        lab.policy_at(trained, 9)


def test_evaluate_plays_fresh_episodes_with_the_best_greedy_agent(trained):
    validated = [evaluate(SMALL, lab.policy_at(trained, 8), agent, 50, seed=VALIDATION_SEED) for agent in (0, 1)]
    best = int(np.argmax([played.returns.mean() for played in validated]))
    chosen = lab.evaluate(trained, episodes=6)
    assert chosen.returns.shape == (6,)
    np.testing.assert_array_equal(chosen.returns, lab.evaluate(trained, 6, agent=best).returns)
    assert not set(chosen.returns) <= set(validated[best].returns[:6])
    with pytest.raises(ValueError, match=r"`agent` must be in \[0, 1\], got 2"):
        lab.evaluate(trained, 6, agent=2)


def test_render_writes_a_picture_that_moves(trained, tmp_path):
    lab.render(trained, tmp_path / "clip.webp")
    assert (tmp_path / "clip.webp").read_bytes()[8:12] == b"WEBP"
    with pytest.raises(ValueError, match="must end in"):
        lab.render(trained, tmp_path / "clip.txt")


def test_a_film_has_the_episodes_of_its_policies_from_the_first_to_the_best(trained, tmp_path):
    """Each return is that of `env.step` with that policy, from the same state and with the same random numbers."""
    returns = lab.film(trained, tmp_path / "film.webp", agent=1)
    assert next(iter(returns)) == 0 and list(returns)[-1] == lab.best(trained, 1)
    for update, earned in returns.items():
        act = actor(SMALL, lab.policy_at(trained, update), 1, greedy=False, update=0)
        env, total, ended = make(SMALL.env_id, **SMALL.environment.options), 0.0, False
        observation, _ = env.reset(seed=start_seed(SMALL, 0))
        while not ended:
            observation, reward, terminated, truncated, _ = env.step(int(act(np.float32(observation))[0]))
            total, ended = total + reward, terminated or truncated
        assert earned == total
    kinds = [lab.ask_film(trained, kind, 1, in_turn=kind == "gif").result()[:12] for kind in lab.FILMS]
    assert [kinds[0][8:12], kinds[1][4:8], kinds[2][:4]] == [b"WEBP", b"ftyp", b"GIF8"]


def test_a_film_that_cannot_be_made_says_why(trained, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"`path` must end in \.webp, \.gif or \.mp4, got 'film\.png'"):
        lab.film(trained, tmp_path / "film.png")
    with pytest.raises(ValueError, match=r"`agent` must be in \[0, 1\], got 2"):
        lab.ask_film(trained, "webp", 2)
    with pytest.raises(ValueError, match="`kind` must be one of webp, mp4, gif, got 'png'"):
        lab.ask_film(trained, "png", 0)
    unbegun = state.store().create(SMALL, process=process_name())
    with pytest.raises(LookupError, match="is kept yet; wait until it has begun"):
        lab.ask_film(unbegun, "webp", 0)
    monkeypatch.setattr(lab.filming, "_places", threading.BoundedSemaphore(1))
    assert lab.filming._places.acquire()
    with pytest.raises(lab.EpisodeError, match="which is all the lab takes"):
        lab.ask_film(trained, "webp", 0)


UNKNOWN = "0" * 32


@pytest.mark.parametrize(
    "call",
    [
        lambda: lab.run(UNKNOWN),
        lambda: lab.progress(UNKNOWN),
        lambda: lab.change(UNKNOWN, gamma=0.5),
        lambda: lab.pause(UNKNOWN),
        lambda: lab.resume(UNKNOWN),
        lambda: lab.step(UNKNOWN, 1),
        lambda: lab.stop(UNKNOWN),
        lambda: lab.policy_at(UNKNOWN, 0),
        lambda: lab.evaluate(UNKNOWN, 1),
    ],
)
def test_unknown_run_is_refused_everywhere(call):
    with pytest.raises(lab.UnknownRun, match="No run has the id"):
        call()


def test_orders_to_a_run_that_has_ended_do_nothing(trained):
    before = lab.run(trained)
    lab.pause(trained), lab.resume(trained), lab.step(trained, 9), lab.stop(trained)
    assert lab.run(trained) == before
    with pytest.raises(lab.RunEnded, match="A run that has finished cannot be changed"):
        lab.change(trained, gamma=0.5)


def test_a_run_is_started_watched_changed_and_stopped(folder):
    run_id = lab.start(ENDLESS, "watched")
    wait(lambda: lab.run(run_id).updates > 2)
    newest = lab.policies(run_id)[-1]
    assert json.loads(lab.episode(run_id, newest).result())["update"] == newest
    left = wait(lambda: lab.progress(run_id).seconds_left)
    assert left >= (100_000 - lab.run(run_id).updates) / 30 - 1
    lab.change(run_id, learning_rate=0.125)
    change = wait(lambda: lab.progress(run_id).changes)[0]
    assert change.values == {"learning_rate": (ENDLESS.learning_rate, 0.125)}
    lab.pause(run_id)
    wait(lambda: lab.run(run_id).state == "paused")
    updates = lab.run(run_id).updates
    assert lab.progress(run_id).seconds_left is None
    lab.step(run_id, updates + 1)
    wait(lambda: lab.run(run_id).updates == updates + 1)
    lab.stop(run_id)
    wait(lambda: lab.run(run_id).state == "stopped")
    lab.step(run_id, updates + 2)  # resumes, and pauses again
    wait(lambda: lab.run(run_id).updates == updates + 2 and lab.run(run_id).state == "paused")
    lab.stop(run_id)
    wait(lambda: lab.run(run_id).state == "stopped")


def test_an_episode_of_a_policy_that_is_kept_or_is_not_is_the_same(trained, folder):
    update = lab.policies(trained)[-1]
    kept = lab.episode(trained, update)
    assert lab.episode(trained, update) is kept, "it is asked for once"
    played = json.loads(kept.result())
    assert [episode["agent"] for episode in played["episodes"]] == [0, 1] and played["update"] == update == 8
    other = json.loads(lab.episode(trained, update, agent=1, frames=True).result())
    assert [(e["agent"], e["length"]) for e in other["episodes"]] == [(1, played["episodes"][1]["length"])]
    with write(Store(folder).engine) as connection:
        gone = CHECKPOINTS.delete().where(CHECKPOINTS.c.run_id == trained, CHECKPOINTS.c.update == update)
        connection.execute(gone)
    state.seen(state.store(), "episode")._asked.clear()
    assert lab.episode(trained, update).result() == kept.result()


def test_estimators_are_compared_by_the_process_that_can_train(trained):
    asked = lab.estimators(trained, 8, agent=1, batches=8)
    assert lab.estimators(trained, 8, agent=1, batches=8) is asked, "it is asked for once"
    said = json.loads(asked.result())
    assert (said["update"], said["agent"], said["batches"], len(said["estimators"])) == (8, 1, 8, 32)
    assert said["own"] in {each["name"] for each in said["estimators"]}


def test_estimators_race_from_an_update_and_the_run_s_own_is_the_run_itself(trained):
    names = "weights", "gamma_t", "baseline", "normalize_advantages", "reduction"
    own = {name: getattr(SMALL, name) for name in names}
    race = lab.race(trained, 5, [own, own | {"baseline": "none", "normalize_advantages": False}])
    race.made.result()
    same, other = race.forks
    wait(lambda: {lab.run(child).state for child in race.forks} == {"finished"})

    def learned(run_id):
        rows = state.store().updates(run_id, ["episodic_returns", "grad_norm"], 0, 8)
        return [(row.episodic_returns, row.grad_norm) for row in rows]

    before, one, another = map(learned, (trained, same, other))
    assert one == before != another
    assert another[:5] == before[:5] and len(another) == 8
    assert lab.run(other).name == "Baseline: none, Normalise advantages: off"
    assert [lab.run(child).parent_update for child in race.forks] == [5, 5]


def test_a_check_is_answered_while_estimators_are_compared(trained):
    lab.estimators(trained, 8, agent=0, batches=8).result()  # so their process has begun
    comparing = psutil.Process(state.laboratory()._helper._child._process.pid)
    comparing.suspend()  # this comparison takes as long as the test wants
    asked = lab.estimators(trained, 7, agent=0, batches=8)
    lab.ask_check("expected_score", states=1, seed=3)
    answer = wait(lambda: lab.checked("expected_score", states=1, seed=3)[0])
    assert answer.check["passed"] and not asked.done()
    comparing.resume()
    assert json.loads(asked.result())["update"] == 7


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"update": 9}, r"`update` must be in \[0, 8\], got 9"),
        ({"update": -1}, r"`update` must be in \[0, 8\], got -1"),
        ({"update": 8, "agent": 2}, r"`agent` must be in \[0, 1\], got 2"),
        ({"update": 8, "batches": 7}, r"`batches` must be in \[8, 256\], got 7"),
        ({"update": 8, "batches": 257}, r"`batches` must be in \[8, 256\], got 257"),
    ],
    ids=str,
)
def test_what_estimators_cannot_be_compared_on_is_refused(trained, asked, sentence):
    with pytest.raises(LookupError, match=sentence):
        lab.estimators(trained, **asked)
    with pytest.raises(LookupError, match="No run has the id 'nothing'"):
        lab.estimators("nothing", 0)


def test_all_configs_that_begin_alike_have_the_same_first_episode():
    first = lab.episode(Config(seed=5), 0)
    assert json.loads(first.result())["num_agents"] == 5
    assert lab.episode(Config(seed=5, learning_rate=0.5), 0) is first is not lab.episode(Config(seed=6), 0)


HUGE = 10**30  # more than a column of the database holds


@pytest.mark.parametrize(
    ("update", "agent", "name"),
    [
        *((update, None, "update") for update in (9, -1, HUGE, -HUGE)),
        *((update, agent, "agent") for update in (0, 8) for agent in (2, -1, HUGE, -HUGE)),
    ],
)
def test_there_is_no_episode_of_what_is_not_there(trained, update, agent, name):
    with pytest.raises(LookupError, match=rf"`{name}` must be in \[0, "):
        lab.episode(trained, update, agent)


def test_robustness_is_measured_once(trained):
    asked = lab.robustness(trained, 8, 1, "gravity", episodes=5)
    assert lab.robustness(trained, 8, 1, "gravity", episodes=5) is asked, "it is asked for once"
    said = json.loads(asked.result())
    assert (said["update"], said["agent"], said["parameter"], said["nominal"]) == (8, 1, "gravity", 9.8)
    untrained = json.loads(lab.robustness(trained, 0, 1, "gravity", episodes=5).result())
    greedy = json.loads(lab.robustness(trained, 8, 1, "gravity", episodes=5, greedy=1).result())
    assert len({json.dumps(each["mean"]) for each in (said, untrained, greedy)}) == 3


def test_an_episode_is_played_while_robustness_is_measured(trained):
    lab.robustness(trained, 8, 0, "force", episodes=2).result()  # so its process has begun
    measuring = psutil.Process(state.laboratory()._helper._child._process.pid)
    measuring.suspend()  # this takes as long as the test wants
    asked = lab.robustness(trained, 8, 1, "force", episodes=2)
    assert json.loads(lab.episode(trained, 8, 1).result())["update"] == 8 and not asked.done()
    measuring.resume()
    assert json.loads(asked.result())["agent"] == 1


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"update": 9}, r"`update` must be in \[0, 8\], got 9"),
        ({"agent": 2}, r"`agent` must be in \[0, 1\], got 2"),
        ({"parameter": "luck"}, "`parameter` must be one of gravity, .*, action_delay, got 'luck'"),
        ({"episodes": 1}, r"`episodes` must be in \[2, 1000\], got 1"),
        ({"episodes": HUGE}, r"`episodes` must be in \[2, 1000\], got 1000"),
        ({"greedy": 2}, r"`greedy` must be in \[0, 1\], got 2"),
    ],
    ids=str,
)
def test_robustness_that_cannot_be_measured_is_refused(trained, asked, sentence):
    with pytest.raises(LookupError, match=sentence):
        lab.robustness(trained, **{"update": 8, "agent": 0, "parameter": "gravity", **asked})


def test_robustness_is_of_cart_pole_alone(folder):
    run = state.store().create(SMALL.model_copy(update={"env_id": "Acrobot-v1"}), process="p")
    state.store().transition(run, ["starting"], "p", state="stopped")
    with pytest.raises(LookupError, match="of CartPole alone, and this is a run of Acrobot-v1"):
        lab.robustness(run, 0, 0, "gravity")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"seed": -1}, r"`seed` must be in \[0, 2147483647\], got -1"),
        ({"seed": HUGE}, r"`seed` must be in \[0, 2147483647\], got 1000"),
        ({"greedy": 2}, r"`greedy` must be in \[0, 1\], got 2"),
    ],
    ids=str,
)
def test_an_episode_by_a_seed_that_cannot_be_is_refused(trained, asked, sentence):
    with pytest.raises(LookupError, match=sentence):
        lab.episode(trained, 8, **asked)


def test_an_episode_by_a_seed_is_another_one_each_time_and_begins_alike_in_all_policies(trained):
    asked = [
        lab.episode(trained, update, 0, seed=seed, greedy=greedy)
        for update, seed, greedy in [(8, 3, 0), (8, 3, 1), (8, 4, 0), (0, 3, 0)]
    ]
    first, greedy, other, untrained = ([*decoded(future.result())] for future in asked)
    assert len(set(asked)) == 4
    np.testing.assert_allclose(first, greedy, atol=1e-4)
    np.testing.assert_allclose(first, untrained, atol=1e-4)
    assert np.abs(np.subtract(first, other)).max() > 0.01


def decoded(answer):
    """Return the first state of agent 0."""
    entry = json.loads(answer)["episodes"][0]
    return np.frombuffer(base64.b64decode(entry["states"]), "<i2")[:4] * entry["scale"]


def test_configs_with_the_same_beginning_have_the_same_first_episode():
    changed = {"learning_rate": 0.5, "num_updates": 9, "episodes_per_update": 4, "gamma": 0.5, "pace": 1}
    alike = SMALL.model_copy(update=changed)
    assert alike.model_dump(include=set(lab.BEGINNING)) == SMALL.model_dump(include=set(lab.BEGINNING))
    assert lab.episode(alike, 0) is lab.episode(SMALL, 0)
    assert lab.episode(SMALL.model_copy(update={"env_kwargs": {"sutton_barto_reward": True}}), 0) is not lab.episode(
        SMALL, 0
    )


def test_what_cannot_be_played_gets_a_sentence():
    unknown = SMALL.model_copy(update={"env_id": "Mine-v0"})
    with pytest.raises(lab.EpisodeError, match="must be a registered Gymnasium environment, got 'Mine-v0'"):
        lab.episode(unknown, 0).result()


def test_shutdown_ends_the_workers_and_startup_begins_anew(folder):
    lab.startup()
    lab.startup()
    children = wait(lambda: len(found := workers()) > 1 and found)  # the spare, the studio
    lab.shutdown()
    assert not any(child.is_running() for child in children)
    lab.shutdown()


@pytest.mark.parametrize("run_id", ["", "0" * 31, "G" * 32, "A" * 32, "0" * 32 + chr(10)])
def test_a_run_gets_no_id_that_is_none(run_id):
    with pytest.raises(ValueError, match="`run_id` must be 32 hexadecimal digits in lower case, got"):
        lab.start(SMALL, run_id=run_id)


def test_a_step_asked_for_twice_is_one_step(folder):
    store, run_id = Store(folder), Store(folder).create(SMALL, process=process_name())
    for _ in range(2):
        lab.step(run_id, 3)
        assert (lab.run(run_id).target, lab.run(run_id).until) == ("pause", 3)
    lab.pause(run_id)
    assert (lab.run(run_id).target, lab.run(run_id).until) == ("pause", 0)
    store.transition(run_id, ["starting"], state="failed")


def test_queued_runs_know_their_position_and_stop_at_once(folder):
    lab.shutdown()  # nobody is there to start them
    ids = [Store(folder).create(SMALL) for _ in range(2)]
    assert [lab.progress(run_id).queue_position for run_id in ids] == [1, 2]
    lab.stop(ids[0])
    assert lab.run(ids[0]).state == "stopped"
    assert [lab.progress(run_id).queue_position for run_id in ids] == [None, 1]
    lab.stop(ids[1])


def test_a_server_that_dies_takes_its_workers_along(tmp_path):
    script = (
        "import json, os, psutil, sys, time\n"
        "from pg_core import lab\n"
        "lab.startup()\n"
        "while len(children := psutil.Process().children(recursive=True)) < int(sys.argv[1]): time.sleep(0.01)\n"
        "print(json.dumps([child.pid for child in children]), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    env = {**os.environ, "PG_LAB_DATA": str(tmp_path)}
    number = "3" if hasattr(os, "pidfd_open") else "2"  # the studio, perhaps a fork server, and the spare
    server = subprocess.run([sys.executable, "-c", script, number], capture_output=True, env=env, check=False)
    psutil.wait_procs([psutil.Process(pid) for pid in json.loads(server.stdout) if psutil.pid_exists(pid)])
    assert server.returncode == -9
