"""A population of policies as TensorFlow sees them: networks, their gradients, and the distributions they parametrise.

An update spends nearly all of its time here.
"""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from pg_core import maths
from pg_core.config import HYPERPARAMETERS, Config

Params = Mapping[str, tf.Tensor]

TANH, RELU, SILU = range(3)  # in the order of the choices of `Config.activation`
FEW = 8  # a product with so few inputs or outputs is faster as a sum of products than as a matrix product


class Layer(NamedTuple):
    """What one layer of a network was given, and what it made of it before the activation."""

    inputs: tf.Tensor  # [..., N, fan_in]
    outputs: tf.Tensor  # [..., N, fan_out]


class Distribution(NamedTuple):
    """What policies say at each observation, in one of three forms; the other fields are None."""

    log_odds: tf.Tensor | None = None  # [...] of the second of two actions
    logits: tf.Tensor | None = None  # [..., A]
    mean: tf.Tensor | None = None  # [..., A], with the next
    log_std: tf.Tensor | None = None

    def log_prob(self, actions: tf.Tensor) -> tf.Tensor:
        """Return log π(a|s) of `actions` `[...]` or `[..., A]`."""
        if self.log_odds is not None:
            return maths.bernoulli_log_prob(self.log_odds, actions)
        if self.logits is not None:
            return maths.categorical_log_prob(self.logits, actions)
        return maths.gaussian_log_prob(self.mean, self.log_std, actions)

    def entropy(self) -> tf.Tensor:
        """Return H(π(·|s)), `[...]`, in nats."""
        if self.log_odds is not None:
            return maths.bernoulli_entropy(self.log_odds)
        if self.logits is not None:
            return maths.categorical_entropy(self.logits)
        return maths.gaussian_entropy(self.mean, self.log_std)


def forward(params: Params, inputs: tf.Tensor, activation: tf.Tensor) -> list[Layer]:
    """Apply networks: matrix products with the activation between them.

    Args:
        params: `kernel_i` `[..., D, H]` and `bias_i` `[..., 1, H]`: a network for each of the leading axes of `inputs`,
            or without these one for all.
        inputs: `[..., N, D]`.
        activation: index among the choices of `Config`, int32 scalar: a tensor, so that it may change without a new
            trace.

    Returns:
        Every layer; the outputs of the last, `[..., N, outputs]`, are the networks'.
    """
    layers: list[Layer] = []
    for i in range(sum(name.startswith("kernel") for name in params)):
        if layers:
            inputs = activate(layers[-1].outputs, activation)
        layers.append(Layer(inputs, _product(inputs, params[f"kernel_{i}"]) + params[f"bias_{i}"]))
    return layers


def backward(params: Params, layers: list[Layer], gradients: tf.Tensor, activation: tf.Tensor) -> Params:
    """Calculate the gradients with respect to the parameters, for each of the leading axes of the inputs by itself.

    ∂L/∂Wᵢ = Σₙ xᵢₙ δᵢₙᵀ, ∂L/∂bᵢ = Σₙ δᵢₙ, δᵢ₋₁ = (δᵢ Wᵢᵀ) ⊙ f'(zᵢ₋₁)

    Args:
        params: as in `forward`.
        layers: what `forward` returned.
        gradients: δ of the last layer, ∂L/∂outputs, `[..., N, outputs]`.
        activation: as in `forward`.

    Returns:
        `kernel_i` `[..., D, H]` and `bias_i` `[..., 1, H]`, with the leading axes of the inputs.
    """
    result = {}
    for i, (inputs, _) in reversed(list(enumerate(layers))):
        result[f"kernel_{i}"] = tf.matmul(inputs, gradients, transpose_a=True)
        # A product with ones: XLA's own sum over an axis of this length takes longer.
        result[f"bias_{i}"] = tf.matmul(tf.ones_like(inputs[..., :1]), gradients, transpose_a=True)
        if i > 0:
            slope = _slope(layers[i - 1].outputs, inputs, activation)
            gradients = _product(gradients, tf.linalg.matrix_transpose(params[f"kernel_{i}"])) * slope
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
        kernel = tf.broadcast_to(kernel, [*inputs.shape[:-2], fan_in, fan_out])
    if not 0 < fan_in <= FEW:
        return tf.matmul(inputs, kernel)
    return functools.reduce(tf.add, [inputs[..., i : i + 1] * kernel[..., i : i + 1, :] for i in range(fan_in)])


def log_odds_policy(policy: Params) -> Params:
    """Return policies of two actions as networks with one output, z₁ - z₀ for the logits z; others as they are.

    That is all a softmax sees of two logits, and half the work of the last layer.
    """
    last = _last(policy)
    if "log_std" in policy or policy[last[0]].shape[-1] != 2:
        return policy
    return {**policy, **{name: policy[name][..., 1:] - policy[name][..., :1] for name in last}}


def logits_gradients(gradients: Params, policy: Params) -> Params:
    """Return the gradients with respect to `policy`, given those with respect to its `log_odds_policy`.

    ∂L/∂z₁ = ∂L/∂(z₁ - z₀) = -∂L/∂z₀
    """
    last = _last(policy)
    if "log_std" in policy or policy[last[0]].shape[-1] != 2:
        return gradients
    return {**gradients, **{name: tf.concat([-gradients[name], gradients[name]], axis=-1) for name in last}}


def distribution(outputs: tf.Tensor, log_std: tf.Tensor | None) -> Distribution:
    """Return what the outputs of `log_odds_policy` networks say, `[..., 1]` or `[..., A]`."""
    if log_std is not None:
        return Distribution(mean=outputs, log_std=log_std)
    return Distribution(log_odds=outputs[..., 0]) if outputs.shape[-1] == 1 else Distribution(logits=outputs)


def _last(params: Params) -> list[str]:
    """Return the names of the last layer's parameters."""
    num_layers = sum(name.startswith("kernel") for name in params)
    return [f"kernel_{num_layers - 1}", f"bias_{num_layers - 1}"]


def choice(config: Config, name: str) -> tf.Tensor:
    """Return the index of a hyperparameter's value among its choices, as an int32 scalar."""
    return tf.constant(list(HYPERPARAMETERS[name].choices).index(getattr(config, name)))
