"""The one door to the lab, for pages and command line: start runs, steer them, see what they learn, keep them.

Nothing that this package imports imports TensorFlow: training happens in worker processes, or in this one when
`train` is called. Every function raises StoreError when the store cannot be used, and UnknownRun if it takes the id of
a run and there is none.
"""

from pg_core.lab.checks import ask_check, check, checked, prepare_checks
from pg_core.lab.control import Training, change, fork, pause, resume, start, step, stop, train
from pg_core.lab.keeping import backup, check_store, delete, label, restore
from pg_core.lab.state import shutdown, startup
from pg_core.lab.viewing import (
    checkpoints,
    clip,
    evaluate,
    name_of,
    policy_at,
    progress,
    queue,
    render,
    replay,
    run,
    runs,
    untrained_clip,
)  # fmt: skip
from pg_core.proofs.sources import Source, sources
from pg_core.runs.clips import LabeledClip
from pg_core.runs.curves import Curves
from pg_core.runs.progress import Change, Progress
from pg_core.runs.prover import Answer
from pg_core.runs.records import Run, UnknownRun
from pg_core.runs.schema import StoreError

__all__ = [
    "Answer", "Change", "Curves", "LabeledClip", "Progress", "Run", "Source", "StoreError", "Training",
    "UnknownRun", "ask_check", "backup", "change", "check", "check_store", "checked", "checkpoints", "clip", "delete",
    "evaluate", "fork", "label", "name_of", "pause", "policy_at", "prepare_checks", "progress", "queue", "render",
    "replay", "restore", "resume", "run", "runs", "shutdown", "sources", "start", "startup", "step", "stop", "train",
    "untrained_clip",
]  # fmt: skip
