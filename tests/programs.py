"""The programs that train, without XLA: it takes seconds to compile them for another shape."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tensorflow as tf

from pg_core import runtime
from pg_core.learning import learners


@contextlib.contextmanager
def unoptimized() -> Iterator[None]:
    """Have TensorFlow run what is traced meanwhile as it is: a test runs it too seldom to be worth more."""
    runtime.skip_optimization()
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@contextlib.contextmanager
def as_traced() -> Iterator[None]:
    """Run the programs operation by operation meanwhile."""
    with unoptimized(), pytest.MonkeyPatch.context() as patch:
        for program in (learners.learn_program, learners.play_program):
            patch.setattr(program, "function", _traced(program.function.python_function))
        yield


@functools.cache  # traced once for all tests of this process
def _traced(function: Callable[..., Any]) -> Any:
    def traced(*arguments: Any) -> Any:  # a name of its own: by names and numbers TensorFlow tells functions apart
        return function(*arguments)

    return tf.function(traced, autograph=False)
