"""A population of policies as TensorFlow sees them: networks, their gradients, and the distributions they parametrise.

An update spends nearly all of its time here.
"""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from pg_core import maths
from pg_core.config import HYPERPARAMETERS, Config
from pg_core.policies.in_numpy import EPSILON, LIMIT, MEAN, VARIANCE

Params = Mapping[str, tf.Tensor]
Choices = tuple[int, ...]

TANH, RELU, SILU = range(3)  # in the order of the choices of `Config.activation`
FEW = 8  # a product with so few inputs or outputs is faster as a sum of products than as a matrix product


class Layer(NamedTuple):
    """Inputs and pre-activations of one layer."""

    inputs: tf.Tensor  # x, [..., N, fan_in]
    preactivations: tf.Tensor  # z = x W + b, [..., N, fan_out]


def forward(params: Params, inputs: tf.Tensor, activation: tf.Tensor) -> list[Layer]:
    """Apply networks: matrix products with the activation between them.

    Args:
        params: `kernel_i` `[..., D, H]` and `bias_i` `[..., 1, H]`: a network for each of the leading axes of `inputs`,
            or without these one for all.
        inputs: `[..., N, D]`.
        activation: index among the choices of `Config`, int32 scalar: a tensor, so that it may change without a new
            trace.

    Returns:
        Every layer; the pre-activations of the last, `[..., N, outputs]`, are the networks' outputs.
    """
    layers: list[Layer] = []
    for i in range(sum(name.startswith("kernel") for name in params)):
        if layers:
            inputs = activate(layers[-1].preactivations, activation)
        layers.append(Layer(inputs, _product(inputs, params[f"kernel_{i}"]) + params[f"bias_{i}"]))
    return layers


def backward(params: Params, layers: list[Layer], delta: tf.Tensor, activation: tf.Tensor) -> dict[str, tf.Tensor]:
    """Calculate the gradients with respect to the parameters, for each of the leading axes of the inputs by itself.

    ∂L/∂Wᵢ = Σₙ xᵢₙ δᵢₙᵀ, ∂L/∂bᵢ = Σₙ δᵢₙ, δᵢ₋₁ = (δᵢ Wᵢᵀ) ⊙ f'(zᵢ₋₁)

    Args:
        params: as in `forward`.
        layers: what `forward` returned.
        delta: δ = ∂L/∂z of the last layer, `[..., N, outputs]`; if there is a `log_std`, after it ∂L/∂log σ.
        activation: as in `forward`.

    Returns:
        `kernel_i` `[..., D, H]`, `bias_i` `[..., 1, H]`, perhaps `log_std` `[..., 1, A]`: with the inputs' first axes.
    """
    result = {}
    if "log_std" in params:
        delta, delta_log_std = tf.split(delta, 2, axis=-1)
        result["log_std"] = tf.reduce_sum(delta_log_std, axis=-2, keepdims=True)
    for i, (inputs, _) in reversed(list(enumerate(layers))):
        result[f"kernel_{i}"] = tf.matmul(inputs, delta, transpose_a=True)
        # A product with ones: XLA's own sum over an axis of this length takes longer.
        result[f"bias_{i}"] = tf.matmul(tf.ones_like(inputs[..., :1]), delta, transpose_a=True)
        if i > 0:
            slope = _slope(layers[i - 1].preactivations, inputs, activation)
            delta = _product(delta, tf.linalg.matrix_transpose(params[f"kernel_{i}"])) * slope
    return result


def activate(x: tf.Tensor, activation: tf.Tensor) -> tf.Tensor:
    """Return tanh x, max(x, 0) or x σ(x), by index. One tanh serves both smooth ones: σ(x) = (1 + tanh(x/2)) / 2.

    Two selections cost less than three branches, which XLA could not fuse with what is around them.
    """
    tanh = tf.tanh(x * tf.cast(tf.where(activation == SILU, 0.5, 1.0), x.dtype))
    return tf.where(activation == TANH, tanh, tf.where(activation == RELU, tf.nn.relu(x), x * (0.5 + 0.5 * tanh)))


def _slope(x: tf.Tensor, y: tf.Tensor, activation: tf.Tensor) -> tf.Tensor:
    """Return f'(x), given y = f(x)."""
    sigmoid = tf.where(x == 0, tf.constant(0.5, x.dtype), y / x)  # of SiLU
    step = tf.cast(x > 0, x.dtype)
    return tf.where(activation == TANH, 1 - y**2, tf.where(activation == RELU, step, sigmoid + y * (1 - sigmoid)))


def _product(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Multiply `[..., N, D]` with `[..., D, H]` or `[D, H]`."""
    fan_in, fan_out = kernel.shape[-2:]
    if fan_out == 1:  # one copy for each matrix of rows: XLA computes a single matrix-vector product number by number
        kernel = tf.broadcast_to(kernel, tf.concat([tf.shape(inputs)[:-2], [fan_in, fan_out]], axis=0))
    if not 0 < fan_in <= FEW:
        return tf.matmul(inputs, kernel)
    columns, rows = tf.split(inputs, fan_in, axis=-1), tf.split(kernel, fan_in, axis=-2)
    return functools.reduce(tf.add, [column * row for column, row in zip(columns, rows, strict=True)])


def normalized(policy: Params, observations: tf.Tensor) -> tf.Tensor:
    """Return what networks are given for observations `[..., P, B, D]`: (o - mean) / standard deviation, within ±10.

    Without statistics in the policies observations are given as they are.
    """
    if MEAN not in policy:
        return observations
    shifted = (observations - policy[MEAN]) / tf.sqrt(policy[VARIANCE] + EPSILON)
    return tf.clip_by_value(shifted, -LIMIT, LIMIT)


def distribution(policy: Params, networks: Params, layers: list[Layer], choices: Choices = ()) -> maths.Distribution:
    """Return the distributions over actions that the outputs of policies' networks stand for.

    Args:
        policy: parameters of the policies, which tell their kind but for `choices`.
        networks: their `log_odds_networks`.
        layers: what `forward` returned for these.
        choices: between how many options each choice is, if an action is made of several.
    """
    outputs = layers[-1].preactivations
    if "log_std" in networks:
        return maths.Gaussian.of(outputs, networks["log_std"])
    if len(choices) > 1:
        return maths.Product(outputs, choices)
    return maths.Bernoulli(outputs) if _has_two_actions(policy, choices) else maths.Categorical(outputs)


def log_odds_networks(policy: Params, choices: Choices = ()) -> Params:
    """Return the networks of policies: of two actions with one output, z₁ - z₀ for the logits z; others as they are.

    The difference is all that a softmax sees of two logits, and half the work of the last layer.
    """
    if not _has_two_actions(policy, choices):
        return policy
    return {**policy, **{name: policy[name][..., 1:] - policy[name][..., :1] for name in _last(policy)}}


def logits_gradients(gradients: Params, policy: Params, choices: Choices = ()) -> Params:
    """Return the gradients with respect to `policy`, given those with respect to its `log_odds_networks`.

    ∂L/∂z₁ = ∂L/∂(z₁ - z₀) = -∂L/∂z₀
    """
    if not _has_two_actions(policy, choices):
        return gradients
    return {**gradients, **{name: tf.concat([-gradients[name], gradients[name]], axis=-1) for name in _last(policy)}}


def _has_two_actions(policy: Params, choices: Choices) -> bool:
    """Return whether these are softmax policies of two actions."""
    return "log_std" not in policy and len(choices) < 2 and policy[_last(policy)[0]].shape[-1] == 2


def _last(params: Params) -> list[str]:
    """Return the names of the last layer's parameters."""
    num_layers = sum(name.startswith("kernel") for name in params)
    return [f"kernel_{num_layers - 1}", f"bias_{num_layers - 1}"]


def choice_index(config: Config, name: str) -> tf.Tensor:
    """Return the index of a hyperparameter's value among its choices, as an int32 scalar."""
    return tf.constant(list(HYPERPARAMETERS[name].choices).index(getattr(config, name)))
