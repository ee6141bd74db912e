"""What the doctor has found in environments, kept in a file each, and an examination before the first training."""

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path

from pg_core.environments import EnvironmentFault, EnvironmentSpec, doctor, isolation
from pg_core.environments.doctor import Report
from pg_core.runs.store import privacy


def check(folder: Path, spec: EnvironmentSpec) -> None:
    """Examine an environment that the lab does not know, unless it has passed before.

    Raises:
        EnvironmentFault: what makes training impossible.
    """
    if isolation.is_known(spec.env_id):
        return
    report = kept(folder, spec)
    if report is None or report.fault:  # which may be mended by now
        report = examine(folder, spec)
    if report.fault:
        raise EnvironmentFault(report.fault)


def examine(folder: Path, spec: EnvironmentSpec) -> Report:
    """Examine an environment, and keep what is found."""
    report = doctor.examine(spec.env_id, **spec.options)
    path = _path(folder, spec)
    with contextlib.suppress(OSError):  # a full disk: then it is examined again
        path.parent.mkdir(privacy.FOLDER, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(report.to_json(), file)
        Path(draft).replace(path)
    return report


def kept(folder: Path, spec: EnvironmentSpec) -> Report | None:
    """Return what was found last, None if nothing can be read or the environment's file has changed since."""
    try:
        report = Report.from_json(json.loads(_path(folder, spec).read_text(encoding="utf-8")))
        return report if report.is_current else None
    except (OSError, ValueError, LookupError, TypeError):  # none, or one of another version of the lab
        return None


def _path(folder: Path, spec: EnvironmentSpec) -> Path:
    asked = json.dumps([spec.env_id, spec.options], sort_keys=True)
    return folder / "doctor" / f"{hashlib.sha256(asked.encode()).hexdigest()}.json"
