"""The command that examines environments: doctor."""

import argparse
import json

from pg_core import lab
from pg_core.cli.output import WrongVerdictError

MARKS = {"fault": "FAULT  ", "warning": "warning", "fact": "ok     "}


def doctor(options: argparse.Namespace) -> None:
    """Examine an environment, and print what is found."""
    report = lab.examine(options.environment)
    if options.json:
        print(json.dumps(report.to_json()))
    else:
        for finding in report.findings:
            print(f"{MARKS[finding.level]}  {finding.sentence} {finding.remedy}".rstrip())
    if report.fault:
        raise WrongVerdictError(f"{options.environment} cannot be trained before it is mended.")
