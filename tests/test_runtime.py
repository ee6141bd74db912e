"""What TensorFlow is told before it is loaded, and which compiled programs are kept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pg_core import runtime

CACHE = "--tf_xla_persistent_cache_directory="


@pytest.fixture
def flags(monkeypatch):
    """Set both environment variables; without a value, unset them. This process goes on to keep no programs."""
    monkeypatch.setattr(runtime, "_kept", None)

    def give(xla: str | None = None, tensorflow: str | None = None) -> None:
        for name, value in (("XLA_FLAGS", xla), ("TF_XLA_FLAGS", tensorflow)):
            monkeypatch.setenv(name, value or "")
            if value is None:
                monkeypatch.delenv(name)

    return give


def test_flags_are_added_once(flags):
    flags()
    runtime.prepare()
    first = os.environ["XLA_FLAGS"]
    assert first.split() == list(runtime.FLAGS)
    runtime.prepare()
    assert os.environ["XLA_FLAGS"] == first


def test_what_is_set_is_never_overridden(flags, tmp_path):
    flags("--xla_dump_to=/nowhere --xla_cpu_prefer_vector_width=256", f"--tf_xla_auto_jit=0 {CACHE}/mine")
    runtime.prepare()
    runtime.keep_programs(tmp_path)
    given, (threads, width, *others) = os.environ["XLA_FLAGS"].split(), runtime.FLAGS
    assert given == ["--xla_dump_to=/nowhere", "--xla_cpu_prefer_vector_width=256", threads, *others]
    assert width not in given
    assert os.environ["TF_XLA_FLAGS"] == f"--tf_xla_auto_jit=0 {CACHE}/mine"


def test_programs_are_noted_where_they_are_kept_whatever_folder_is_named_later(flags, tmp_path):
    flags()
    for name in ("first", "second"):
        runtime.keep_programs(tmp_path / name)
        (tmp_path / name / runtime._machine() / "a.pb").touch()
        runtime.note_programs()
    assert [path.parts[-3] for path in tmp_path.rglob("*.sha256")] == ["first"]


def test_programs_of_one_machine_have_a_folder_of_their_own(flags, tmp_path, monkeypatch):
    folders = []
    for machine in ("this", "that"):
        flags(tensorflow="--tf_xla_auto_jit=0")
        monkeypatch.setattr(runtime, "_machine", lambda machine=machine: machine)
        runtime.keep_programs(tmp_path / "programs")
        folders.append(tmp_path / "programs" / machine)
        assert os.environ["TF_XLA_FLAGS"].split() == ["--tf_xla_auto_jit=0", f'{CACHE}"{folders[-1]}"']
    assert all(folder.is_dir() for folder in folders)


def test_the_machine_has_one_name_as_long_as_nothing_changes(monkeypatch):
    here = runtime._machine()
    assert here == runtime._machine()
    with monkeypatch.context() as patch:
        patch.setattr(runtime, "version", lambda package: "another")
        assert runtime._machine() != here
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_prefer_vector_width=256")
    assert runtime._machine() != here


def test_only_the_newest_programs_are_kept(flags, tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "KEPT_PROGRAMS", 3)
    flags()
    runtime.prepare()
    folder = tmp_path / runtime._machine()
    folder.mkdir()
    for age in range(5):
        (folder / f"{age}.pb").touch()
        os.utime(folder / f"{age}.pb", (1000 - age, 1000 - age))
    monkeypatch.setattr(runtime, "_kept", folder)
    runtime.note_programs()
    runtime.keep_programs(tmp_path)
    assert sorted(path.name for path in folder.glob("*.pb")) == ["0.pb", "1.pb", "2.pb"]
    assert len(list(folder.iterdir())) == 6  # each with its checksum


def test_programs_are_noted_where_they_are_kept_wherever_else_they_might_have_been(flags, tmp_path):
    flags()
    runtime.keep_programs(tmp_path / "here")
    runtime.keep_programs(tmp_path / "there")
    for place in ("here", "there"):
        (tmp_path / place / runtime._machine() / "0.pb").touch()
    runtime.note_programs()
    assert [note.relative_to(tmp_path).parts[0] for note in tmp_path.rglob("*.sha256")] == ["here"]


def test_a_folder_that_cannot_be_made_is_done_without(flags, tmp_path):
    (tmp_path / "programs").touch()
    flags()
    runtime.keep_programs(tmp_path / "programs")
    assert "TF_XLA_FLAGS" not in os.environ


# Prints a hash of what ten updates made: the processes below must print the same.
TRAIN = """
import hashlib, sys
from pathlib import Path
from pg_core import runtime
runtime.keep_programs(Path(sys.argv[1]))
from pg_core.config import Config
from pg_core.learning.trainer import Trainer
import tensorflow as tf
for i in range(int(sys.argv[2])):
    tf.function(lambda x: x + i)(tf.constant(1))
trainer = Trainer(Config(num_agents=2, episodes_per_update=3, hidden_layers=(), num_updates=10))
trainer.compile()
list(trainer)
print(hashlib.sha256(b"".join(array.tobytes() for array in trainer.checkpoint().values())).hexdigest())
"""


def train(folder: Path, traced_before: int = 0) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "TF_XLA_FLAGS"}
    command = [sys.executable, "-c", TRAIN, str(folder), str(traced_before)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> tuple[Path, str]:
    """A folder of programs that one process has compiled, and what it printed."""
    folder = tmp_path_factory.mktemp("programs") / 'someone\'s  "lab" \\ here'
    return folder, train(folder)


def test_a_kept_program_computes_the_same_bits_as_the_one_that_was_compiled(compiled):
    folder, printed = compiled
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*/*")}
    assert kept
    assert train(folder, traced_before=3) == printed
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/*")} == kept  # nothing was compiled again


def test_a_spoilt_program_is_compiled_again(compiled, tmp_path):
    """As after a power cut: TensorFlow itself gives up on a program that it cannot read."""
    folder, printed = compiled
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    whole = {path: path.read_bytes() for path in tmp_path.glob("*/*.pb")}
    for path, content in whole.items():
        path.write_bytes(content[:1000])
    assert train(tmp_path) == printed
    assert all(path.stat().st_size > 1000 for path in whole)


def test_a_program_of_a_process_that_was_killed_is_not_trusted(flags, tmp_path):
    flags()
    runtime.prepare()
    folder = tmp_path / runtime._machine()
    folder.mkdir()
    (folder / "a.pb").write_bytes(b"half of it")
    runtime.keep_programs(tmp_path)
    assert not list(folder.iterdir())


def test_keras_is_imported_only_when_it_is_used():
    script = """
import os, sys
from pg_core import runtime
runtime.import_tensorflow()
import tensorflow as tf
assert "keras" not in sys.modules and "TF_USE_LEGACY_KERAS" not in os.environ
assert tf.keras.layers.Dense(3)(tf.ones((1, 2))).shape == (1, 3)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_stacks_of_matrices_are_multiplied_with_one_matrix():
    stack, one = np.ones((500, 1, 3, 64), np.float32), np.ones((64, 64), np.float32)
    assert (tf.matmul(stack, one).numpy() == 64).all()
