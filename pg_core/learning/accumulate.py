"""Accumulates gradients over slices of the trajectories that a processor's cache can hold.

An update's activations, `[T, P, B, H]` numbers for each hidden layer, are hundreds of megabytes for a large population.
A gradient is a sum over steps, so it is added up slice by slice: some steps of one agent's episodes at a time, and no
slice beyond its longest episode.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

SLICE_ROWS = 2048  # steps of one agent, over all its episodes
MAX_SLICE_STEPS = 128  # a longer slice would often run far beyond the longest episode

SliceGradients = Callable[[Any, Any], tuple[Any, Any]]


def accumulate(slice_gradients: SliceGradients, params: Any, batch: Any, lengths: tf.Tensor) -> tuple[Any, Any]:
    """Apply `slice_gradients` to every slice; add up its gradients, and join its values of all steps.

    A trace for any number of agents runs operation by operation, not compiled. There, a turn of a loop costs more than
    what is done in it: a slice has the steps of as many agents as fit.

    Args:
        slice_gradients: takes one agent's `params` `[...]` and a slice `[B, C, ...]` of its `batch`, or those of A
            agents, `[A, 1, ...]` and `[A, B, C, ...]`; returns a structure of gradients, `[...]` or `[A, ...]`, and one
            of values for each step, `[B, C]` or `[A, B, C]`.
        params: structure of tensors `[P, ...]`.
        batch: structure of tensors `[P, B, T, ...]`, 0 beyond the length of an episode.
        lengths: of the episodes, in steps, `[P, B]`.

    Returns:
        The gradients `[P, ...]` and the values `[P, B, T]`, 0 in slices that no episode of their agents reaches.
    """
    first = tf.nest.flatten(batch)[0]
    num_agents, num_episodes, num_steps = first.shape[:3]
    num_slices = math.ceil(num_steps / min(max(1, SLICE_ROWS // num_episodes), MAX_SLICE_STEPS))
    size = math.ceil(num_steps / num_slices)
    agents = [] if num_agents else [max(1, SLICE_ROWS // (num_episodes * size))]  # the axis A, if there is one
    networks = tf.nest.map_structure(lambda x: _grouped(x, agents, [1] * len(agents)), params)
    rows = tf.nest.map_structure(lambda x: _grouped(_pad(x, num_slices * size), agents), batch)
    longest = _grouped(tf.cast(lengths, tf.int32), agents)
    longest = tf.reduce_max(longest, axis=range(1, longest.shape.rank))  # [groups]

    def arguments(group: tf.Tensor, index: tf.Tensor) -> tuple[Any, Any]:
        mine = tf.nest.map_structure(lambda x: x[group], networks)
        return mine, tf.nest.map_structure(
            lambda x: _slice(x, group, [*agents, num_episodes], index * size, size), rows
        )

    traced = tf.function(slice_gradients, autograph=False).get_concrete_function(
        *arguments(tf.constant(0), tf.constant(0))
    )
    sums, values = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), traced.structured_outputs)

    def one_group(group: tf.Tensor) -> tuple[Any, Any]:
        def one_slice(index: tf.Tensor, total: Any, written: Any) -> tuple[Any, ...]:
            more, said = traced(*arguments(group, index))
            written = tf.nest.map_structure(lambda array, x: array.write(index, x), written, said)
            return index + 1, tf.nest.map_structure(tf.add, total, more), written

        zeros = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), sums)
        start = tf.constant(0), zeros, tf.nest.map_structure(lambda spec: arrays_of(spec, num_slices), values)
        _, total, written = tf.while_loop(lambda index, *_: index * size < longest[group], one_slice, start)
        return total, tf.nest.map_structure(tf.TensorArray.stack, written)

    def apart(array: tf.Tensor) -> tf.Tensor:  # [groups, A, ...]
        return tf.reshape(array, [-1, *array.shape[2:]])[: tf.shape(first)[0]] if agents else array

    def join(slices: tf.Tensor) -> tf.Tensor:  # [groups, slices, B, C] or [groups, slices, A, B, C]
        ahead = range(2, 3 + len(agents))
        steps = tf.transpose(slices, [0, *ahead, 1, slices.shape.rank - 1])
        return apart(tf.reshape(steps, [-1, *agents, num_episodes, num_slices * size])[..., :num_steps])

    stacked = tf.nest.map_structure(lambda spec: tf.TensorSpec([num_slices, *spec.shape], spec.dtype), values)
    all_sums, all_values = tf.map_fn(
        one_group, tf.range(tf.shape(longest)[0]), fn_output_signature=(sums, stacked), parallel_iterations=1
    )
    return tf.nest.map_structure(apart, all_sums), tf.nest.map_structure(join, all_values)


def arrays_of(spec: tf.TensorSpec, size: int) -> tf.TensorArray:
    """Return an array that a loop can write `size` tensors of this shape to."""
    return tf.TensorArray(spec.dtype, size, element_shape=spec.shape)


def _grouped(array: tf.Tensor, agents: list[int], inserted: Sequence[int] = ()) -> tf.Tensor:
    """Split `[P, ...]` into groups of A agents, `[groups, A, *inserted, ...]`, with zeros for who is missing."""
    if not agents:
        return array
    missing = tf.math.floormod(-tf.shape(array)[0], agents[0])
    padded = tf.pad(array, [[0, missing]] + [[0, 0]] * (array.shape.rank - 1))
    return tf.reshape(padded, [-1, *agents, *inserted, *array.shape[1:]])


def _slice(array: tf.Tensor, group: tf.Tensor, ahead: list[int], start: tf.Tensor, size: int) -> tf.Tensor:
    """Cut `size` steps of one group's episodes out of `[groups, *ahead, T, ...]`."""
    rest = array.shape[2 + len(ahead) :].as_list()
    begin = tf.stack([group, *[0 for _ in ahead], start, *[0 for _ in rest]])
    return tf.slice(array, begin, [1, *ahead, size, *rest])[0]


def _pad(array: tf.Tensor, num_steps: int) -> tf.Tensor:
    """Append zeros to `[P, B, T, ...]` until there are `num_steps`."""
    return tf.pad(array, [[0, 0], [0, 0], [0, num_steps - array.shape[2]]] + [[0, 0]] * (array.shape.rank - 3))
