"""A population of policies as TensorFlow sees them: networks and the distributions that they parametrise."""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from pg_core import maths
from pg_core.config import HYPERPARAMETERS, Config

Params = Mapping[str, tf.Tensor]

ACTIVATIONS = {"tanh": tf.tanh, "relu": tf.nn.relu, "silu": tf.nn.silu}


class Distribution(NamedTuple):
    """What a policy says at each observation: logits `[..., A]`, or mean `[..., A]` and log σ; the other is None."""

    logits: tf.Tensor | None
    mean: tf.Tensor | None
    log_std: tf.Tensor | None

    def log_prob(self, actions: tf.Tensor) -> tf.Tensor:
        """Return log π(a|s) of `actions` `[...]` or `[..., A]`."""
        if self.logits is not None:
            return maths.categorical_log_prob(self.logits, actions)
        return maths.gaussian_log_prob(self.mean, self.log_std, actions)

    def entropy(self) -> tf.Tensor:
        """Return H(π(·|s)), `[...]`, in nats."""
        if self.logits is not None:
            return maths.categorical_entropy(self.logits)
        return maths.gaussian_entropy(self.mean, self.log_std)


def apply(params: Params, inputs: tf.Tensor, activation: tf.Tensor) -> tf.Tensor:
    """Apply the networks: matrix products with the activation between them.

    Args:
        params: `kernel_i` `[..., D, H]` and `bias_i` `[..., 1, H]`.
        inputs: `[..., N, D]`, N rows for each network.
        activation: index in `ACTIVATIONS`, int32 scalar: a tensor, so that it may change without a new trace.

    Returns:
        `[..., N, outputs]`.
    """
    num_layers = sum(name.startswith("kernel") for name in params)
    for i in range(num_layers):
        inputs = inputs @ params[f"kernel_{i}"] + params[f"bias_{i}"]
        if i < num_layers - 1:
            inputs = tf.switch_case(activation, [functools.partial(f, inputs) for f in ACTIVATIONS.values()])
    return inputs


def distribution(params: Params, observations: tf.Tensor, activation: tf.Tensor) -> Distribution:
    """Return the policies' distributions at observations `[..., N, D]`, one population axis or more in front."""
    outputs = apply(params, observations, activation)
    if "log_std" in params:
        return Distribution(None, outputs, params["log_std"])
    return Distribution(outputs, None, None)


def choice(config: Config, name: str) -> tf.Tensor:
    """Return the index of a hyperparameter's value among its choices, as an int32 scalar."""
    return tf.constant(list(HYPERPARAMETERS[name].choices).index(getattr(config, name)))
