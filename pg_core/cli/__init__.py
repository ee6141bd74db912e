"""The command line, with an option for every hyperparameter: `python -m pg_core COMMAND`."""

import contextlib
import io
import os
import sys
from collections.abc import Sequence

from pg_core import lab
from pg_core.cli.output import TrainingFailedError, WrongVerdictError
from pg_core.cli.parser import BAD_INPUT, parser
from pg_core.environments import EnvironmentFault

WRONG, INTERRUPTED, CLOSED_PIPE = 1, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0, or 1 if what was checked or replayed is not as it must be, 2 for bad input, 130 when interrupted, 141 for a
    closed pipe.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a pipe of Windows may know no Greek
            stream.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    with contextlib.suppress(lab.StoreError):  # most commands need none
        lab.place_temporary_files()
    try:
        options.command(options)
    except WrongVerdictError as error:
        print(error, file=sys.stderr)
        return WRONG
    except (ValueError, LookupError, lab.EpisodeError, lab.StoreError, EnvironmentFault, TrainingFailedError) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except ImportError as error:
        anew = f"{sys.executable} -m pip install --force-reinstall -r requirements.txt"
        print(f"A package cannot be loaded: {error}; `{anew}` installs all of them anew.", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # whoever read has left; nothing is to be written when Python ends, either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except OSError as error:
        print(f"A file cannot be written: {error}.", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0
