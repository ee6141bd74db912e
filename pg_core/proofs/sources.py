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
    """Return the module of a statement, then every function of `pg_core.maths` that it names.

    Raises:
        ValueError: there is no such statement.
    """
    validated(statement, {})
    code = (PACKAGE / "proofs" / f"{statement}.py").read_text(encoding="utf-8")
    functions = _functions_of_maths()
    called = {
        node.attr: None
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "maths"
    }
    return [Source(f"pg_core.proofs.{statement}", code), *(functions[name] for name in called if name in functions)]


@functools.cache
def _functions_of_maths() -> dict[str, Source]:
    found = {}
    for path in sorted((PACKAGE / "maths").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                segment = ast.get_source_segment(text, node) or ""
                found[node.name] = Source(f"pg_core.maths.{node.name}", segment)
    return found
