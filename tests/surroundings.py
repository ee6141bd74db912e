"""What the lab's own code must do without on other machines, hidden from it: see tests/test_surroundings.py.

As `sitecustomize` on the PYTHONPATH, with the project's folder in PG_LAB_ROOT, it reaches every process of the lab.
Libraries keep what they need on this machine: elsewhere they take another way.
"""

import builtins
import ctypes
import os
import pathlib
import signal
import sys
import types

ROOT = os.environ["PG_LAB_ROOT"]
POSIX = [
    "chown", "fchmod", "fork", "getegid", "geteuid", "getgid", "getloadavg", "getpgid", "getpgrp", "getpriority",
    "getsid", "getuid", "killpg", "lchown", "mkfifo", "nice", "pidfd_open", "posix_fadvise", "posix_spawn",
    "register_at_fork", "sched_getaffinity", "sched_setaffinity", "setpgid", "setpriority", "setsid", "statvfs",
    "sysconf", "uname", "wait", "wait3", "wait4", "waitid", "WNOHANG", "O_CLOEXEC", "O_DIRECTORY",
    "O_NOFOLLOW",
]  # fmt: skip
SIGNALS = {name for name in dir(signal) if name.startswith(("SIG", "pthread", "set", "get", "sig"))}
WINDOWS = {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIG_DFL", "SIG_IGN", "signal", "getsignal"}
HIDDEN = {"os": set(POSIX), "signal": SIGNALS - WINDOWS}
ABSENT = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios"}


def without(module: types.ModuleType, names: set[str]) -> types.ModuleType:
    """Return a copy of a module that lacks some names."""
    copy = types.ModuleType(module.__name__)
    vars(copy).update({name: value for name, value in vars(module).items() if name not in names})
    return copy


def no_library(name: str | None, *_: object, **__: object) -> None:
    """Refuse to open the running program as a library, as Windows does."""
    if name is None:
        raise TypeError("argument of type 'NoneType' is not iterable")


COPIES = {name: without(sys.modules[name], names) for name, names in HIDDEN.items()}
COPIES["ctypes"] = without(ctypes, {"CDLL"})
COPIES["ctypes"].CDLL = no_library  # type: ignore[attr-defined]
imported, opened, stated = builtins.__import__, pathlib.Path.open, pathlib.Path.stat


def import_as_elsewhere(name: str, globals: dict | None = None, *more: object, **named: object) -> types.ModuleType:
    importer = str((globals or {}).get("__file__"))
    if importer.startswith(ROOT) and "site-packages" not in importer:
        if name in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name in COPIES:
            return COPIES[name]
    return imported(name, globals, *more, **named)


def elsewhere(take: object) -> object:
    """Return a method of paths for which there are no /proc and no /sys."""

    def method(path: pathlib.Path, *arguments: object, **options: object) -> object:
        if path.parts[:2] in (("/", "proc"), ("/", "sys")):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return take(path, *arguments, **options)  # type: ignore[operator]

    return method


builtins.__import__ = import_as_elsewhere
pathlib.Path.open, pathlib.Path.stat = elsewhere(opened), elsewhere(stated)
