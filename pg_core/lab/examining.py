"""Have environments examined: at once, or while a page goes on."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pg_core.config import Config
from pg_core.environments import doctor
from pg_core.environments.doctor import Report
from pg_core.lab import limits, state
from pg_core.runs.workers import examinations

_waiting: dict[tuple[object, ...], Future[Report]] = {}  # under way, by lab and environment
_lock = threading.Lock()
_one_at_a_time = ThreadPoolExecutor(1, "doctor")


def examine(env_id: str, **env_kwargs: Any) -> Report:
    """Examine an environment, whether it can be trained or not, and return what is found."""
    return doctor.examine(env_id, **env_kwargs)


def ask_examination(config: Config) -> None:
    """Have a config's environment examined; `examination` has what is found.

    Raises:
        NotAllowed: the visitor has not logged in.
    """
    limits.check_stored()
    folder, spec, key = state.store().folder, config.environment, _key(config)
    with _lock:
        if key not in _waiting:
            _waiting[key] = _one_at_a_time.submit(examinations.examine, folder, spec)
            _waiting[key].add_done_callback(lambda _: _waiting.pop(key))


def examination(config: Config) -> tuple[Report | None, bool]:
    """Return what was found last in a config's environment, None if nothing, and whether it is examined now."""
    pending = _key(config) in _waiting
    return examinations.kept(state.store().folder, config.environment), pending


def _key(config: Config) -> tuple[object, ...]:
    return state.store().folder, config.environment
