"""The one door to the lab, for pages and command line: start runs, steer them, see what they learn, keep them.

Nothing that this package imports imports TensorFlow: training happens in worker processes, or in this one when
`train`, `train_on` or `train_fork` is called. Every function raises StoreError when the store cannot be used, and
UnknownRun if it takes the id of a run and there is none.
"""

from pg_core.environments.doctor import Report
from pg_core.lab.access import NotAllowed, Visitor, hidden, identify, may_control, on_behalf_of
from pg_core.lab.asking import (
    BEGINNING,
    DEFAULT_BATCHES,
    DEFAULT_EPISODES,
    MAX_SEED,
    dissection,
    episode,
    estimators,
    robustness,
    spread,
    value_weights,
    weights,
)  # fmt: skip
from pg_core.lab.checks import ask_check, checked, prepare_checks
from pg_core.lab.comparing import (
    MAX_GROUPS,
    Axis,
    Course,
    Group,
    changes,
    courses,
    curve_rows,
    differences,
    groups,
    sparks,
)  # fmt: skip
from pg_core.lab.control import change, fork, pause, resume, start, step, stop, twin
from pg_core.lab.diagnosing import Diagnosis, Finding, diagnose
from pg_core.lab.examining import ask_examination, examination, examine
from pg_core.lab.exchange import (
    FORMATS,
    TIDY,
    export,
    export_formats,
    export_tidy,
    export_together,
    import_run,
    too_large,
)  # fmt: skip
from pg_core.lab.filming import FILMS, ask_film, film
from pg_core.lab.judging import can_be_extended, further_seeds, judge
from pg_core.lab.keeping import backup, check_store, delete, incident, label, restore, restore_store
from pg_core.lab.limits import check_limits
from pg_core.lab.playing import best_scores, game_limit, keep_game
from pg_core.lab.racing import FEWEST, MOST, Race, race
from pg_core.lab.seeds import AgainstBase, against_base, compare, group_of, verdicts_on
from pg_core.lab.settings import described, search_words, setting_paths, show_path, symbol
from pg_core.lab.state import shutdown, startup
from pg_core.lab.sweeping import (
    Estimate,
    estimate_sweep,
    export_sweep,
    extend_sweep,
    resume_sweep,
    start_sweep,
    stop_setting,
    stop_sweep,
    sweep,
    sweep_stamp,
    sweeps,
)  # fmt: skip
from pg_core.lab.training import UNWATCHED, SweepTraining, Training, train, train_fork, train_on, train_sweep
from pg_core.lab.viewing import (
    best,
    changes_in_force,
    checkpoints,
    evaluate,
    name_of,
    policies,
    policy_at,
    progress,
    queue,
    render,
    replay,
    run,
    runs,
    stamp,
    unreadable,
)  # fmt: skip
from pg_core.proofs.processes import check_each
from pg_core.proofs.sources import Source, sources
from pg_core.runs.curves.curves import Curves
from pg_core.runs.curves.outlines import Along
from pg_core.runs.curves.progress import Change, Progress
from pg_core.runs.paths import place_temporary_files
from pg_core.runs.store.records import ARITHMETIC, Run, RunEnded, Score, SweepRow, UnknownRun
from pg_core.runs.store.schema import StoreError
from pg_core.runs.store.sweeps import UnknownSweep
from pg_core.runs.workers.episodes import EpisodeError
from pg_core.runs.workers.prover import Answer
from pg_core.sweeps.declaration import MAX_AXES, MAX_SEEDS, MAX_SETTINGS, OF_A_SWEEP, Sampler, Sweep, SweepError
from pg_core.sweeps.declaration import Axis as SweepAxis
from pg_core.sweeps.view import BETTER, TITLES, Measured, Setting, SettingCurve
from pg_core.sweeps.view import View as SweepView
from pg_core.verdicts import MEASURES, Measure, Verdict, VerdictError

__all__ = [
    "ARITHMETIC",
    "BEGINNING",
    "BETTER",
    "DEFAULT_BATCHES",
    "DEFAULT_EPISODES",
    "FEWEST",
    "FILMS",
    "FORMATS",
    "MAX_AXES",
    "MAX_GROUPS",
    "MAX_SEED",
    "MAX_SEEDS",
    "MAX_SETTINGS",
    "MEASURES",
    "MOST",
    "OF_A_SWEEP",
    "TIDY",
    "TITLES",
    "UNWATCHED",
    "AgainstBase",
    "Along",
    "Answer",
    "Axis",
    "Change",
    "Course",
    "Curves",
    "Diagnosis",
    "EpisodeError",
    "Estimate",
    "Finding",
    "Group",
    "Measure",
    "Measured",
    "NotAllowed",
    "Progress",
    "Race",
    "Report",
    "Run",
    "RunEnded",
    "Sampler",
    "Score",
    "Setting",
    "SettingCurve",
    "Source",
    "StoreError",
    "Sweep",
    "SweepAxis",
    "SweepError",
    "SweepRow",
    "SweepTraining",
    "SweepView",
    "Training",
    "UnknownRun",
    "UnknownSweep",
    "Verdict",
    "VerdictError",
    "Visitor",
    "against_base",
    "ask_check",
    "ask_examination",
    "ask_film",
    "backup",
    "best",
    "best_scores",
    "can_be_extended",
    "change",
    "changes",
    "changes_in_force",
    "check_each",
    "check_limits",
    "check_store",
    "checked",
    "checkpoints",
    "compare",
    "courses",
    "curve_rows",
    "delete",
    "described",
    "diagnose",
    "differences",
    "dissection",
    "episode",
    "estimate_sweep",
    "estimators",
    "evaluate",
    "examination",
    "examine",
    "export",
    "export_formats",
    "export_sweep",
    "export_tidy",
    "export_together",
    "extend_sweep",
    "film",
    "fork",
    "further_seeds",
    "game_limit",
    "group_of",
    "groups",
    "hidden",
    "identify",
    "import_run",
    "incident",
    "judge",
    "keep_game",
    "label",
    "may_control",
    "name_of",
    "on_behalf_of",
    "pause",
    "place_temporary_files",
    "policies",
    "policy_at",
    "prepare_checks",
    "progress",
    "queue",
    "race",
    "render",
    "replay",
    "restore",
    "restore_store",
    "resume",
    "resume_sweep",
    "robustness",
    "run",
    "runs",
    "search_words",
    "setting_paths",
    "show_path",
    "shutdown",
    "sources",
    "sparks",
    "spread",
    "stamp",
    "start",
    "start_sweep",
    "startup",
    "step",
    "stop",
    "stop_setting",
    "stop_sweep",
    "sweep",
    "sweep_stamp",
    "sweeps",
    "symbol",
    "too_large",
    "train",
    "train_fork",
    "train_on",
    "train_sweep",
    "twin",
    "unreadable",
    "value_weights",
    "verdicts_on",
    "weights",
]  # fmt: skip
