"""Which environments there are, and whose modules are imported to find them.

`env_id` is a registered id, or `module:Name-v0`, Gymnasium's own form: the module is imported, and registers it. What a
stranger writes must import nothing. So a process that does what strangers ask, the server of the pages and its workers,
imports only modules that the lab's owner has named, in the environment variable PG_LAB_ENVIRONMENTS; and whatever comes
in from elsewhere, a run or a backup, is held to that in every process (`check_named`).
"""

import difflib
import importlib
import os
import reprlib
import sys

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from pg_core.environments import faults, sandbox

NAMED = "PG_LAB_ENVIRONMENTS"  # mine,other.environments

_serves_strangers = False


class UnsupportedEnvironmentError(ValueError):
    """Raised when an environment is unknown, not installed, or of a kind that the lab cannot train."""


def serve_strangers() -> None:
    """Have this process import only the environments' modules that the lab's owner has named, from now on."""
    global _serves_strangers
    _serves_strangers = True


def check_named(env_id: str) -> None:
    """Refuse an id with a module that the lab's owner has not named.

    Raises:
        UnsupportedEnvironmentError: with a sentence for the owner.
    """
    module = env_id.rpartition(":")[0]
    if module and module not in [name.strip() for name in os.environ.get(NAMED, "").split(",")]:
        raise UnsupportedEnvironmentError(
            f"`env_id` must not name a module that the lab's owner has not allowed, got {reprlib.repr(env_id)}; if you "
            f"are the owner and trust it, start the lab with the module's name in {NAMED}."
        )


def permit(env_id: str) -> None:
    """Refuse an id whose module this process does not import, and has no other process import.

    Raises:
        UnsupportedEnvironmentError: as `check_named`, if this process does what strangers ask.
    """
    if _serves_strangers:
        check_named(env_id)


def registered(env_id: str) -> EnvSpec:
    """Return the registration of an environment; this alone imports the modules that ids name.

    Raises:
        UnsupportedEnvironmentError: there is none, or its module may not or cannot be imported.
    """
    permit(env_id)
    module, _, name = env_id.rpartition(":")
    if module:
        _import(module, env_id)
    if name in gym.registry:
        return gym.registry[name]
    close = [f"{env_id[: -len(name)]}{other}" for other in difflib.get_close_matches(name, gym.registry, n=1)]
    hint = f"did you mean {close[0]!r}?" if close else "install the package that registers it, or choose another."
    raise UnsupportedEnvironmentError(
        f"`env_id` must be a registered Gymnasium environment, got {reprlib.repr(env_id)}; {hint}"
    )


def _import(module: str, env_id: str) -> None:
    if "" not in sys.path:
        sys.path.append("")  # the folder in which this was started, last: its files take no other module's place
    try:
        importlib.import_module(module)
    except BaseException as error:
        if sandbox.is_interrupt(error):
            raise
        line = faults.line_of(faults.lines(error), module.partition(".")[0])
        reason = f"{faults.said(error)} ({line})" if line else str(error).strip().split("\n")[0].rstrip(".")
        missing = isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]
        remedy = "; run this in its folder, or put that on PYTHONPATH" if missing else ""
        raise UnsupportedEnvironmentError(
            f"`env_id` must name a module that can be imported, got {reprlib.repr(env_id)}: {reason}{remedy}."
        ) from error
