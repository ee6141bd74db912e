"""What leaves the lab: files that other programs read, with the numbers of the run."""

import inspect
import io
import json
import os
import runpy
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

from pg_core import reference
from pg_core.config import HYPERPARAMETERS, Config
from pg_core.learning import evaluation
from pg_core.policies import in_numpy
from pg_core.runs.exchange import archive, events, exports, models, scripts, tables
from pg_core.runs.exchange.exports import ExportError
from pg_core.runs.exchange.keras_model import build
from pg_core.runs.store.records import Batch, Run, Snapshot
from pg_core.runs.store.schema import ARRAYS, UPDATES, StoreError, write
from pg_core.runs.store.store import Store
from pg_core.runs.workers.worker import work

SMALL = {"num_agents": 2, "episodes_per_update": 2, "num_updates": 4, "pace": 0, "stop_when_solved": False}
DIALS = "tests.own.ten_environments:Ten/Dials-v0"
CONFIGS = {  # softmax, Gaussian with a value network, one-hot observations without a hidden layer, several choices
    "CartPole-v1": {"hidden_layers": (8,), "activation": "silu", "normalize_observations": True},
    "Pendulum-v1": {
        "hidden_layers": (8, 4), "baseline": "value", "optimizer": "rmsprop", "max_grad_norm": 0.5,
        "normalize_observations": True, "reward_scale": 0.1, "max_episode_steps": 30,
    },
    "FrozenLake-v1": {
        "hidden_layers": (), "optimizer": "sgd", "ent_coef": 0.1, "weights": "episode_return",
        "env_kwargs": {"is_slippery": False},
    },
    DIALS: {"hidden_layers": (8,), "ent_coef": 0.1, "normalize_observations": True},
}  # fmt: skip
LESSON = (
    reference.Episode, reference.initial_network, reference.network, reference.log_policy, reference.returns_to_go,
    reference.leave_one_out, reference.normalize, reference.policy_loss,
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("exports"))
    yield store
    store.close()


@pytest.fixture(scope="module", params=CONFIGS)
def trained(request: pytest.FixtureRequest, store: Store) -> Run:
    """A run of four updates, changed in the third."""
    run_id = store.create(Config(env_id=request.param, **SMALL, **CONFIGS[request.param]), "it's \"\"\" \\ '''", "me")
    store.request(run_id, {"pace": 30})  # one update at a time
    for update in work(store, run_id, "me"):
        if update.index == 1:
            store.request(run_id, {"gamma": 0.5, "num_updates": 5})
    return store.run(run_id)


def exported(function, store: Store, run: Run, *more) -> bytes:
    file = io.BytesIO()
    function(store, run, file, *more)
    return file.getvalue()


def arrays(store: Store, run: Run, name: str, *shape: int) -> np.ndarray:
    rows = store.updates(run.id, [name], 0, 100)
    return np.stack([np.frombuffer(getattr(row, name), ARRAYS[name]).reshape(shape) for row in rows])


def test_episodes_are_rows(store: Store, trained: Run) -> None:
    table = pyarrow.csv.read_csv(io.BytesIO(exported(tables.write_episodes, store, trained)))
    assert table.column_names == tables.EPISODES.names
    rows = table.to_pylist()
    assert [(r["update"], r["agent"], r["episode"]) for r in rows] == [
        (update, agent, 2 * update + b) for update in range(5) for agent in range(2) for b in range(2)
    ]
    returns, lengths = (arrays(store, trained, f"episodic_{name}", 2, 2) for name in ("returns", "lengths"))
    np.testing.assert_array_equal(np.float32([r["episodic_return"] for r in rows]), returns.reshape(-1))
    np.testing.assert_array_equal([r["episodic_length"] for r in rows], lengths.reshape(-1))
    second = [r["env_steps"] for r in rows if r["agent"] == 1]
    np.testing.assert_array_equal(second, lengths[:, 1].reshape(-1).cumsum())


def test_updates_are_rows_with_the_hyperparameters_in_force(store: Store, trained: Run) -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(exported(tables.write_updates, store, trained)))
    rows = table.to_pylist()
    assert [(r["update"], r["agent"]) for r in rows] == [(update, agent) for update in range(5) for agent in range(2)]
    assert [r["gamma"] for r in rows[::2]] == [1.0, 1.0, 0.5, 0.5, 0.5]
    assert set(HYPERPARAMETERS) < set(table.column_names)
    assert rows[0]["hidden_layers"] == HYPERPARAMETERS["hidden_layers"].show(trained.config.hidden_layers)
    for name in tables.MEASURED:
        np.testing.assert_array_equal(table[name], arrays(store, trained, name, 2).reshape(-1))
    np.testing.assert_array_equal(table["iqm_low"], arrays(store, trained, "iqm", 3)[:, 1].repeat(2))
    np.testing.assert_array_equal(table["env_steps"], arrays(store, trained, "env_steps", 2).reshape(-1))
    assert [r["episodes"] for r in rows[1::2]] == [2, 4, 6, 8, 10]
    assert table["env_steps_to_solve"].null_count == 10
    assert table.schema.field("entropy").metadata[b"unit"] == b"nats"
    assert json.loads(table.schema.metadata[b"config"])["env_id"] == trained.config.env_id


def test_the_config_comes_with_its_changes_and_versions(store: Store, trained: Run) -> None:
    content = json.loads(exported(exports.write_config, store, trained))
    assert Config.from_json(json.dumps(content["config"])) == trained.config
    assert content["changes"][1] == {"update": 2, "values": {"gamma": 0.5, "num_updates": 5}}
    assert content["exported_with"]["numpy"] == np.__version__


def test_params_of_any_kept_update(store: Store, trained: Run) -> None:
    for update in (0, 5, None):
        with np.load(io.BytesIO(exported(exports.write_params, store, trained, update))) as params:
            at, policy = store.policy(trained.id, update)
            assert int(params["update"]) == at == (5 if update is None else update)
            for name, array in policy.items():
                np.testing.assert_array_equal(params[name], array)
                assert len(array) == 2, "the population comes first"


def test_the_keras_model_says_what_the_policy_says(store: Store, trained: Run, tmp_path: Path) -> None:
    path, (_, policy) = tmp_path / "model.keras", store.policy(trained.id)
    params = evaluation.one_agent(policy, 1)
    if trained.config.env_id == "CartPole-v1":  # as the server has it made, in another process
        path.write_bytes(exported(models.write_keras, store, trained, 1))
    else:
        build({name: array[0] for name, array in params.items()}, trained.config.activation).save(path)
    model = keras.models.load_model(path)
    observations = np.random.default_rng(0).normal(size=(50, trained.config.environment.observation_size))
    said = model.predict(observations.astype(np.float32), verbose=0)
    expected = in_numpy.apply(params, observations[None].astype(np.float32), trained.config.activation)[0]
    np.testing.assert_allclose(said["mean"] if isinstance(said, dict) else said, expected, rtol=1e-5, atol=1e-6)
    if isinstance(said, dict):
        np.testing.assert_array_equal(said["log_std"], np.repeat(params["log_std"][0], 50, axis=0))


@pytest.fixture
def script(store: Store, trained: Run, tmp_path: Path) -> dict:
    """The script of the second agent, imported."""
    path = tmp_path / "replay.py"
    path.write_bytes(exported(scripts.write_replay, store, trained, 1))
    return runpy.run_path(str(path))


def test_the_script_trains_the_same_episodes(store: Store, trained: Run, script: dict, capsys) -> None:
    script["train"]()
    *lines, last = capsys.readouterr().out.splitlines()
    lengths = arrays(store, trained, "episodic_lengths", 2, 2)[:, 1]
    means = arrays(store, trained, "mean_return", 2)[:, 1]
    for update, line in enumerate(lines):
        assert line.endswith(f"lengths {lengths[update].tolist()}")
        assert float(line.split()[6]) == pytest.approx(means[update], rel=1e-3, abs=0.01)
    assert len(lines) == 5 and last == "finished, not solved"


def test_the_script_plays_what_the_lab_plays(store: Store, trained: Run, script: dict, capsys) -> None:
    script["evaluate"](4, render=False)
    said = [float(word) for word in capsys.readouterr().out.split(": ")[1].split()]
    update, policy = store.policy(trained.id)
    played = evaluation.evaluate(store.config_after(trained.id, update), policy, 1, 4)
    np.testing.assert_allclose(said, played.returns, rtol=1e-4)


def test_the_script_needs_nothing_of_the_lab_and_learns(store: Store, tmp_path: Path) -> None:
    """From a folder in which there is nothing else, with a policy that has not learned anything."""
    config = Config(num_updates=60, stop_when_solved=False)
    run_id = store.create(config, process="me")
    policy = in_numpy.initialize_policy(config, config.environment)
    store.commit(run_id, "me", Batch([], {}, {}, [Snapshot(0, policy, {})]))
    (tmp_path / "replay.py").write_bytes(exported(scripts.write_replay, store, store.run(run_id), 0))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PG_LAB"))}
    command = [sys.executable, "-I", "replay.py"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    means = [float(line.split()[6]) for line in result.stdout.splitlines()[:-1]]
    assert len(means) == 60 and means[-1] > 4 * means[5]


def test_the_script_contains_the_lesson_word_for_word_and_once(store: Store, trained: Run) -> None:
    text = exported(scripts.write_replay, store, trained, 1).decode()
    for shared in LESSON:
        assert text.count(inspect.getsource(shared)) == 1
    lesson = inspect.getsource(reference)
    for formula in ("gamma * ", "(total", "weights.mean()) /", " @ params", "log_sum(said", "-tf.reduce_mean("):
        assert text.count(formula) == lesson.count(formula) > 0
    assert "pg_core" not in text


def test_tensorboard_reads_a_folder_for_each_agent(store: Store, trained: Run, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(exported(events.write_events, store, trained))) as packed:
        packed.extractall(tmp_path)
    steps = arrays(store, trained, "env_steps", 2)
    for agent in range(2):
        [path] = (tmp_path / f"agent_{agent:03}").iterdir()
        loaded = [Event.FromString(data) for data in RawEventFileLoader(str(path)).Load()]
        assert [event.step for event in loaded[1:]] == steps[:, agent].tolist()
        values = {value.tag: value.simple_value for value in loaded[-1].summary.value}
        assert values["charts/mean_return"] == arrays(store, trained, "mean_return", 2)[-1, agent]


def test_without_tensorboard_a_sentence_says_what_to_install(store, trained, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setattr(events, "available", lambda: False)
    with pytest.raises(ExportError, match="pip install tensorboard"):
        exported(events.write_events, store, trained)


def test_a_run_that_has_not_begun_has_no_params_but_everything_else(store: Store) -> None:
    run = store.run(store.create(Config(**SMALL)))
    for function in (tables.write_episodes, tables.write_updates, exports.write_zip, events.write_events):
        exported(function, store, run)
    for function, agent in ((exports.write_params, None), (models.write_keras, 0), (scripts.write_replay, 0)):
        with pytest.raises(ExportError, match="No policy of the run is kept yet"):
            exported(function, store, run, agent)


def test_a_run_that_lacks_an_update_is_not_exported(store: Store) -> None:
    run_id = store.create(Config(**SMALL, **CONFIGS["CartPole-v1"]), process="me")
    list(work(store, run_id, "me"))
    with write(store.engine) as connection:
        connection.execute(UPDATES.delete().where(UPDATES.c.run_id == run_id, UPDATES.c.update == 1))
    for function in (tables.write_episodes, tables.write_updates, exports.write_zip):
        with pytest.raises(StoreError, match="Updates of the run are missing"):
            exported(function, store, store.run(run_id))


def test_few_updates_are_in_memory_at_once(store: Store, trained: Run, monkeypatch) -> None:
    whole = {f: exported(f, store, trained) for f in (tables.write_episodes,)}
    monkeypatch.setattr(archive, "MAX_CHUNK", 2)
    pages, read = [], store.updates
    monkeypatch.setattr(store, "updates", lambda *arguments: pages.append(arguments[2:]) or read(*arguments))
    assert {f: exported(f, store, trained) for f in whole} == whole
    assert pages == [(0, 2), (2, 2), (4, 1)]
