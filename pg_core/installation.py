"""What must be there before anything else is imported; `python -m pg_core.installation` says what is missing.

It must run on a Python that is too old for the rest, and without any package.
"""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)  # for which TensorFlow is built
CPUINFO = Path("/proc/cpuinfo")  # on Linux
REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
BUILDS = "64-bit Linux with glibc (x86 and ARM), 64-bit Windows (x86) and macOS (Apple silicon)"


def problem() -> str | None:
    """Return a sentence with what this machine lacks and how to get it, None if all is there."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        return (
            "The lab needs Python 3.11, 3.12 or 3.13, for which TensorFlow is built, and this is Python "
            f"{platform.python_version()}: install one of them, and name it with `make PYTHON=/path/to/python3.13 run`."
        )
    flags = processor_flags()
    if platform.machine() in ("x86_64", "AMD64") and flags and "avx" not in flags:
        return (
            "TensorFlow needs a processor with AVX instructions, which this one does not have: use another machine, "
            "or, if this one is virtual, let it see the processor of its host (QEMU: `-cpu host`)."
        )
    if absent := _absent():
        builds = f" (TensorFlow is built for {BUILDS}.)" if "tensorflow" in absent else ""
        return (
            f"Not installed, or not as requirements.txt asks: {', '.join(absent)}; `make run` installs what is listed "
            f"there, and so does `{sys.executable} -m pip install -r requirements.txt`.{builds}"
        )
    return None


def processor_flags() -> list[str]:
    """Return the names that Linux has for what this processor can do; none elsewhere."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    return next((line.split() for line in lines if line.startswith(("flags", "Features"))), [])


def _absent() -> list[str]:
    """Return the packages that requirements.txt, if it is there, asks for in vain."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines() if REQUIREMENTS.exists() else []
    return [re.split(r"[\[<>=]", line)[0] for line in lines if not _is_met(line)]


def _is_met(line: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        from packaging.requirements import Requirement

        required = Requirement(line)
        return required.specifier.contains(version(required.name), prereleases=True)
    except (ImportError, PackageNotFoundError):
        return False


if __name__ == "__main__":
    sys.exit(problem())
