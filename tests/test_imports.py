"""The server and the command line start without TensorFlow: its import takes seconds and hundreds of megabytes."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["pg_core.lab", "pg_core.cli", "pg_core.runs.workers.worker", "pg_core.environments.rendering"]
)
def test_importing_it_imports_no_tensorflow(module: str):
    script = f"import sys, {module}; print('tensorflow' in sys.modules, 'streamlit' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout == "False False\n", result.stderr
