"""Runs that are trained on a Ray cluster, whose machines are this one's: with process ids of their own."""

import os
from collections import deque
from types import SimpleNamespace

import pytest

from pg_core.config import Config
from pg_core.lab import limits
from pg_core.learning import memory
from pg_core.runs.paths import on_cluster
from pg_core.runs.store.schema import ARRAYS, StoreError
from pg_core.runs.workers.supervisor import MAKE_ROOM, NO_WORKER
from tests import machines
from tests.machines import Machines, supervising

ray = pytest.importorskip("ray")
cluster = pytest.importorskip("pg_core.runs.workers.cluster")

ELSEWHERE = "ray:7@8a0b6a39-9d0d-4d1c-8a3f-0d6f5ec4b3a1+42"


class Reference(SimpleNamespace):
    """What Ray gives for an answer that is to come; it is there when it has a value or an error."""


@pytest.fixture
def fake(monkeypatch):
    """A cluster in this process, of one machine with two processors, on which nothing happens by itself."""
    fake = SimpleNamespace(actors=[], killed=[], machines=[{"CPU": 2.0, "memory": 8e9}])

    def method(actor, name):
        def remote(*arguments):
            answer = Reference(actor=actor, method=name, arguments=arguments)
            actor.asked.append(answer)
            return answer

        return SimpleNamespace(remote=remote)

    def made(options):
        actor = SimpleNamespace(options=options, asked=[])
        for name in ("name", "train", "leave"):
            setattr(actor, name, method(actor, name))
        fake.actors.append(actor)
        return actor

    def get(reference):
        if hasattr(reference, "error"):
            raise reference.error
        return reference.value

    def is_there(reference):
        return hasattr(reference, "value") or hasattr(reference, "error")

    options = SimpleNamespace(options=lambda **options: SimpleNamespace(remote=lambda variables: made(options)))
    monkeypatch.setattr(cluster.ray, "remote", lambda _: options)
    monkeypatch.setattr(cluster.ray, "get", get)
    monkeypatch.setattr(cluster.ray, "kill", fake.killed.append)
    monkeypatch.setattr(cluster.ray, "nodes", lambda: [{"Alive": True, "Resources": each} for each in fake.machines])
    monkeypatch.setattr(
        cluster.ray, "wait", lambda references, **_: ([each for each in references if is_there(each)], None)
    )
    return fake


def answers(actor, **values):
    """Have an actor answer what it was asked last, by method."""
    for reference in actor.asked:
        if reference.method in values:
            value = values[reference.method]
            setattr(reference, "error" if isinstance(value, Exception) else "value", value)


def begins(store, actor, process=ELSEWHERE, state="running"):
    """Have an actor claim its runs, as `Worker.train` does."""
    [asked] = [each for each in actor.asked if each.method == "train"]
    for run_id in asked.arguments[0]:
        assert store.transition(run_id, ["queued"], state=state, process=process)
    answers(actor, name=process)


def test_a_run_is_placed_once_with_what_it_needs(store, small, fake):
    placer, run_id = cluster.Placer(store), store.create(small)
    for _ in range(2):
        placer.tend()
    [actor] = fake.actors
    needs = memory.WORKER_BYTES + memory.needed(small, 2)
    assert actor.options == {**cluster.OPTIONS, "num_cpus": 1, "memory": needs}
    assert (actor.options["max_restarts"], actor.options["max_task_retries"]) == (0, 0), "Ray repeats nothing"
    assert store.run(run_id).reason == NO_WORKER
    begins(store, actor)
    placer.tend()
    store.transition(run_id, ["running"], state="finished")
    answers(actor, train=None)
    placer.tend()
    assert len(fake.actors) == 1 and not placer._placed and not fake.killed


def test_a_large_population_gets_more_processors_but_no_more_than_a_machine_has(store, fake):
    large = Config(num_agents=512, episodes_per_update=1)
    assert memory.shards(large) == 4
    store.create(large)
    cluster.Placer(store).tend()
    assert fake.actors[0].options["num_cpus"] == 2


def test_what_fits_on_no_machine_says_so_and_does_not_block_the_queue(store, small, fake):
    fake.machines = [{"CPU": 1.0, "memory": 1.25e9}]
    large, fits = store.create(Config(num_agents=256, hidden_layers=(256, 256))), store.create(small)
    cluster.Placer(store).tend()
    assert "no machine of the cluster has the 1 processors and" in store.run(large).reason
    assert [actor.asked[1].arguments for actor in fake.actors] == [([fits],)]


def test_a_worker_that_ended_as_it_started_is_replaced_later_and_its_run_says_why(store, small, fake, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(cluster.time, "monotonic", lambda: now[0])
    placer, run_id = cluster.Placer(store), store.create(small)
    placer.tend()
    answers(fake.actors[0], train=ray.exceptions.RayError("no room\nat all"))
    for _ in range(2):
        placer.tend()
    assert store.run(run_id).reason.endswith("ended as it started: no room") and len(fake.actors) == 1
    now[0] += cluster.RETRY_SECONDS + 1
    placer.tend()
    assert len(fake.actors) == 2


def test_no_more_wait_for_the_cluster_than_the_queue_can_spare(store, small, fake):
    for _ in range(cluster.MAX_WAITING + 2):
        store.create(small)
    cluster.Placer(store).tend()
    assert len(fake.actors) == cluster.MAX_WAITING


def test_a_paused_run_leaves_when_others_wait_for_its_processor(store, small, fake):
    placer = cluster.Placer(store)
    first = [store.create(small) for _ in range(2)]
    placer.tend()
    for actor in fake.actors:
        begins(store, actor, process=f"{ELSEWHERE}{len(fake.actors)}{id(actor)}"[:64])
    placer.tend()
    store.transition(first[0], ["running"], state="paused")
    placer.tend()
    assert [each.method for each in fake.actors[0].asked] == ["name", "train"], "nobody waits"
    store.create(small)
    for _ in range(2):
        placer.tend()
    asked = [each.arguments for each in fake.actors[0].asked if each.method == "leave"]
    assert asked == [("interrupted", MAKE_ROOM)]


def test_an_actor_that_hangs_after_its_run_is_another_s_is_ended(store, small, fake, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(cluster.time, "monotonic", lambda: now[0])
    placer, run_id = cluster.Placer(store), store.create(small)
    placer.tend()
    answers(fake.actors[0], name=ELSEWHERE)
    for _ in range(2):
        placer.tend()
        now[0] += cluster.STOP_SECONDS + 1  # it may take long to begin
    begins(store, fake.actors[0])
    placer.tend()
    store.transition(run_id, ["running"], process="another")
    placer.tend()
    assert not fake.killed
    now[0] += cluster.STOP_SECONDS
    placer.tend()
    assert fake.killed == [fake.actors[0]]


def test_when_the_server_ends_what_trains_is_asked_to_be_queued_again(store, small, fake):
    placer = cluster.Placer(store)
    placer.close()
    store.create(small)
    placer.tend()
    placer.close()
    assert fake.actors[0].asked[-1].arguments == ("queued", cluster.SERVER_ENDED)


def test_an_actor_trains_what_nobody_else_has_and_leaves_it_as_it_is_told(store, small, monkeypatch):
    mine, taken = store.create(small), store.create(small)
    store.transition(taken, ["queued"], state="running", process="another")
    monkeypatch.setattr(cluster, "Store", lambda *_: store)
    monkeypatch.setattr(cluster.registration, "serve_strangers", lambda: None)
    variables = {"PG_LAB_DATA": str(store.folder)}
    monkeypatch.setattr(os, "environ", {**os.environ})
    worker = cluster.Worker(variables)
    worker.leave("queued", cluster.SERVER_ENDED)
    worker.train([mine, taken])
    run = store.run(mine)
    assert (run.state, run.reason, run.updates) == ("queued", cluster.SERVER_ENDED, 0)
    assert store.run(taken).state == "running" and worker.name().startswith("ray:")
    again = cluster.Worker(variables)
    again.train([mine])
    assert store.run(mine).state in ("finished", "solved") and store.run(mine).updates == small.num_updates


@pytest.mark.parametrize(
    "url, sentence", [(None, "needs `PG_LAB_DATABASE_URL`"), ("postgresql://lab@127.0.0.1/lab", None)]
)
def test_a_cluster_needs_a_database_that_its_machines_share(monkeypatch, url, sentence):
    assert not on_cluster()
    monkeypatch.setenv("PG_LAB_CLUSTER", "auto")
    if url:
        monkeypatch.setenv("PG_LAB_DATABASE_URL", url)
        assert on_cluster()
        monkeypatch.setattr(memory, "free", lambda: 0)
        limits.check_memory(Config())  # it is not for this machine
    else:
        with pytest.raises(StoreError, match=sentence):
            limits.check_limits()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(StoreError, match="needs Ray"):
        on_cluster()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_runs_survive_the_machines_that_train_them(store, small, wait):
    """A machine's power is cut, then the head's: all runs end, with the bits of runs that nothing disturbs."""
    from pg_core.runs.workers import replay

    if reason := machines.missing():
        pytest.skip(reason)
    config = Config(**{**small.model_dump(), "num_updates": 100, "pace": 10})
    with Machines(3) as here, supervising(store, here.address):
        runs = [store.create(config) for _ in range(3)]
        for victim in (1, 0):
            wait(lambda: any(store.run(run_id).state == "running" and store.run(run_id).updates for run_id in runs))
            before = {run_id: store.updates(run_id, list(ARRAYS), 0, 999) for run_id in runs}
            here.end(victim)
            if victim == 0:
                here.start_head()
                here.end(2)
                here.start(2)
        wait(lambda: all(store.run(run_id).state in ("finished", "solved") for run_id in runs))
    for run_id in runs:
        after = store.updates(run_id, list(ARRAYS), 0, 999)
        known = [tuple(row)[2:] for row in before[run_id]]
        assert [tuple(row)[2:] for row in after][: len(known)] == known, "no committed update is lost"
        last = deque(replay.compare(store, run_id), maxlen=1)[0]
        assert last.identical == last.updates == config.num_updates and not last.elsewhere
    assert not list(store.folder.glob("errors.log"))
