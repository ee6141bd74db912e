"""An agent's policy as a Keras model; a process of its own makes it, since Keras imports TensorFlow."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pg_core.learning.evaluation import one_agent
from pg_core.runs.exchange.exports import ExportError, newest_policy
from pg_core.runs.paths import ROOT
from pg_core.runs.store.records import Run
from pg_core.runs.store.rows import to_bytes
from pg_core.runs.store.store import Store


def write_keras(store: Store, run: Run, file: BinaryIO, agent: int, update: int | None = None) -> None:
    """Write one agent's kept policy, see `newest_policy`, as a `.keras` file.

    Raises:
        ExportError: no policy is kept, or Keras cannot write it.
    """
    at, policy = newest_policy(store, run, update)
    arrays = {name: array[0] for name, array in one_agent(policy, agent).items()}
    arrays["activation"] = np.array(store.config_after(run.id, at).activation)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        command = [sys.executable, "-m", "pg_core.runs.exchange.keras_model", str(path)]
        environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
        done = subprocess.run(command, cwd=ROOT, env=environment, input=to_bytes(arrays), capture_output=True)
        if done.returncode != 0:
            reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise ExportError(f"Keras could not write the model: {reason}")
        file.write(path.read_bytes())
