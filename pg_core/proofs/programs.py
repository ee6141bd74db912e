"""Functions of tensors, applied to arrays in programs.

Each is traced once, and then costs little more than one operation. Operation by operation, TensorFlow takes ten times
as long for the few numbers of a check.
"""

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import tensorflow as tf

_programs: dict[Any, Any] = {}  # by function, types and ranks of its arguments, and what is fixed


def compute(function: Callable[..., Any], *arguments: Any, **fixed: Hashable) -> Any:
    """Apply a function of tensors; its results are arrays.

    Args:
        function: of a module.
        arguments: structures of arrays and numbers, which become tensors; their axes may have any length.
        fixed: what is no tensor; each value has a trace of its own.
    """
    arrays = tf.nest.map_structure(np.asarray, arguments)
    program = _program(function, arrays, fixed)
    return tf.nest.map_structure(np.asarray, program(*tf.nest.map_structure(tf.constant, arrays)))


def _program(function: Callable[..., Any], arrays: Any, fixed: dict[str, Hashable]) -> Callable[..., Any]:
    """Return a function of tensors such as these arrays, traced for any length of their axes."""
    signature = tf.nest.map_structure(lambda x: tf.TensorSpec([None] * x.ndim, x.dtype), arrays)
    key = function, *tf.nest.flatten(signature), *fixed.items()
    if key not in _programs:
        step = tf.function(lambda *tensors: function(*tensors, **fixed), autograph=False)
        _programs[key] = step.get_concrete_function(*signature)
    program: Callable[..., Any] = _programs[key]
    return program
