"""The command that examines environments: doctor."""

import argparse
import json

from pg_core import lab
from pg_core.cli.output import WrongVerdictError
from pg_core.config import HYPERPARAMETERS

MARKS = {"fault": "FAULT  ", "warning": "warning", "fact": "ok     "}


def doctor(options: argparse.Namespace) -> None:
    """Examine an environment, and print what is found."""
    parameter = HYPERPARAMETERS["env_kwargs"]
    env_kwargs = parameter.parse(options.env_kwargs)
    if isinstance(env_kwargs, str):
        raise ValueError(f"`--env-kwargs` must be {parameter.rule}, got {env_kwargs!r}.")
    report = lab.examine(options.environment, **env_kwargs)
    if options.json:
        print(json.dumps(report.to_json()))
    else:
        for finding in report.findings:
            print(f"{MARKS[finding.level]}  {finding.sentence} {finding.remedy}".rstrip())
    if report.fault:
        raise WrongVerdictError(f"{options.environment} cannot be trained before it is mended.")
