"""Sets TensorFlow up for training, before it computes anything."""

import contextlib
import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path

KEPT_PROGRAMS = 100  # of a few megabytes each

# Set before TensorFlow is imported: it reads them when it is loaded.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def keep_programs(folder: Path) -> None:
    """Keep what XLA compiles in a folder, so that the next process reads it in a third of the time.

    A program fits one processor and one version of TensorFlow: each pair has a folder of its own below this one.
    """
    with contextlib.suppress(OSError):
        fitting = folder / _machine()
        fitting.mkdir(parents=True, exist_ok=True)
        oldest_first = sorted(fitting.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in oldest_first[:-KEPT_PROGRAMS]:
            path.unlink(missing_ok=True)
        _add_flag("TF_XLA_FLAGS", f"--tf_xla_persistent_cache_directory={fitting}")


def prepare() -> None:
    """Configure TensorFlow, unless it is at work already: it keeps what it has then.

    As many XLA programs run at once as there are processors, but each on one thread, so that a run's numbers depend on
    nothing else; with vectors as wide as the processor's, where XLA's default is half of that.
    """
    for flag in ("--xla_cpu_multi_thread_eigen=false", "--xla_cpu_prefer_vector_width=512"):
        _add_flag("XLA_FLAGS", flag)
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(os.cpu_count() or 1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def _add_flag(variable: str, flag: str) -> None:
    """Add a flag to an environment variable, unless whoever started this process has set it."""
    flags = os.environ.get(variable, "").split()
    if not any(given.split("=")[0] == flag.split("=")[0] for given in flags):
        os.environ[variable] = " ".join([*flags, flag])


def _machine() -> str:
    """Return a name for what compiled programs depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(f"{version('tensorflow')} {platform.machine()} {flags}".encode()).hexdigest()[:16]
