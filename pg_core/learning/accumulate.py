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

    Without a trace, or with one for any number of agents, it runs operation by operation, not compiled. There, a turn
    of a loop costs more than what is done in it: a slice has the steps of all agents.

    Args:
        slice_gradients: takes one agent's `params` `[...]` and a slice `[B, C, ...]` of its `batch`, or those of all
            agents, `[P, 1, ...]` and `[P, B, C, ...]`; returns a structure of gradients, `[...]` or `[P, ...]`, and one
            of values for each step, `[B, C]` or `[P, B, C]`.
        params: structure of tensors `[P, ...]`.
        batch: structure of tensors `[P, B, T, ...]`, 0 beyond the length of an episode.
        lengths: of the episodes, in steps, `[P, B]`.

    Returns:
        The gradients `[P, ...]` and the values `[P, B, T]`, 0 in slices that no episode of their agents reaches.
    """
    num_agents, num_episodes, num_steps = tf.nest.flatten(batch)[0].shape[:3]
    if tf.executing_eagerly():
        num_agents = None
    num_slices = math.ceil(num_steps / min(max(1, SLICE_ROWS // num_episodes), MAX_SLICE_STEPS))
    size = math.ceil(num_steps / num_slices)
    agents = [] if num_agents else [tf.shape(lengths)[0]]  # the axis P of a slice, if it has all agents
    longest = tf.cast(tf.reduce_max(lengths, axis=1), tf.int32)  # [P]
    padded = tf.nest.map_structure(lambda x: _pad(x, num_slices * size), batch)

    def spec(array: tf.Tensor, ahead: Sequence[int], behind: int) -> tf.TensorSpec:
        return tf.TensorSpec([None] * len(agents) + [*ahead, *array.shape[behind:]], array.dtype)

    traced = tf.function(slice_gradients, autograph=False).get_concrete_function(
        tf.nest.map_structure(lambda x: spec(x, [1] * len(agents), 1), params),
        tf.nest.map_structure(lambda x: spec(x, [num_episodes, size], 3), batch),
    )
    sums, values = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), traced.structured_outputs)

    def all_slices(who: tf.Tensor | None) -> tuple[Any, Any]:  # of one agent, or of all
        mine = tf.nest.map_structure(lambda x: x[:, None] if who is None else x[who], params)
        steps = tf.reduce_max(longest if who is None else longest[who])

        def one_slice(index: tf.Tensor, total: Any, written: Any) -> tuple[Any, ...]:
            more, said = traced(mine, tf.nest.map_structure(lambda x: _slice(x, who, index * size, size), padded))
            written = tf.nest.map_structure(lambda array, x: array.write(index, x), written, said)
            return index + 1, tf.nest.map_structure(tf.add, total, more), written

        zeros = tf.nest.map_structure(lambda x: tf.zeros([*agents, *x.shape[len(agents) :]], x.dtype), sums)
        start = tf.constant(0), zeros, tf.nest.map_structure(lambda spec: arrays_of(spec, num_slices), values)
        _, total, written = tf.while_loop(lambda index, *_: index * size < steps, one_slice, start)
        return total, tf.nest.map_structure(tf.TensorArray.stack, written)

    def join(slices: tf.Tensor) -> tf.Tensor:  # [P, slices, B, C], or of all agents [slices, P, B, C]
        steps = tf.transpose(slices, [0, 2, 1, 3] if num_agents else [1, 2, 0, 3])
        return tf.reshape(steps, [-1, num_episodes, num_slices * size])[..., :num_steps]

    if num_agents:
        stacked = tf.nest.map_structure(lambda spec: tf.TensorSpec([num_slices, *spec.shape], spec.dtype), values)
        all_sums, all_values = tf.map_fn(
            all_slices, tf.range(num_agents), fn_output_signature=(sums, stacked), parallel_iterations=1
        )
    else:
        all_sums, all_values = all_slices(None)
    return all_sums, tf.nest.map_structure(join, all_values)


def arrays_of(spec: tf.TensorSpec, size: int) -> tf.TensorArray:
    """Return an array that a loop can write `size` tensors of this shape to."""
    return tf.TensorArray(spec.dtype, size, element_shape=spec.shape)


def _slice(array: tf.Tensor, who: tf.Tensor | None, start: tf.Tensor, size: int) -> tf.Tensor:
    """Cut `size` steps of the episodes of one agent, or of all, out of `[P, B, T, ...]`."""
    num_episodes, rest = array.shape[1], array.shape[3:].as_list()
    first, count = (0, -1) if who is None else (who, 1)
    cut = tf.slice(array, tf.stack([first, 0, start] + [0] * len(rest)), [count, num_episodes, size, *rest])
    return cut if who is None else cut[0]


def _pad(array: tf.Tensor, num_steps: int) -> tf.Tensor:
    """Append zeros to `[P, B, T, ...]` until there are `num_steps`."""
    return tf.pad(array, [[0, 0], [0, 0], [0, num_steps - array.shape[2]]] + [[0, 0]] * (array.shape.rank - 3))
