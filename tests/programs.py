"""The programs that train, without XLA: it takes seconds to compile them for another shape."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tensorflow as tf

from pg_core.learning import learners


@contextlib.contextmanager
def as_traced() -> Iterator[None]:
    """Run them operation by operation meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        for program in (learners.learn_program, learners.play_program):
            patch.setattr(program, "function", _traced(program.function.python_function))
        yield


@functools.cache  # traced once for all tests of this process
def _traced(function: Callable[..., Any]) -> Any:
    def traced(*arguments: Any) -> Any:  # a name of its own: by names and numbers TensorFlow tells functions apart
        return function(*arguments)

    return tf.function(traced, autograph=False)
