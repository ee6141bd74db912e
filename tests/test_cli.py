"""The command line as a shell runs it: options, JSON lines, exit status, one sentence for bad input."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from pg_core import cli, lab
from pg_core.config import HYPERPARAMETERS
from pg_core.proofs.verdicts import Check, exact
from pg_core.runs.workers.replay import Replay
from tests.postgresql import PostgreSQL

SMALL = ["--num-agents", "2", "--episodes-per-update", "2", "--num-updates", "3", "--hidden-layers", "8"]
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


def test_every_hyperparameter_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    words = capsys.readouterr().out.split()
    for name in HYPERPARAMETERS:
        assert any(word.strip("[],") == f"--{name.replace('_', '-')}" for word in words), name


def test_train_prints_an_object_a_line_and_the_summary_last(trained: list[dict]) -> None:
    *updates, summary = trained
    assert [update["index"] for update in updates] == [0, 1, 2]
    assert list(summary) == SUMMARY
    assert (summary["env_id"], summary["engine"]) == ("CartPole-v1", "compiled")
    lengths = [sum(sum(agent) for agent in update["episodic_lengths"]) for update in updates]
    assert summary["env_steps"] == sum(lengths)
    assert (summary["updates"], summary["episodes"], summary["num_agents"]) == (3, 3 * 2 * 2, 2)
    assert summary["solved"] == [False, False] and summary["env_steps_to_solve"] == [None, None]
    assert summary["final_mean_return"] == pytest.approx(sum(updates[-1]["mean_return"]) / 2)


def test_undefined_numbers_are_null(trained: list[dict]) -> None:
    assert trained[0]["value_loss"] == [None, None]


def test_options_reach_the_run(folder: Path, trained: list[dict], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_LAB_DATA", str(folder))
    config = lab.run(trained[-1]["run_id"]).config
    assert (config.gamma, config.gamma_t, config.hidden_layers, config.pace) == (0.5, True, (8,), 0)


def test_evaluate(folder: Path, trained: list[dict]) -> None:
    result = run(folder, "evaluate", trained[-1]["run_id"], "--episodes", "7", "--json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert list(answer) == ["returns", "lengths", "consecutive_successes"]
    assert len(answer["returns"]) == len(answer["lengths"]) == 7
    assert answer["returns"] == answer["lengths"]  # CartPole pays 1 a step


@pytest.mark.parametrize("suffix", ["webp", "gif", "mp4"])
def test_render(folder: Path, trained: list[dict], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip.{suffix}"
    result = run(folder, "render", trained[-1]["run_id"], "-o", str(path))
    assert result.returncode == 0, result.stderr
    magic = {"webp": b"RIFF", "gif": b"GIF8", "mp4": b"\x00\x00\x00"}[suffix]
    assert path.read_bytes().startswith(magic)


def test_runs_lists_the_run(folder: Path, trained: list[dict]) -> None:
    [listed] = map(json.loads, run(folder, "runs", "--json").stdout.splitlines())
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
        (["export", "RUN", "--format", "npz", "--update", "-1", "-o", "FILE"], "No policy of the run is kept"),
        (["export", "nothing", "--format", "zip", "-o", "FILE"], "No run has the id 'nothing'"),
    ],
)
def test_what_cannot_be_exported_or_imported_gets_a_sentence_and_no_file(
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
        (["train", "--env-id", "Blackjack-v1"], "flat Box or Discrete observations"),
        (["train", "--bogus", "1"], "unrecognized arguments: --bogus 1"),
        (["evaluate", "nothing"], "No run has the id 'nothing'"),
        (["evaluate", "nothing", "--episodes", "0"], "must be a whole number in [1, 10000], got '0'"),
        (["render", "nothing", "-o", "clip.webp"], "No run has the id 'nothing'"),
        (["replay", "nothing"], "No run has the id 'nothing'"),
        (["store"], "required: ACTION"),
        (["store", "backup"], "required: FILE"),
        (["store", "restore"], "required: FILE"),
        (["bogus"], "invalid choice: 'bogus'"),
        ([], "required: COMMAND"),
    ],
)
def test_bad_input_gets_one_sentence_and_status_2(folder: Path, arguments: list[str], words: str) -> None:
    result = run(folder, *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert words in result.stderr and result.stderr.count("\n") == 1


def test_a_wrong_suffix_or_agent_gets_one_sentence(folder: Path, trained: list[dict], tmp_path: Path) -> None:
    run_id = trained[-1]["run_id"]
    result = run(folder, "render", run_id, "-o", str(tmp_path / "clip.avi"))
    assert (result.returncode, result.stderr) == (2, "`path` must end in .webp, .gif or .mp4, got 'clip.avi'.\n")
    result = run(folder, "evaluate", run_id, "--agent", "2")
    assert (result.returncode, result.stderr) == (2, "`agent` must be in [0, 1], got 2.\n")


def test_a_file_that_cannot_be_written_gets_a_sentence(folder: Path, trained: list[dict], tmp_path: Path) -> None:
    result = run(folder, "render", trained[-1]["run_id"], "-o", str(tmp_path / "missing" / "clip.webp"))
    assert result.returncode == 2
    assert result.stderr.startswith("A file cannot be written:") and result.stderr.count("\n") == 1


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


def test_the_lab_solves_cartpole_with_all_agents(folder: Path) -> None:
    """The acceptance of the whole: five agents from the defaults, then 200 episodes in a row to the time limit."""
    result = run(folder, "train", "--num-agents", "5", "--seed", "0", "--stop-when-solved", "--json")
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["solved"] == [True] * 5
    result = run(folder, "evaluate", summary["run_id"], "--json")
    assert json.loads(result.stdout)["consecutive_successes"] == 200


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


def test_replay_of_a_run_is_identical(folder: Path, trained: list[dict]) -> None:
    run_id = trained[-1]["run_id"]
    result = run(folder, "replay", run_id, "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {
        "run_id": run_id, "identical": True, "updates": 3, "differs_at": None, "arrays": []
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
