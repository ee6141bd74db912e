"""Sets TensorFlow up for training, before it computes anything."""

import contextlib
import functools
import hashlib
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path

from pg_core.installation import processor_flags

KEPT_PROGRAMS = 100  # of a few megabytes each
PROGRAM_ROOM = 2**26  # bytes that must be free to keep more: training ends if one cannot be written
DRAFT_SECONDS = 3600.0  # after which a program's draft is abandoned
FLAGS = (
    "--xla_cpu_multi_thread_eigen=false",
    "--xla_cpu_prefer_vector_width=512",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_backend_extra_options=xla_cpu_disable_loop_unrolling",
)

# Set before TensorFlow is imported: it reads them when it is loaded.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Its products of a stack of matrices with one are wrong, or destroy memory, in TensorFlow 2.21: its issue 117700.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

_kept: Path | None = None  # where this process keeps programs
_numbers: ContextVar[Iterator[int] | None] = ContextVar("numbers", default=None)


@contextlib.contextmanager
def muted_stderr() -> Iterator[None]:
    """Keep off the terminal what TensorFlow's libraries print while they are loaded, before they can be silenced."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@muted_stderr()
def import_tensorflow() -> None:
    """Import TensorFlow in silence and without Keras, half a second sooner: `tf.keras` is imported when it is used.

    TensorFlow imports Keras 3 at once but legacy Keras only when it is used, and asks only then which one is meant.
    """
    variable = "TF_USE_LEGACY_KERAS"
    given = os.environ.get(variable)
    os.environ[variable] = "1"
    try:
        import tensorflow  # noqa: F401
    finally:
        del os.environ[variable]
        if given is not None:
            os.environ[variable] = given


def keep_programs(folder: Path) -> None:
    """Keep what XLA compiles in a folder, so that the next process reads it in a third of the time.

    A program fits one processor, one version of TensorFlow and one set of flags: these have a folder of their own
    below this one. A file that a power cut has spoilt would end training: what does not match its checksum is removed.
    """
    global _kept
    _add_flags()
    fitting = folder / _machine()
    with contextlib.suppress(OSError):
        for made in (folder, fitting):
            made.mkdir(0o700, parents=True, exist_ok=True)
        for draft in fitting.glob("*.tmp"):
            if time.time() - draft.stat().st_mtime > DRAFT_SECONDS:
                draft.unlink(missing_ok=True)
        newest_first = sorted(fitting.glob("*.pb"), key=lambda path: path.stat().st_mtime, reverse=True)
        for rank, path in enumerate(newest_first):
            note = _note_of(path)
            if rank >= KEPT_PROGRAMS or not note.exists() or note.read_text() != _checksum(path):
                path.unlink(missing_ok=True)
                note.unlink(missing_ok=True)
        escaped = re.sub(r'(["\\])', r"\\\1", str(fitting))  # within quotes, since a name may have spaces
        if _add_flag("TF_XLA_FLAGS", f'--tf_xla_persistent_cache_directory="{escaped}"'):
            _kept = fitting  # and in no folder that is named later: TensorFlow reads the flag once
        if not os.access(fitting, os.W_OK) or shutil.disk_usage(fitting).free < PROGRAM_ROOM:
            _add_flag("TF_XLA_FLAGS", "--tf_xla_persistent_cache_read_only=true")


def note_programs() -> None:
    """Write the checksums of the kept programs, by which the next process trusts them."""
    with contextlib.suppress(OSError):
        for path in _kept.glob("*.pb") if _kept else ():
            if not _note_of(path).exists():
                _note_of(path).write_text(_checksum(path))


def prepare() -> None:
    """Configure TensorFlow, unless it is at work already: then it keeps its configuration. No thread starts.

    As many XLA programs run at once as there are processors, each on one thread, so that a run's numbers do not depend
    on how many those are. Vectors are as wide as the processor's, where XLA's default is half of that. Short loops are
    not unrolled: LLVM turns a loop into vector operations, but not its steps written one after the other. XLA's older
    emitters of loops take half as long to compile as its fusion emitters, and what they make is as fast.
    """
    _add_flags()
    import tensorflow as tf
    from tensorflow.python.framework import ops

    if not isinstance(ops.uid, functools.partial):
        ops.uid = functools.partial(_number, ops.uid)
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(os.cpu_count() or 1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


@contextlib.contextmanager
def numbering(numbers: Iterator[int]) -> Iterator[None]:
    """Have TensorFlow number what is traced meanwhile with these, not with how much the process has traced before.

    The numbers are in the names by which XLA finds kept programs.
    """
    import tensorflow as tf

    tf.compat.v1.get_default_graph()  # when it is first asked for, it takes a number
    token = _numbers.set(numbers)
    try:
        yield
    finally:
        _numbers.reset(token)


def skip_optimization() -> None:
    """Have TensorFlow run programs as they are traced: to optimise one takes longer than to run it a few times."""
    import_tensorflow()
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def _number(next_of_process: Callable[[], int]) -> int:
    numbers = _numbers.get()
    return next_of_process() if numbers is None else next(numbers)


def _note_of(program: Path) -> Path:
    return program.with_suffix(".sha256")


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add_flags() -> None:
    """Have XLA compile as `prepare` says; a forked process, whose variables are new, asks once more."""
    for flag in FLAGS:
        _add_flag("XLA_FLAGS", flag)


def _add_flag(variable: str, flag: str) -> bool:
    """Add a flag to an environment variable, unless it is set; return whether it was not."""
    flags = os.environ.get(variable, "")
    is_new = f"{flag.split('=')[0]}=" not in flags
    if is_new:
        os.environ[variable] = f"{flags} {flag}".strip()
    return is_new


def _machine() -> str:
    """Return a name for what compiled programs depend on."""
    processor, flags = processor_flags() or platform.processor(), os.environ.get("XLA_FLAGS", "")
    facts = f"{version('tensorflow')} {platform.machine()} {processor} {flags}"
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def processor() -> str:
    """Return the type of this processor for XLA: where it is another, so may be the last bits of what is trained.

    It is of what the processor can do, of TensorFlow's version, and of the flags with which XLA compiles.
    """
    _add_flags()
    return f"{platform.machine()} {_machine()}"
