"""Starts as a worker of the lab does, up to the first update of the default config; prints its seconds as JSON."""

import argparse
import json
import time
from pathlib import Path

from pg_core import runtime
from pg_core.config import Config


def main() -> None:
    """Start once and print how long each part took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--started", type=float, required=True, help="`time.monotonic()` when this process was started")
    parser.add_argument("--programs", type=Path, required=True, help="folder that keeps compiled programs")
    options = parser.parse_args()
    runtime.keep_programs(options.programs)
    from pg_core.learning.trainer import Trainer

    times = [options.started, time.monotonic()]
    for _ in range(2):  # the second population finds everything compiled
        trainer = Trainer(Config(pace=0))
        trainer.compile()
        next(trainer)
        times.append(time.monotonic())
        trainer.close()
    _, imported, first, second = times
    result = {
        "import_seconds": imported - options.started,
        "compile_seconds": (first - imported) - (second - first),
        "update_seconds": second - first,
        "first_update_seconds": first - options.started,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
