"""Programs that a test runs too seldom for them to be worth optimising."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from pg_core import runtime


@contextlib.contextmanager
def unoptimized() -> Iterator[None]:
    """Have TensorFlow run as it is what is traced meanwhile, as `check` does."""
    runtime.skip_optimization()
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
