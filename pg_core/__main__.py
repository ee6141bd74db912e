"""`python -m pg_core`: the lab without a browser."""

import sys

from pg_core import installation

if problem := installation.problem():
    sys.exit(problem)

from pg_core.cli import main

sys.exit(main())
