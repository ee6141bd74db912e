"""`python -m pg_core`: the lab without a browser."""

import sys

from pg_core import runtime
from pg_core.cli import main

runtime.leave_keras()
sys.exit(main())
