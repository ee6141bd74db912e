"""Runs checks side by side, in processes: most of their time goes into tracing, which TensorFlow does on one core."""

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor

from pg_core import proofs, runtime
from pg_core.proofs.verdicts import Check

PROCESSES = 2  # each takes seconds to import TensorFlow, and half a gigabyte of memory


def check_each(questions: Mapping[str, Mapping[str, int | float]]) -> Iterator[Future[Check]]:
    """Check proofs, and give what comes of each in their order, while the others run.

    Args:
        questions: parameters by the names of statements, as `proofs.run` takes them.
    """
    pool = ProcessPoolExecutor(
        min(PROCESSES, os.cpu_count() or 1, len(questions)), multiprocessing.get_context("spawn"), _begin
    )
    try:
        yield from [pool.submit(proofs.run, name, **parameters) for name, parameters in questions.items()]
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Have this process end at once and in silence: if it is interrupted, or the one that started it has ended."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    atexit.register(os._exit, 0)  # Python would take seconds to free what TensorFlow holds
    threading.Thread(target=_end_with_parent, daemon=True).start()
    runtime.skip_optimization()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
    os._exit(1)
