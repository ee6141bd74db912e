"""What an environment does wrong, in a sentence, with the line of its author's code."""

import os
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

OURS = f"{Path(__file__).parents[1]}{os.sep}"
STDLIB = sysconfig.get_path("stdlib")
PACKAGES = {"site-packages", "dist-packages"}
MAX_MESSAGE = 500  # characters of what an environment says itself
RETURNS = {
    "reset": "(observation, info)", "step": "(observation, reward, terminated, truncated, info)",
    "render": "a picture",
}  # fmt: skip

Line = tuple[str, int]  # path of a file, number of the line


class EnvironmentFault(RuntimeError):
    """Raised when an environment raises, hangs, ends its process, or returns what cannot be learned from.

    Its message is a sentence for the environment's author.
    """


def raised(error: BaseException, env_id: str, owner: Any, method: str, place: str) -> EnvironmentFault:
    """Return the sentence on what a method of an environment raised.

    Args:
        error: with its traceback.
        env_id: of the environment.
        owner: of the method: the environment, without its wrappers.
        method: in which the error came up: "reset", "step" or "render".
        place: where in its episodes the environment was.
    """
    own = line_of(lines(error), type(owner).__module__.partition(".")[0])
    where = in_parentheses(own or definition(owner, method), place)
    remedy = "mend the environment" if own else f"its `{method}` must return {RETURNS[method]}"
    return EnvironmentFault(f"{env_id} raised {said(error)}{where}: {remedy}.")


def returned(what: str, env_id: str, owner: Any, method: str, place: str) -> EnvironmentFault:
    """Return the sentence on what a method of an environment returned; arguments as of `raised`."""
    where = in_parentheses(definition(owner, method), place)
    return EnvironmentFault(f"{env_id} returned {what}{where}: mend its `{method}`.")


def said(error: BaseException) -> str:
    """Return an error's type and message: `ValueError: bad shape`."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # which the author's own error may raise
        message = ""
    if len(message) > MAX_MESSAGE:
        message = f"{message[: MAX_MESSAGE - 1]}…"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def lines(error: BaseException | None) -> Iterator[Line]:
    """Yield the lines that an error has passed, innermost first, then those of the errors that led to it."""
    while error is not None:
        if isinstance(error, SyntaxError) and error.filename:
            yield error.filename, error.lineno or 1
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            yield frame.filename, frame.lineno or 1
        error = error.__cause__ or error.__context__


def line_of(lines: Iterable[Line], package: str) -> str:
    """Return the first of some lines that is the author's, as `mine/grid.py:12`; empty if none is.

    Args:
        lines: innermost first.
        package: top-level name of the environment's own, which is the author's even where it is installed.
    """
    return next((f"{_short(path)}:{number}" for path, number in lines if _is_authors(path, package)), "")


def definition(owner: Any, method: str) -> str:
    """Return where an object's class defines a method, as `mine/grid.py:12`; empty if that cannot be known."""
    code = getattr(getattr(type(owner), method, None), "__code__", None)
    return f"{_short(code.co_filename)}:{code.co_firstlineno}" if code else ""


def in_parentheses(*parts: str) -> str:
    """Return what is not empty of some parts, in parentheses, to follow other words."""
    given = "; ".join(filter(None, parts))
    return f" ({given})" if given else ""


def _is_authors(path: str, package: str) -> bool:
    """Return whether a file is neither the lab's nor Python's, nor of another installed package."""
    parts = Path(path).parts
    for i, part in enumerate(parts[:-1]):
        if part in PACKAGES:
            return parts[i + 1].removesuffix(".py") == package
    return not path.startswith(("<", OURS, STDLIB))


def _short(path: str) -> str:
    """Return a path as it follows from the folder where Python found the package."""
    folders = (Path(folder).absolute() for folder in sys.path)
    relative = [Path(path).relative_to(folder) for folder in folders if Path(path).is_relative_to(folder)]
    return min(relative, key=lambda path: len(path.parts)).as_posix() if relative else Path(path).name
