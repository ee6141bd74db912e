"""Examines an environment before anything is trained in it, in a process of its own, and says what is found.

Each call of the environment is bounded in time there, and all of it in memory: see `sandbox`.
"""

import contextlib
from dataclasses import asdict, dataclass
from typing import Any, Self

from pg_core.environments.examination import Examination, fingerprint
from pg_core.environments.faults import EnvironmentFault
from pg_core.environments.findings import Finding
from pg_core.environments.isolation import Isolated
from pg_core.environments.registration import UnsupportedEnvironmentError


@dataclass(frozen=True)
class Report:
    """All that was found in an environment."""

    env_id: str
    findings: tuple[Finding, ...]
    source: tuple[str, str] = "", ""  # the file of the environment's class, and its fingerprint

    @property
    def is_current(self) -> bool:
        """Whether that file is as it was, so that what was found is true of it."""
        path, found = self.source
        try:
            return not path or fingerprint(path) == found
        except OSError:
            return False

    @property
    def fault(self) -> str:
        """What makes training impossible; empty if nothing does."""
        return " ".join(finding.sentence for finding in self.findings if finding.level == "fault")

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the report of which this is the plain data."""
        findings = tuple(Finding(**finding) for finding in data["findings"])
        return cls(data["env_id"], findings, tuple(data["source"]))


def examine(env_id: str, **options: Any) -> Report:
    """Play a few episodes of an environment by chance, and say what is found.

    Args:
        env_id: of the environment.
        options: of the environment, see `EnvironmentSpec`.
    """
    findings: list[Finding] = []
    source = "", ""
    with contextlib.closing(Isolated(env_id, Examination(env_id, options))) as examination:
        for part in ("spaces", "episodes", "same_seed", "picture"):
            try:
                findings += examination.call(part)
                source = examination.call("source")
            except (EnvironmentFault, UnsupportedEnvironmentError) as error:
                # What cannot be drawn can still be learned.
                findings.append(Finding("warning" if part == "picture" else "fault", str(error)))
                break
    return Report(env_id, tuple(findings), source)
