"""The command line as a shell runs it: options, JSON lines, exit status, one sentence for bad input."""

import argparse
import contextlib
import io
import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from pg_core import cli, lab
from pg_core.cli import diagnosing, measuring
from pg_core.cli.parser import parser
from pg_core.config import HYPERPARAMETERS, Config, parsed
from pg_core.environments import EnvironmentFault, registration, rendering
from pg_core.hyperparameters import GROUPS
from pg_core.proofs.verdicts import Check, exact
from pg_core.runs.diagnosis import Cause
from pg_core.runs.paths import ROOT
from pg_core.runs.store.processes import process_name
from pg_core.runs.store.store import Store
from pg_core.runs.workers.replay import Replay
from tests.postgresql import PostgreSQL

SMALL = ["--num-agents", "2", "--episodes-per-update", "3", "--num-updates", "3", "--hidden-layers", "8"]
SUMMARY = [
    "run_id", "env_id", "engine", "num_agents", "updates", "episodes", "env_steps", "wall_seconds", "steps_per_second",
    "solved", "env_steps_to_solve", "final_mean_return",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PG_LAB_DATA": str(folder)}
    command = [sys.executable, "-m", "pg_core", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def trained(folder: Path) -> list[dict]:
    result = run(folder, "train", *SMALL, "--gamma", "0.5", "--gamma-t", "--name", "small", "--json")
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_hyperparameter_is_an_option_in_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    said = capsys.readouterr().out
    starts = [said.index(f"\n{group}:\n") for group in GROUPS]
    parts = dict(zip(GROUPS, map(slice, starts, [*starts[1:], None]), strict=True))
    for name, parameter in HYPERPARAMETERS.items():
        words = said[parts[parameter.group]].split()
        assert any(word.strip(",") == f"--{name.replace('_', '-')}" for word in words), name


def test_a_terminal_without_greek_gets_what_it_can_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    result = run(tmp_path, "train", "--help")
    assert result.returncode == 0 and "\\u03b3" in result.stdout, result.stderr  # γ


def test_train_prints_an_object_a_line_and_the_summary_last(trained: list[dict]) -> None:
    *updates, summary = trained
    assert [update["index"] for update in updates] == [0, 1, 2]
    assert list(summary) == SUMMARY
    assert (summary["env_id"], summary["engine"]) == ("CartPole-v1", "compiled")
    lengths = [sum(sum(agent) for agent in update["episodic_lengths"]) for update in updates]
    assert summary["env_steps"] == sum(lengths)
    assert (summary["updates"], summary["episodes"], summary["num_agents"]) == (3, 3 * 2 * 3, 2)
    assert summary["solved"] == [False, False] and summary["env_steps_to_solve"] == [None, None]
    assert summary["final_mean_return"] == pytest.approx(sum(updates[-1]["mean_return"]) / 2)


def test_undefined_numbers_are_null(trained: list[dict]) -> None:
    assert trained[0]["value_loss"] == [None, None]


def test_options_reach_the_run(folder: Path, trained: list[dict], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    config = lab.run(trained[-1]["run_id"]).config
    assert (config.gamma, config.gamma_t, config.hidden_layers, config.pace) == (0.5, True, (8,), 0)


def test_an_environment_of_this_folder_is_trained_played_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine_of_cli.py").write_bytes((ROOT / "tests" / "own" / "ten_environments.py").read_bytes())
    monkeypatch.setenv("PG_LAB_DATA", str(tmp_path / "lab"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registration, "_serves_strangers", False)
    options = ["--env-id", "mine_of_cli:Ten/Dials-v0", "--normalize-observations", *SMALL, "--json"]
    assert cli.main(["train", *options]) == 0
    said = capsys.readouterr()
    run_id = json.loads(said.out.splitlines()[-1])["run_id"]
    assert "tells no time limit: episodes are cut after 10,000 steps" in said.err
    played = run(tmp_path / "lab", "evaluate", run_id, "--episodes", "3", "--json")  # as a shell runs it, too
    assert played.returncode == 0, played.stderr
    assert json.loads(played.stdout)["lengths"] == [5, 5, 5]
    assert cli.main(["replay", run_id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["identical"]
    for name, status in (("zip", 0), ("replay", 0)):
        assert cli.main(["export", run_id, "--format", name, "-o", name]) == status
    assert cli.main(["store", "backup", "backup"]) == 0
    for arguments in (["import", "zip"], ["store", "restore", "backup"]):  # from elsewhere, for all that is known
        assert cli.main(arguments) == 2
        assert "must not name a module that the lab's owner has not allowed" in capsys.readouterr().err
    monkeypatch.setenv("PG_LAB_ENVIRONMENTS", "mine_of_cli")
    assert cli.main(["import", "zip"]) == 0
    script = subprocess.run(
        [sys.executable, "replay", "--play", "2"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert script.stdout.startswith("mean return ")


def test_evaluate(folder: Path, trained: list[dict], monkeypatch, capsys) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    assert cli.main(["evaluate", trained[-1]["run_id"], "--episodes", "7", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == ["returns", "lengths", "consecutive_successes"]
    assert len(answer["returns"]) == len(answer["lengths"]) == 7
    assert answer["returns"] == answer["lengths"]  # CartPole pays 1 a step


def test_evaluate_by_sampled_actions(folder: Path, trained: list[dict], monkeypatch, capsys) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    run_id, returns = trained[-1]["run_id"], {}
    for mode in ("--sampled", "--json"):  # greedily without the first
        assert cli.main(["evaluate", run_id, "--episodes", "20", "--agent", "0", "--json", mode]) == 0
        returns[mode] = json.loads(capsys.readouterr().out)["returns"]
    assert returns["--sampled"] == lab.evaluate(run_id, 20, 0, greedy=False).returns.tolist() != returns["--json"]


@pytest.fixture(scope="module")
def forked(folder: Path, trained: list[dict]) -> list[dict]:
    """What `fork` prints, for a fork after an update of which no checkpoint was kept."""
    run_id = trained[-1]["run_id"]
    arguments = ["--update", "1", "--set", "learning-rate=0.5", "--set", "num_updates=4", "--name", "other"]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.setenv("PG_LAB_DATA", str(folder))
        assert cli.main(["fork", run_id, *arguments, "--json"]) == 0
    return [json.loads(line) for line in said.getvalue().splitlines()]


def test_a_fork_goes_on_from_any_update(folder: Path, trained: list[dict], forked: list[dict], monkeypatch) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    parent, child = (lab.run(each[-1]["run_id"]) for each in (trained, forked))
    assert 1 not in lab.checkpoints(parent.id)
    assert [update["index"] for update in forked[:-1]] == [1, 2, 3]
    assert forked[0]["episodic_returns"] == trained[1]["episodic_returns"]  # played before the first step that differs
    assert forked[1]["episodic_returns"] != trained[2]["episodic_returns"]
    assert (child.name, child.state, child.updates, child.parent_id, child.parent_update) == (
        "other", "finished", 4, parent.id, 1
    )  # fmt: skip
    assert lab.differences([parent, child]) == {"learning_rate": [(0.025,), (0.025, 0.5)]}


def test_the_best_policy_is_evaluated_exported_and_forked(
    folder: Path, trained: list[dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    run_id = trained[-1]["run_id"]
    best = {agent: lab.best(run_id, agent) for agent in (None, 0, 1)}
    assert cli.main(["evaluate", run_id, "--episodes", "5", "--agent", "1", "--update", "best", "--json"]) == 0
    returns = json.loads(capsys.readouterr().out)["returns"]
    assert returns == lab.evaluate(run_id, 5, 1, update=best[1]).returns.tolist()
    path = tmp_path / "best.npz"
    assert cli.main(["export", run_id, "--update", "best", "-o", str(path)]) == 0
    with np.load(path) as params:
        assert params["update"] == best[None]
    assert cli.main(["fork", run_id, "--update", "best", "--set", "num_updates=4", "--name", "from best"]) == 0
    [child] = [run for run in lab.runs() if run.name == "from best"]
    assert (child.parent_id, child.parent_update) == (run_id, best[None])
    lab.delete(child.id)


def test_diagnose(folder: Path, trained: list[dict], monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    run_id = trained[-1]["run_id"]
    assert cli.main(["diagnose", run_id, "--json"]) == 0
    verdict = "It is too early to tell: 3 updates of at least 10."
    assert json.loads(capsys.readouterr().out) == {"run_id": run_id, "verdict": verdict, "causes": [], "best": None}
    assert cli.main(["diagnose", run_id]) == 0
    assert capsys.readouterr().out == f"{verdict}\n"


def test_what_to_type_for_a_remedy_is_understood(folder: Path, trained: list[dict], monkeypatch) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    parent = lab.run(trained[-1]["run_id"])
    cause = Cause("name", "sentence", "evidence", "variance", "advice")

    def typed(values: dict[str, Any], fork_at: int | None) -> argparse.Namespace:
        text = diagnosing.command(parent, lab.Finding(cause, values, fork_at))
        return parser().parse_args(shlex.split(text)[3:])

    fork = typed({"learning_rate": 0.005, "normalize_advantages": False}, 2)
    assert (fork.run, fork.update) == (parent.id, 2)
    assert parsed(dict(fork.set)) == {"learning_rate": 0.005, "normalize_advantages": False}
    new = vars(typed({"episodes_per_update": 8, "stop_when_solved": False}, None))
    given = parsed({name: str(value) for name, value in new.items() if name in HYPERPARAMETERS})
    expected = {
        **dict(parent.config),
        "episodes_per_update": 8,
        "stop_when_solved": False,
        "pace": given.get("pace", 0),
    }
    assert Config(**{"pace": 0, **given}) == Config(**expected)
    assert diagnosing.command(parent, lab.Finding(cause, {}, 2)) is None


def test_a_stopped_run_is_resumed_and_a_finished_one_is_not(
    folder: Path, trained: list[dict], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    run_id = lab.fork(trained[-1]["run_id"], 0, "resumed", resumed=False)
    assert cli.main(["resume", run_id, "--set", "num_updates=2"]) == 0
    assert capsys.readouterr().out.startswith(f"resumed ({run_id}): 2 updates, ")
    assert (lab.run(run_id).state, lab.run(run_id).updates) == ("finished", 2)
    assert cli.main(["resume", run_id]) == 2
    assert capsys.readouterr().err == (
        "A run that is finished cannot go on; fork it to go on from one of its updates.\n"
    )
    lab.delete(run_id)


def test_a_run_that_another_process_has_goes_on_there(folder: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    store = Store(folder)
    run_id = store.create(Config(), "elsewhere", process_name(os.getppid()))
    store.transition(run_id, ["starting"], state="paused", target="pause")
    assert cli.main(["resume", run_id, "--set", "gamma=0.5"]) == 0
    assert capsys.readouterr().out == "elsewhere goes on in the process that trains it\n"
    assert lab.run(run_id).target == "run" and lab.run(run_id).current == Config(gamma=0.5)
    store.transition(run_id, ["paused"], state="stopped")
    lab.delete(run_id)


def test_runs_are_compared(folder: Path, trained: list[dict], forked: list[dict], monkeypatch, capsys) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    ids = [trained[-1]["run_id"], forked[-1]["run_id"]]
    assert cli.main(["compare", *ids, "--by", "env_steps", "--json"]) == 0
    first, second, last = map(json.loads, capsys.readouterr().out.splitlines())
    [verdict] = last["verdicts"]
    assert (verdict["a"], verdict["b"], verdict["measure"]) == ("small", "other", "env_steps_to_solve")
    assert (first["name"], second["name"], second["updates"]) == ("small", "other", 4)
    assert [row["env_steps"] for row in first["curve"]] == [sum(u["env_steps"]) / 2 for u in trained[:-1]]
    assert [[row[name] for name in ("iqm", "low", "high")] for row in second["curve"][1:]] == [
        update["iqm"] for update in forked[:-1]
    ]
    assert second["settings"] == {"learning_rate": 0.5}  # how long they are trained is no setting that they learn with
    assert cli.main(["compare", *ids]) == 0
    curves, settings, sentence = capsys.readouterr().out.split("\n\n")
    assert sentence == f"{verdict['sentence']}\n"
    assert len(curves.splitlines()) == 1 + 3 + 4
    assert [line.split() for line in settings.splitlines()] == [
        ["run", "learning_rate"], ["small", "0.025"], ["other", "0.025", "→", "0.5"]
    ]  # fmt: skip
    assert cli.main(["compare", ids[0]]) == 0
    assert capsys.readouterr().out.endswith("\ntheir settings are the same\n")


def test_a_sweep_is_trained_and_each_setting_told_against_the_base(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(tmp_path))
    small = ["--episodes-per-update", "3", "--num-updates", "3", "--hidden-layers", "8", "--seeds", "2"]
    axes = ["--vary", "learning_rate=0.01:0.1:log:2", "--vary", "hidden-layers=8;4"]
    assert cli.main(["sweep", *axes, *small, "--learning-rate", "0.1", "--name", "two programs", "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["name"], said["base"]) == ("two programs", 2)  # whose learning rate and layers are the base's
    assert [setting["values"] for setting in said["settings"]] == [
        {"learning_rate": rate, "hidden_layers": layers} for rate in (0.01, 0.1) for layers in ([8], [4])
    ]
    for setting in said["settings"]:
        [run_id] = setting["run_ids"]
        run = lab.run(run_id)
        assert (setting["state"], setting["seeds"], run.updates) == ("finished", 2, 3)
        assert setting["env_steps_to_solve"] == [None, None] and run.current.num_agents == 2
        low, high = setting["interval"]
        assert low <= setting["iqm"] <= high and setting["iqm"] == pytest.approx(run.mean_return, rel=1e-6)
        is_base = setting["setting"] == 2
        assert (setting["probability_of_improvement"] is None, setting["sentence"] is None) == (is_base, is_base)
    group = f"{said['sweep_id']}:1"
    assert cli.main(["compare", group, f"{said['sweep_id']}:0", "--measure", "final_return", "--json"]) == 0
    [verdict] = json.loads(capsys.readouterr().out.splitlines()[-1])["verdicts"]
    assert verdict["a"] == "Learning rate 0.01, Hidden layers 4" and 0 <= verdict["probability"] <= 1
    arguments = ["sweep", "--vary", "gamma=0.5:1:3", *small, "--sampler", "tpe", "--trials", "9"]
    assert cli.main(arguments) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[:3] == ["setting", "gamma", "solved"] and len(table) == 1 + 9 + 2
    assert [found.target for found in lab.sweeps()] == 2 * ["done"]


def test_an_interrupted_sweep_keeps_what_its_runs_have_learned(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(tmp_path))
    options = [
        "--num-updates",
        "100000",
        "--no-stop-when-solved",
        "--seeds",
        "2",
        "--sampler",
        "random",
        "--trials",
        "3",
    ]
    command = [sys.executable, "-m", "pg_core", "sweep", "--vary", "gamma=0.9:1:2", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = Store(tmp_path)
    while len([run for run in store.runs() if run.updates]) < 3:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    [sweep] = lab.sweeps()
    assert sweep.target == "stop" and lab.sweep(sweep.id).state == "stopped"
    for run in store.runs():
        assert run.state == "stopped" and store.checkpoints(run.id)[-1] == run.updates > 0


def test_several_runs_are_exported_to_one_table(
    folder: Path, trained: list[dict], forked: list[dict], tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    ids = [trained[-1]["run_id"], forked[-1]["run_id"]]
    for ending, read in ((".parquet", pyarrow.parquet.read_table), (".csv", pyarrow.csv.read_csv)):
        paths = [tmp_path / f"{name}{ending}" for name in ("one", "other", "both")]
        for path, wanted in zip(paths, (ids[:1], ids[1:], ids), strict=True):
            assert cli.main(["export", *wanted, "-o", str(path)]) == 0
        one, other, both = map(read, paths)
        assert both.column_names == ["run", *one.column_names]
        assert both["run"].to_pylist() == [ids[0]] * len(one) + [ids[1]] * len(other)
        assert repr(both.drop_columns("run").to_pylist()) == repr(one.to_pylist() + other.to_pylist())  # with NaN
    assert cli.main(["export", *ids, "-o", str(tmp_path / "both.npz")]) == 2
    assert capsys.readouterr().err == "Several runs go into one file as csv or parquet, got 'npz'.\n"
    assert not (tmp_path / "both.npz").exists()


@pytest.mark.parametrize("suffix", ["webp", "gif", "mp4"])
def test_render(folder: Path, trained: list[dict], tmp_path: Path, monkeypatch, suffix: str) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    path = tmp_path / f"clip.{suffix}"
    assert cli.main(["render", trained[-1]["run_id"], "-o", str(path)]) == 0
    magic = {"webp": b"RIFF", "gif": b"GIF8", "mp4": b"\x00\x00\x00"}[suffix]
    assert path.read_bytes().startswith(magic)


@pytest.mark.parametrize("order", [[], ["--in-turn"]])
def test_render_a_film(
    folder: Path, trained: list[dict], tmp_path: Path, monkeypatch, capsys, order: list[str]
) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    path, run_id = tmp_path / "film.webp", trained[-1]["run_id"]
    assert cli.main(["render", run_id, "--film", *order, "-o", str(path), "--json"]) == 0
    assert "0" in json.loads(capsys.readouterr().out)["returns"]  # the untrained policy's
    assert path.read_bytes().startswith(b"RIFF")
    assert cli.main(["render", run_id, "--film", "--update", "0", "-o", str(path)]) == 2
    assert capsys.readouterr().err == "`--film` chooses updates by itself: leave `--update` out.\n"
    assert cli.main(["render", run_id, "--film", "-o", str(tmp_path / "film.png")]) == 2
    assert "must end in .webp, .gif or .mp4, got 'film.png'" in capsys.readouterr().err


def test_runs_lists_the_run(folder: Path, trained: list[dict], monkeypatch, capsys) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    assert cli.main(["runs", "--json"]) == 0
    *_, listed = map(json.loads, capsys.readouterr().out.splitlines())
    assert (listed["run_id"], listed["name"], listed["state"]) == (trained[-1]["run_id"], "small", "finished")


def test_a_run_is_exported_and_imported(
    folder: Path,
    trained: list[dict],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    run_id, path = trained[-1]["run_id"], tmp_path / "run.zip"
    for name, magic in (("csv", b"update,"), ("json", b"{"), ("replay", b'"""'), ("zip", b"PK")):
        assert cli.main(["export", run_id, "--format", name, "-o", str(path)]) == 0
        assert path.read_bytes().startswith(magic) and list(tmp_path.iterdir()) == [path]
    capsys.readouterr()
    assert cli.main(["import", str(path), "--json"]) == 0
    imported = json.loads(capsys.readouterr().out)
    assert (imported["name"], imported["state"], imported["updates"]) == ("small", "finished", 3)
    assert imported["run_id"] != run_id
    assert lab.run(imported["run_id"]).config == lab.run(run_id).config
    lab.delete(imported["run_id"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["import", "missing.zip"], "The file cannot be read: "),
        (["import", __file__], "The file is not the zip of an exported run"),
        (["export", "RUN", "--format", "keras", "--agent", "2", "-o", "FILE"], "`agent` must be in [0, 1], got 2."),
        (["export", "nothing", "--format", "zip", "-o", "FILE"], "No run has the id 'nothing'"),
        (["resume", "nothing"], "No run has the id 'nothing'"),
        (["fork", "nothing", "--update", "1"], "No run has the id 'nothing'"),
        (["fork", "RUN", "--update", "4"], "`update` must be in [0, 3], of which a policy can be had, got 4."),
        (["fork", "RUN", "--set", "seed=1"], "`seed` is fixed during a run, got 1"),
        (["fork", "RUN", "--set", "gama=1"], "did you mean `gamma`?"),
        (["compare", "RUN", "nothing"], "No run has the id 'nothing'"),
        (["compare", "RUN", "nothing:0"], "No sweep has the id 'nothing'"),
        (["sweep", "--vary", "speed=1,2"], "An axis must be a hyperparameter other than seed, num_agents, pace"),
        (["sweep", "--vary", "gamma=0:1:9999"], "N in [2, 256]"),
        (["sweep", "--vary", "gamma=0:1:99", "--vary", "ent_coef=0:1:99"], "A grid must have at most 256 settings"),
        (["sweep", "--vary", "gamma=0,1", "--trials", "3"], "`trials` must be 0, got 3, for a grid"),
        (["export", "RUN", "-o", "FILE"], "`--format` must be one of csv, parquet, json, npz, zip, tensorboard, keras"),
    ],
)
def test_what_cannot_be_gets_a_sentence_and_no_file(
    folder: Path, trained: list[dict], tmp_path: Path, monkeypatch, capsys, arguments: list[str], words: str
) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    names = {"RUN": trained[-1]["run_id"], "FILE": str(tmp_path / "file")}
    assert cli.main([names.get(word, word) for word in arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err and said.err.count("\n") == 1 and said.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--gamma", "1.2"], "`gamma` must be in [0, 1], got 1.2"),
        (["train", "--gamma", "nan"], "`gamma` must be in [0, 1], got nan"),
        (
            ["train", "--num-agents", "512", "--episodes-per-update", "256"],
            "must be at most 1,073,741,824, got 512 × 256",
        ),
        (["train", "--env-id", "CartPole-v9"], "did you mean 'CartPole-v1'?"),
        (
            ["train", "--env-id", "Acrobot-v1", "--engine", "compiled"],
            "`engine` must be auto or gymnasium for Acrobot-v1",
        ),
        (["train", "--env-kwargs", "ice=1"], "`env_id` 'CartPole-v1' cannot be made here with"),
        (["train", "--env-id", "no_such_module:Mine-v0"], "must name a module that can be imported"),
        (["train", "--bogus", "1"], "unrecognized arguments: --bogus 1"),
        (["evaluate", "nothing"], "No run has the id 'nothing'"),
        (["evaluate", "nothing", "--episodes", "0"], "must be a whole number in [1, 10000], got '0'"),
        (["evaluate", "nothing", "--update", "-1"], "must be best or a number of updates, got '-1'"),
        (["render", "nothing", "-o", "clip.webp"], "No run has the id 'nothing'"),
        (["replay", "nothing"], "No run has the id 'nothing'"),
        (["fork", "nothing", "--set", "gamma"], "must be NAME=VALUE, got 'gamma'"),
        (["store"], "required: ACTION"),
        (["store", "backup"], "required: FILE"),
        (["store", "restore"], "required: FILE"),
        (["bogus"], "invalid choice: 'bogus'"),
        ([], "required: COMMAND"),
    ],
)
# Those that a terminal would show beside the sentence are errors.
@pytest.mark.filterwarnings("error", "ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_bad_input_gets_one_sentence_and_status_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    monkeypatch.setattr(registration, "_serves_strangers", False)  # as pages do, which other tests import
    try:
        status = cli.main(arguments)
    except SystemExit as parsed:
        status = parsed.code
    said = capfd.readouterr()
    assert (status, said.out) == (2, "")
    assert words in said.err and said.err.count("\n") == 1


def test_a_wrong_suffix_or_agent_gets_one_sentence(
    folder: Path, trained: list[dict], tmp_path: Path, monkeypatch, capfd
) -> None:
    run_id = trained[-1]["run_id"]
    result = run(folder, "render", run_id, "-o", str(tmp_path / "clip.avi"))
    assert (result.returncode, result.stderr) == (2, "`path` must end in .webp, .gif or .mp4, got 'clip.avi'.\n")
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    assert cli.main(["evaluate", run_id, "--agent", "2"]) == 2
    assert capfd.readouterr().err == "`agent` must be in [0, 1], got 2.\n"


def test_a_file_that_cannot_be_written_gets_a_sentence(
    folder: Path, trained: list[dict], tmp_path: Path, monkeypatch, capfd
) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    assert cli.main(["render", trained[-1]["run_id"], "-o", str(tmp_path / "missing" / "clip.webp")]) == 2
    said = capfd.readouterr().err
    assert said.startswith("A file cannot be written:") and said.count("\n") == 1


def test_a_reader_that_leaves_stops_the_run_quietly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**os.environ, "PG_LAB_DATA": str(folder)}
    command = [sys.executable, "-m", "pg_core", "train", *SMALL, "--num-updates", "100000", "--json", "--name", "left"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.wait() == 141
        assert process.stderr.read() == b""
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    assert [run.state for run in lab.runs() if run.name == "left"] == ["stopped"]


def test_the_lab_solves_cartpole_with_all_agents(folder: Path, monkeypatch, capsys) -> None:
    """The acceptance of the whole: five agents from the defaults, then 200 episodes in a row to the time limit."""
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    assert cli.main(["train", "--num-agents", "5", "--seed", "0", "--stop-when-solved", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["solved"] == [True] * 5
    assert cli.main(["evaluate", summary["run_id"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["consecutive_successes"] == 200


def test_check_prints_an_object_for_each_statement(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "reward_to_go", "expected_score", "--gamma", "0.5", "--json"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["parameters"] == {"gamma": 0.5, "horizon": 3, "states": 2, "seed": 0}
    assert second["parameters"] == {"states": 2, "seed": 0}  # takes no discount factor
    assert first["passed"] is second["passed"] is True
    assert {"claim", "left", "right", "difference", "bound", "wrong", "passed"} <= first["comparisons"][0].keys()


def answered(result: Check | Exception) -> Callable[[Mapping[str, Any]], list[Future[Check]]]:
    """What stands for `lab.check_each`: every check gives this result, or fails with it."""
    answer: Future[Check] = Future()
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
    return lambda questions: [answer for _ in questions]


def test_check_ends_with_1_if_a_verdict_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "check_each", answered(Check((exact("1 = 2", 1.0, 2.0),))))
    assert cli.main(["check", "returns"]) == 1
    said = capsys.readouterr()
    assert said.err == "A verdict is wrong: returns.\n"
    assert "WRONG different |difference|  1.0e+00  1 = 2" in said.out


def test_a_check_that_cannot_be_computed_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "check_each", answered(ValueError("A lost axis.")))
    assert cli.main(["check", "returns", "--json"]) == 1
    said = capsys.readouterr()
    assert said.err == "A verdict is wrong: returns.\n"
    assert json.loads(said.out)["passed"] is False
    assert json.loads(said.out)["error"] == "ValueError: A lost axis."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["magic"], "`name` must be one of"), (["returns", "--gamma", "2"], "`gamma` must be in [0, 1], got 2.0.")],
)
def test_check_of_what_cannot_be_gets_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_estimators_are_compared_in_a_table_or_as_json(
    folder: Path, trained: list[dict], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    request.addfinalizer(lab.shutdown)  # or the next lab would ask this one's prover
    command = ["estimators", trained[-1]["run_id"], "--batches", "8"]
    assert cli.main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["update"], said["agent"], said["batches"]) == (3, 0, 8)
    assert cli.main(command) == 0
    title, _, _, *rows = capsys.readouterr().out.splitlines()
    assert title == "8 batches of agent 0 after 3 updates; * the run's own"
    assert [row.startswith(each["name"]) for row, each in zip(rows, said["estimators"], strict=True)] == [True] * 48
    assert [row for row in rows if f"{said['own']} * " in row]
    assert cli.main([*command, "--update", "4"]) == 2
    assert capsys.readouterr().err == "`update` must be in [0, 3], got 4.\n"


def test_what_is_undefined_is_a_dash_and_an_end_that_is_none_is_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = {name: [None] * 3 for name in measuring.COLUMNS} | {"length": [2.0, None, None], "along": [1, 0.5, 1.5]}
    measured |= {
        "snr": [3, 2, 5],
        "relative_variance": [None, 7.25, "unbounded"],
        "across": [0, "unbounded", "unbounded"],
    }
    one = {"name": "one", "biases": {"reduction": "why"}, "measured": measured}
    said: Future[bytes] = Future()
    said.set_result(json.dumps({"batches": 8, "agent": 0, "update": 1, "own": "", "estimators": [one]}).encode())
    monkeypatch.setattr(lab, "estimators", lambda *asked: said)
    monkeypatch.setattr(lab, "run", lambda run_id: SimpleNamespace(updates=1))
    assert cli.main(["estimators", "mine"]) == 0
    assert (
        " ".join(capsys.readouterr().out.splitlines()[-1].split())
        == "one – 2 – (≥ 7.25) 3 (2 to 5) 1 ± 0.5 0 (unknown) reduction"
    )


def test_replay_of_a_run_is_identical(
    folder: Path, trained: list[dict], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was trained by another process."""
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    run_id = trained[-1]["run_id"]
    assert cli.main(["replay", run_id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "run_id": run_id, "identical": True, "updates": 3, "differs_at": None, "arrays": [], "elsewhere": False
    }  # fmt: skip


def test_replay_says_in_a_sentence_what_it_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "replay", lambda run_id: iter([Replay(40), Replay(40, 7, ("iqm", "entropy"))]))
    assert cli.main(["replay", "mine"]) == 1
    assert capsys.readouterr().err == "Run mine first differs in update 7 of 40: iqm, entropy.\n"
    assert cli.main(["replay", "mine", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["identical"], answer["differs_at"], answer["arrays"]) == (False, 7, ["iqm", "entropy"])
    monkeypatch.setattr(lab, "replay", lambda run_id: iter([Replay(40, 7, ("iqm",), arithmetic=1)]))
    assert cli.main(["replay", "mine"]) == 1
    assert "it is the same until a rounding error changes an action." in capsys.readouterr().err
    monkeypatch.setattr(lab, "replay", lambda run_id: iter([Replay(40, 40)]))
    assert cli.main(["replay", "mine"]) == 0
    assert capsys.readouterr().out == "run mine is identical, bit for bit, in all of its 40 updates\n"


def test_store_is_copied_and_checked(
    folder: Path,
    trained: list[dict],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    path = tmp_path / "lab.db"
    assert cli.main(["store", "check"]) == 0
    assert cli.main(["store", "backup", str(path)]) == 0
    assert capsys.readouterr().out == f"the store has no problem\nwritten: {path}\n"
    assert cli.main(["store", "backup", str(path), "--json"]) == 2
    assert capsys.readouterr().err == f"`path` must be a new file, got {str(path)!r}, which exists.\n"
    with sqlite3.connect(path) as connection:
        connection.execute('DELETE FROM updates WHERE "update" = 1')
    connection.close()
    monkeypatch.setenv("PG_LAB_DATA", str(tmp_path))
    assert cli.main(["store", "check", "--json"]) == 1
    said = capsys.readouterr()
    assert f"Run {trained[-1]['run_id']} lacks update 1 of its 3." in map(problem_of, said.out.splitlines())
    assert said.err.startswith("The store is not as it must be; problems: ")


def test_store_moves_to_postgresql(
    folder: Path,
    trained: list[dict],
    postgresql: PostgreSQL,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    assert cli.main(["store", "backup", str(tmp_path / "backup")]) == 0
    monkeypatch.setenv("PG_LAB_DATABASE_URL", postgresql.empty().render_as_string(hide_password=False))
    capsys.readouterr()
    for status in (0, 2):
        assert cli.main(["store", "restore", str(tmp_path / "backup")]) == status
    assert cli.main(["store", "check"]) == 0
    assert cli.main(["runs"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"restored: {tmp_path / 'backup'}\nthe store has no problem\n")
    assert f"\n{trained[-1]['run_id']}  small " in said.out
    assert said.err.startswith("A backup can be restored into a store without runs only; this one has ")


def problem_of(line: str) -> str:
    return json.loads(line)["problem"]


def test_doctor_ends_with_1_if_something_must_be_mended(
    register: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["doctor", "Acrobot-v1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["env_id"] == "Acrobot-v1"
    assert {finding["level"] for finding in report["findings"]} <= {"fact", "warning"}
    monkeypatch.syspath_prepend(Path(__file__).parent / "own")
    register("Faulty-v0", "faulty_environments:Raises", max_episode_steps=20)
    assert cli.main(["doctor", "Faulty-v0"]) == 1
    said = capsys.readouterr()
    assert "FAULT    Faulty-v0 raised ValueError: bad shape (faulty_environments.py:" in said.out
    assert said.err == "Faulty-v0 cannot be trained before it is mended.\n"


def test_a_fault_of_an_environment_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise EnvironmentFault("Faulty-v0 raised ValueError: bad shape (mine.py:42; agent 0, evaluation, step 7).")

    monkeypatch.setattr(lab, "evaluate", fails)
    assert cli.main(["evaluate", "0" * 32]) == 2
    assert capsys.readouterr().err == (
        "Faulty-v0 raised ValueError: bad shape (mine.py:42; agent 0, evaluation, step 7).\n"
    )


@pytest.mark.parametrize(
    "make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to(os.devnull)], ids=["a pipe", "a folder", "a device"]
)
def test_only_files_are_written_and_read(folder: Path, tmp_path: Path, monkeypatch, capfd, make) -> None:
    """A pipe would be waited for, or never end; a device would be replaced by a file."""
    path = tmp_path / "run.gif"
    make(path)
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    before = path.lstat().st_ino
    for arguments in (["export", "0", "--format", "json", "-o"], ["render", "0", "-o"], ["import"]):
        assert cli.main([*arguments, str(path)]) == 2
        assert "must be a file" in capfd.readouterr().err
    assert path.lstat().st_ino == before


def broken(path: Path, *_: object) -> None:
    path.write_bytes(b"half")
    raise OSError("disk full")


def test_a_picture_that_is_not_written_leaves_what_was_there(
    folder: Path, trained: list[dict], tmp_path: Path, monkeypatch, capfd
) -> None:
    (tmp_path / "clip.gif").write_bytes(b"before")
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    monkeypatch.setattr(rendering, "save", broken)
    assert cli.main(["render", trained[-1]["run_id"], "-o", str(tmp_path / "clip.gif")]) == 2
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("clip.gif", b"before")]
    assert "A file cannot be written" in capfd.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_a_number_of_updates_beyond_the_databases_is_the_newest(
    folder: Path, trained: list[dict], tmp_path: Path, monkeypatch, command: str
) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    more = {"evaluate": ["--episodes", "1"], "export": ["-o", str(tmp_path / "parameters.npz")]}[command]
    assert cli.main([command, trained[-1]["run_id"], "--update", "9" * 400, *more]) == 0
