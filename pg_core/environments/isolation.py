"""Which environments are played in a process of their own, and what is said of those that end it.

Those that Gymnasium ships are known, and played where they are wanted; so are those whose class is registered in this
process alone, by a test or a notebook, for no other process would find it. All others are code that may hang, end its
process, print without end: see `sandbox`.
"""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from pg_core.environments import faults, sandbox
from pg_core.environments.faults import EnvironmentFault
from pg_core.environments.registration import permit


def is_known(env_id: str) -> bool:
    """Return whether an environment may be played in this process, which may be one of its own already."""
    return sandbox.is_inside() or _is_of_this_process(env_id) or _entry_point(env_id).startswith("gymnasium.")


def package(env_id: str) -> str:
    """Return the top-level name of the package in which an environment is; empty if that is not known."""
    entry_point = _entry_point(env_id)
    module = entry_point if isinstance(entry_point, str) else getattr(entry_point, "__module__", "")
    return module.partition(":")[0].partition(".")[0]


def apart(env_id: str, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function that makes an environment: in a process of its own, unless the environment is known.

    Raises:
        EnvironmentFault: the process had to be ended, or has ended.
    """
    if is_known(env_id):
        return function(*args)
    with contextlib.closing(Isolated(env_id, function)) as isolated:
        return isolated.call("__call__", *args)


class Keeper:
    """Calls a function as `apart` does, in the same process for as long as the same environment is asked for."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self._lock = function, threading.Lock()
        self._kept: tuple[str, Isolated] | None = None

    def call(self, env_id: str, *args: Any) -> Any:
        """Call the function.

        Raises:
            EnvironmentFault: as `apart`.
        """
        if is_known(env_id):
            return self._function(*args)
        with self._lock:
            if self._kept is None or self._kept[0] != env_id:
                self.close()
                self._kept = env_id, Isolated(env_id, self._function)
            try:
                return self._kept[1].call("__call__", *args)
            except EnvironmentFault:
                self.close()  # it may be mended by the next time
                raise

    def close(self) -> None:
        """End the process, if there is one."""
        if self._kept:
            self._kept[1].close()
        self._kept = None


class Isolated:
    """An object that plays an environment in a process of its own, if that has it."""

    def __init__(self, env_id: str, target: Any) -> None:
        permit(env_id)
        self._env_id, self._target = env_id, target
        self._sandbox = None if _is_of_this_process(env_id) else sandbox.Sandbox(_Parcel(target, env_id))

    def call(self, method: str, *args: Any) -> Any:
        """Call one of the object's methods.

        Raises:
            EnvironmentFault: as `apart`.
        """
        if self._sandbox is None:
            return getattr(self._target, method)(*args)
        try:
            return self._sandbox.call(method, *args)
        except sandbox.SandboxEnded as ended:
            where = faults.in_parentheses(faults.line_of(ended.lines, package(self._env_id)), ended.place)
            raise EnvironmentFault(f"{self._env_id} {ended.reason}{where}: {ended.remedy}.") from None
        except MemoryError:
            raise EnvironmentFault(
                f"{self._env_id} and its episodes need more memory than {sandbox.limit('PG_LAB_ENVIRONMENT_GB'):g} GB: "
                "play fewer at a time, or set PG_LAB_ENVIRONMENT_GB."
            ) from None

    def close(self) -> None:
        """Close the object, if it can be closed, and end its process."""
        farewell = "close" if hasattr(self._target, "close") else ""
        if self._sandbox:
            self._sandbox.close(farewell)
        elif farewell:
            self.call(farewell)


class _Parcel:
    """What is sent to a process of its own: there it is the object, and the environment registered as it is here."""

    def __init__(self, target: Any, env_id: str) -> None:
        self._target, self._registration = target, gym.registry.get(env_id)

    def __reduce__(self) -> Any:
        return _unpack, (self._target, self._registration)


def _unpack(target: Any, registration: EnvSpec | None) -> Any:
    if registration:
        gym.registry.setdefault(registration.id, registration)
    return target


def _is_of_this_process(env_id: str) -> bool:
    return not isinstance(_entry_point(env_id), str)


def _entry_point(env_id: str) -> Any:
    if ":" in env_id:
        return env_id
    registration = gym.registry.get(env_id)
    return registration.entry_point if registration else None
