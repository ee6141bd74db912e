"""The code that a check runs, read from its files: its own functions, and those of the trainer that it calls."""

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

from pg_core.proofs import validated

PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Source:
    """A piece of code.

    Attributes:
        name: dotted, of the module or function.
        code: its text.
    """

    name: str
    code: str


@functools.cache
def sources(statement: str) -> list[Source]:
    """Return the module of a statement, then what it names of the code that trains.

    These are functions and distributions of `pg_core.maths`, and functions of `pg_core.policies.in_numpy`; where it
    lets the trainer learn, also how that is done, and the update.

    Raises:
        ValueError: there is no such statement.
    """
    validated(statement, {})
    code = (PACKAGE / "proofs" / f"{statement}.py").read_text(encoding="utf-8")
    in_numpy = "pg_core.policies.in_numpy"
    known = _definitions("maths/*.py", "pg_core.maths") | _definitions("policies/in_numpy.py", in_numpy)
    nodes = list(ast.walk(ast.parse(code)))
    named = [node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "maths"]
    imported = [(node.module, a.name) for node in nodes if isinstance(node, ast.ImportFrom) for a in node.names]
    called = [*named, *(name for module, name in imported if module == in_numpy)]
    found = [known[name] for name in dict.fromkeys(called) if name in known]
    if ("pg_core.proofs", "training") in imported:
        text = (PACKAGE / "proofs" / "training.py").read_text(encoding="utf-8")
        algorithm = _definitions("learning/reinforce.py", "pg_core.learning.reinforce")
        found += [Source("pg_core.proofs.training", text), algorithm["update"]]
    return [Source(f"pg_core.proofs.{statement}", code), *found]


@functools.cache
def _definitions(files: str, module: str) -> dict[str, Source]:
    """Return the public functions and classes in some files, as `module` offers them."""
    found = {}
    for path in sorted(PACKAGE.glob(files)):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                found[node.name] = Source(f"{module}.{node.name}", ast.get_source_segment(text, node) or "")
    return found
