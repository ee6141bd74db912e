"""What the lab writes is for its user alone: it holds everyone's runs, and the log-ins of their owners."""

import contextlib
import os
import stat
from pathlib import Path

FOLDER, FILE = 0o700, 0o600  # modes
# All that the lab puts into its folder: where there is more, that is not its own.
OURS = {"lab.db", "lab.db-journal", "doctor", "programs", "tmp"}
OURS |= {f"{name}.log{old}" for name in ("errors", "workers") for old in ("", ".old")}


def make_folder(folder: Path) -> None:
    """Make the lab's folder, which others cannot look into; one that is there is closed if all in it is the lab's.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(FOLDER, parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # it is on a disk that is read-only, or somebody else's
        found = list(folder.iterdir())
        if {path.name for path in found} <= OURS:
            for path in (folder, *found):
                _close(path)


def make_file(path: Path) -> None:
    """Make an empty file that others cannot read.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be made.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE))


def _close(path: Path) -> None:
    mode = path.lstat().st_mode
    if mode & 0o077 and not stat.S_ISLNK(mode):  # what a link leads to may be there for others too
        path.chmod(mode & 0o700)
