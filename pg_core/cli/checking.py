"""The command that checks the proofs."""

import argparse
import json
import math
from concurrent.futures import Future
from typing import Any

from pg_core import lab
from pg_core.cli.output import WrongVerdictError
from pg_core.proofs import PARAMETERS, STATEMENTS, validated
from pg_core.proofs.verdicts import Check


def check(options: argparse.Namespace) -> None:
    """Check proofs, all or those named."""
    given = {name: getattr(options, name) for name in PARAMETERS if getattr(options, name) is not None}
    questions = {name: _parameters(name, given) for name in options.names or STATEMENTS}
    answers = zip(questions.items(), lab.check_each(questions), strict=True)
    wrong = [name for (name, values), answer in answers if not _passes(name, values, answer, options.json)]
    if wrong:
        raise WrongVerdictError(f"A verdict is wrong: {', '.join(wrong)}.")


def _parameters(name: str, given: dict[str, Any]) -> dict[str, int | float]:
    """Return what a check has a use for, and the default of the rest."""
    return validated(name, {key: value for key, value in given.items() if key in STATEMENTS.get(name, ())})


def _passes(name: str, values: dict[str, int | float], answer: Future[Check], as_json: bool) -> bool:
    """Wait for a check, print what it said, and return the verdict."""
    try:
        result = answer.result()
        said, passed = result.to_json(), result.passed
    except Exception as error:  # what cannot even be computed is not right
        said, passed = {"passed": False, "error": f"{type(error).__name__}: {error}", "comparisons": []}, False
    if as_json:
        print(json.dumps({"name": name, "parameters": values, **said}), flush=True)
        return passed
    print(f"{name}: {'right' if passed else 'WRONG'} {said.get('error', '')}".rstrip())
    for row in said["comparisons"]:
        found = "equal" if row["agrees"] else "different"
        distance = math.nan if row["difference"] is None else row["difference"]
        print(f"  {'ok  ' if row['passed'] else 'WRONG'} {found:9} |difference| {distance:8.1e}  {row['claim']}")
    return passed
