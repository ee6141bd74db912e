"""Who cannot run the lab is told in a sentence why, and what to do."""

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pg_core import installation
from pg_core.runs.paths import ROOT


@pytest.fixture
def cpuinfo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(installation, "CPUINFO", tmp_path / "cpuinfo")
    return tmp_path / "cpuinfo"


def test_here_nothing_is_missing() -> None:
    assert installation.problem() is None


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 14, 0)])
def test_another_python_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(platform, "python_version", lambda: ".".join(map(str, version)))
    assert re.search(r"needs Python 3\.11, .* and this is Python 3\.1[04]\.\d+: install", str(installation.problem()))


@pytest.mark.parametrize(
    ("machine", "flags", "runs"),
    [
        ("x86_64", "flags\t\t: fpu sse2 avx avx2", True),
        ("x86_64", "flags\t\t: fpu sse2 ssse3", False),
        ("AMD64", "flags\t\t: fpu sse2 avx2", False),
        ("aarch64", "Features\t: fp asimd", True),
        ("x86_64", "", True),  # it is not known
    ],
)
def test_a_processor_without_avx_is_named(
    monkeypatch: pytest.MonkeyPatch, cpuinfo: Path, machine: str, flags: str, runs: bool
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    cpuinfo.write_text(f"processor\t: 0\n{flags}\n")
    found = installation.problem()
    assert found is None if runs else "processor with AVX" in str(found)


def test_packages_that_are_missing_or_too_old_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installation, "REQUIREMENTS", tmp_path / "requirements.txt")
    assert installation.problem() is None  # as where pip has installed the package
    (tmp_path / "requirements.txt").write_text("nowhere[all]>=1\npip>999\nnumpy>=2,<3\n")
    told = str(installation.problem())
    assert "asks: nowhere, pip; `make run`" in told and "TensorFlow" not in told
    (tmp_path / "requirements.txt").write_text("tensorflow>999\n")
    assert "TensorFlow is built for 64-bit Linux with glibc" in str(installation.problem())


@pytest.mark.parametrize(
    "command",
    [["-m", "pg_core", "runs"], ["-m", "pg_core.installation"], ["-m", "streamlit", "run", "app.py"]],
    ids=["shell", "make", "streamlit"],
)
def test_every_way_in_says_it_before_it_imports_anything(tmp_path: Path, command: list[str]) -> None:
    """In a copy that asks for TensorFlow 99, and has no code that could be imported by mistake."""
    for folder in ("pg_core", ".streamlit"):
        (tmp_path / folder).mkdir()
    for name in (
        ".streamlit/config.toml",
        "app.py",
        "pg_core/__init__.py",
        "pg_core/__main__.py",
        "pg_core/installation.py",
    ):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "requirements.txt").write_text("tensorflow>99\n")
    ended = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    [sentence] = ended.stderr.strip().splitlines()
    assert "Not installed, or not as requirements.txt asks: tensorflow" in sentence


def test_a_package_that_is_there_and_does_not_load_is_named(tmp_path: Path) -> None:
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text('raise ImportError("libnowhere.so: cannot open")')
    environment = {"PYTHONPATH": str(tmp_path), "PG_LAB_DATA": str(tmp_path / "lab")}
    ended = subprocess.run(
        [sys.executable, "-m", "pg_core", "train", "--num-updates", "1"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.strip().splitlines()[-1].startswith("A package cannot be loaded: libnowhere.so: cannot open; `")
