"""Installs each peer into a virtual environment of its own: their requirements exclude each other's and the lab's."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
ENVIRONMENTS = FOLDER.parents[1] / ".bench"


class NotInstalled(RuntimeError):
    """Raised when a peer cannot be installed here; its message is pip's reason."""


def python_of(peer: str) -> Path:
    """Return the Python that runs a peer, after installing the peer if it is missing or its requirements are newer.

    Args:
        peer: name of a requirements file beside this module, without `.txt`.

    Raises:
        NotInstalled: a package cannot be installed, because there is none for this Python, for instance.
    """
    requirements, environment = FOLDER / f"{peer}.txt", ENVIRONMENTS / peer
    python, stamp = environment / "bin" / "python", environment / "installed.stamp"
    if not stamp.exists() or stamp.stat().st_mtime < requirements.stat().st_mtime:
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        install = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--requirement", str(requirements)]
        installed = subprocess.run([python, *install], stderr=subprocess.PIPE, text=True)
        if installed.returncode:
            raise NotInstalled(_reason(installed.stderr))
        stamp.touch()
    return python


def _reason(errors: str) -> str:
    """Return the last line that pip marks as an error: it sums up those before."""
    marked = [line.removeprefix("ERROR: ") for line in errors.splitlines() if line.startswith("ERROR: ")]
    return marked[-1] if marked else "pip failed without a reason"
