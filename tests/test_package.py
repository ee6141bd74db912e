"""pg_core as a library: what its wheel needs, what importing it costs, and what it does where it is installed.

A wheel is built and installed without a network, by the setuptools of this environment; what it needs is found here.
"""

import ast
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import pg_core

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "python.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE, EXTRAS = PROJECT["dependencies"], PROJECT["optional-dependencies"]


def ranges(name: str) -> list[str]:
    return (ROOT / name).read_text(encoding="utf-8").split()


def test_the_ranges_are_those_of_the_requirements() -> None:
    assert sorted(CORE + EXTRAS["lab"]) == sorted(ranges("requirements.txt"))
    assert ["-r", "requirements.txt", *EXTRAS["cluster"]] == ranges("requirements-cluster.txt")
    dev = ranges("requirements-dev.txt")
    included, tools = dev[:4], dev[4:]
    assert included == ["-r", "requirements.txt", "-r", "requirements-cluster.txt"]
    assert EXTRAS["dev"] == [f"{PROJECT['name']}[cluster,lab]", *tools]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_constraints_have_one_version_of_each_requirement_for_every_python(python: str) -> None:
    here = {"python_version": python, "python_full_version": f"{python}.0"}
    lines = map(Requirement, (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    fitting = [line for line in lines if line.marker is None or line.marker.evaluate(here)]
    versions = {line.name: str(line.specifier).removeprefix("==") for line in fitting}
    assert len(fitting) == len(versions)
    for required in map(Requirement, ranges("requirements.txt")):
        assert required.specifier.contains(versions[required.name]), required


LAB = {"PIL", "av", "gymnasium", "numpy", "orjson", "psutil", "pyarrow", "pydantic", "sqlalchemy"}


@functools.cache
def imported() -> frozenset[str]:
    """Return what the package imports anywhere: top-level modules that are not Python's own."""
    found = set()
    for path in (ROOT / "pg_core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module))
    return frozenset(name.partition(".")[0] for name in found) - sys.stdlib_module_names


def test_what_the_package_imports_it_requires() -> None:
    required = {re.match(r"[\w-]+", requirement)[0].lower() for requirement in CORE}
    distributions = packages_distributions()
    for module in imported() - {"pg_core", "ray", "tensorboard"}:  # without those a sentence says what to install
        assert required.intersection(name.lower() for name in distributions[module]), module


@pytest.mark.parametrize(
    ("statement", "costs"),
    [
        ("import pg_core", set()),
        ("from pg_core import Config, ConfigError", {"gymnasium", "numpy", "pydantic"}),
        ("from pg_core import Evaluation, evaluate", {"gymnasium", "numpy", "pydantic"}),
        ("from pg_core import Store, StoreError", {"gymnasium", "numpy", "psutil", "pydantic", "sqlalchemy"}),
        ("from pg_core import compare, sweep", LAB),
    ],
)
def test_importing_costs_what_it_needs(statement: str, costs: set[str]) -> None:
    script = f"import sys; {statement}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert imported().intersection(result.stdout.split()) == {"pg_core", *costs}


def test_every_public_name_is_there_and_has_a_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in pg_core.__all__:
        assert getattr(pg_core, name).__doc__ and f"| `{name}` |" in page, name
    with pytest.raises(AttributeError, match="module 'pg_core' has no attribute 'trainer'"):
        getattr(pg_core, "trainer")  # noqa: B009


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PG_LAB_DATA", "set by the page")  # and unset after it
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec("\n".join(blocks), {})
    said = capsys.readouterr().out
    assert said.startswith("10 updates: mean return ") and f"\n{list(range(30, 40))}\n" in said
    assert "\nslower: finished after 30 updates, " in said and said.endswith("first 30 (5, 4, 64)\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both.parquet", "runs"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel where nothing else of the project is; return the folder of the programs."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    shutil.copytree(ROOT / "pg_core", source / "pg_core", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    builder = venv.EnvBuilder(with_pip=False)
    builder.create(folder / "venv")
    places = sysconfig.get_paths("venv", {"base": str(folder / "venv"), "platbase": str(folder / "venv")})
    Path(places["purelib"], "requirements.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", places["scripts"] + "/python", "install"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", str(source)]
    subprocess.run(install + offline, check=True, capture_output=True)
    return Path(places["scripts"])


def test_the_wheel_trains_and_proves_from_anywhere(installed: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PG_LAB"))}
    environment |= {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}

    def run(program: str, *arguments: str) -> str:
        command = [installed / program, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = Path(run("python", "-c", "import pg_core; print(pg_core.__file__)").strip()).parent
    assert installed.parent in where.parents and (where / "py.typed").exists()
    shape = ["--num-agents", "2", "--episodes-per-update", "3", "--hidden-layers", "8"]  # as other tests train
    trained = run("pg-lab", "train", *shape, "--num-updates", "2", "--json")
    run_id = json.loads(trained.splitlines()[-1])["run_id"]
    assert (tmp_path / ".pg-lab" / "lab.db").exists()
    run("pg-lab", "export", run_id, "-o", "replay.py")
    assert "pg_core" not in (tmp_path / "replay.py").read_text(encoding="utf-8")
    assert run("pg-lab", "check", "returns").startswith("returns: right\n")
    assert "usage: pg-lab train" in run("pg-lab", "train", "--help")
