"""Accumulates gradients over slices of the trajectories that a processor's cache can hold.

An update's activations, `[T, P, B, H]` numbers for each hidden layer, are hundreds of megabytes for a large population.
A gradient is a sum over steps, so it is added up slice by slice: some steps of one agent's episodes at a time, and no
slice beyond its longest episode.
"""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

SLICE_ROWS = 2048  # steps of one agent, over all its episodes
MAX_SLICE_STEPS = 128  # a longer slice would often run far beyond the longest episode

SliceGradients = Callable[[Any, Any], tuple[Any, Any]]


def accumulate(slice_gradients: SliceGradients, params: Any, batch: Any, lengths: tf.Tensor) -> tuple[Any, Any]:
    """Apply `slice_gradients` to every slice; add up its gradients, and join its values of all steps.

    Args:
        slice_gradients: takes one agent's `params` `[...]` and a slice `[B, C, ...]` of its `batch`; returns a
            structure of gradients `[...]` and one of values for each step, `[B, C]`.
        params: structure of tensors `[P, ...]`.
        batch: structure of tensors `[P, B, T, ...]`, 0 beyond the length of an episode.
        lengths: of the episodes, in steps, `[P, B]`.

    Returns:
        The gradients `[P, ...]` and the values `[P, B, T]`, 0 in slices that no episode of the agent reaches.
    """
    first = tf.nest.flatten(batch)[0]
    num_agents, num_episodes, num_steps = first.shape[:3]
    num_agents = num_agents or tf.shape(first)[0]  # where a trace is for any number of them
    num_slices = math.ceil(num_steps / min(max(1, SLICE_ROWS // num_episodes), MAX_SLICE_STEPS))
    size = math.ceil(num_steps / num_slices)
    longest = tf.cast(tf.reduce_max(lengths, axis=1), tf.int32)  # [P]
    padded = tf.nest.map_structure(lambda x: _pad(x, num_slices * size), batch)

    def arguments(agent: tf.Tensor, index: tf.Tensor) -> tuple[Any, Any]:
        mine = tf.nest.map_structure(lambda x: x[agent], params)
        return mine, tf.nest.map_structure(lambda x: _slice(x, agent, index * size, size), padded)

    traced = tf.function(slice_gradients, autograph=False).get_concrete_function(
        *arguments(tf.constant(0), tf.constant(0))
    )
    sums, values = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), traced.structured_outputs)

    def one_agent(agent: tf.Tensor) -> tuple[Any, Any]:
        def one_slice(index: tf.Tensor, total: Any, written: Any) -> tuple[Any, ...]:
            more, said = traced(*arguments(agent, index))
            written = tf.nest.map_structure(lambda array, x: array.write(index, x), written, said)
            return index + 1, tf.nest.map_structure(tf.add, total, more), written

        zeros = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), sums)
        start = tf.constant(0), zeros, tf.nest.map_structure(lambda spec: arrays_of(spec, num_slices), values)
        _, total, written = tf.while_loop(lambda index, *_: index * size < longest[agent], one_slice, start)
        return total, tf.nest.map_structure(tf.TensorArray.stack, written)

    def join(slices: tf.Tensor) -> tf.Tensor:  # [P, slices, B, C]
        shape = [num_agents, num_episodes, num_slices * size]
        return tf.reshape(tf.transpose(slices, [0, 2, 1, 3]), shape)[..., :num_steps]

    stacked = tf.nest.map_structure(lambda spec: tf.TensorSpec([num_slices, *spec.shape], spec.dtype), values)
    all_sums, all_values = tf.map_fn(
        one_agent, tf.range(num_agents), fn_output_signature=(sums, stacked), parallel_iterations=1
    )
    return all_sums, tf.nest.map_structure(join, all_values)


def arrays_of(spec: tf.TensorSpec, size: int) -> tf.TensorArray:
    """Return an array that a loop can write `size` tensors of this shape to."""
    return tf.TensorArray(spec.dtype, size, element_shape=spec.shape)


def _slice(array: tf.Tensor, agent: tf.Tensor, start: tf.Tensor, size: int) -> tf.Tensor:
    """Cut `size` steps of one agent's episodes out of `[P, B, T, ...]`."""
    num_episodes, rest = array.shape[1], array.shape[3:].as_list()
    return tf.slice(array, tf.stack([agent, 0, start] + [0] * len(rest)), [1, num_episodes, size, *rest])[0]


def _pad(array: tf.Tensor, num_steps: int) -> tf.Tensor:
    """Append zeros to `[P, B, T, ...]` until there are `num_steps`."""
    return tf.pad(array, [[0, 0], [0, 0], [0, num_steps - array.shape[2]]] + [[0, 0]] * (array.shape.rank - 3))
