"""How a population acts, in NumPy.

An environment is stepped one observation at a time, where a TensorFlow call costs twenty times the arithmetic it does.
Parameters carry the population axis first. A policy's network gives logits (softmax over choices) or the mean action
(Gaussian over vectors, in units in which the action box is [-1, 1], with a learned log standard deviation).
`in_tensorflow` does the same arithmetic where gradients are needed; a test holds the two together.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pg_core.config import Config
from pg_core.environments import Array, EnvironmentSpec
from pg_core.randomness import Stream, generator

Params = Mapping[str, Array]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x * np.exp(-np.logaddexp(0, -x)),  # x σ(x), without overflow
}
MEAN, VARIANCE = "observation_mean", "observation_variance"  # what is not learned, but counted
EPSILON, LIMIT = 1e-8, 10.0  # of observations that are normalised
INITIAL_LOG_STD = -0.5  # σ ≈ 0.6 of half the action box: explores it without sticking to its edges


def initialize_policy(config: Config, spec: EnvironmentSpec) -> dict[str, Array]:
    """Draw the policies' parameters: nearly the same probability for every action at first.

    Returns:
        `kernel_i` `[P, D, H]`, `bias_i` `[P, 1, H]`, `log_std` `[P, 1, A]` of a Gaussian policy, and the statistics of
        observations, which change none yet, where they are normalised, `[P, 1, D]`; float32.
    """
    params = _initialize(config, spec, spec.action_size, Stream.POLICY, final_scale=0.01)
    if not spec.discrete:
        params["log_std"] = np.full((config.num_agents, 1, spec.action_size), INITIAL_LOG_STD, np.float32)
    if config.normalize_observations:
        shape = config.num_agents, 1, spec.observation_size
        params |= {MEAN: np.zeros(shape, np.float32), VARIANCE: np.ones(shape, np.float32)}
    return params


def initialize_value(config: Config, spec: EnvironmentSpec) -> dict[str, Array]:
    """Draw the value networks' parameters, with the shapes of the policies' but for one output."""
    return _initialize(config, spec, 1, Stream.VALUE, final_scale=1.0)


def _initialize(
    config: Config, spec: EnvironmentSpec, outputs: int, stream: Stream, final_scale: float
) -> dict[str, Array]:
    sizes = (spec.observation_size, *config.hidden_layers, outputs)
    generators = [generator(config.seed, stream, agent) for agent in range(config.num_agents)]
    params = {}
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        scale = np.float32((final_scale if i == len(config.hidden_layers) else 1) / math.sqrt(fan_in))
        params[f"kernel_{i}"] = np.stack([scale * g.standard_normal((fan_in, fan_out), np.float32) for g in generators])
        params[f"bias_{i}"] = np.zeros((config.num_agents, 1, fan_out), np.float32)
    return params


def apply(params: Params, inputs: Array, activation: str) -> Array:
    """Apply the networks to `[P, N, D]`, N rows for each of P networks; return `[P, N, outputs]`."""
    inputs = normalized(params, inputs)
    num_layers = sum(name.startswith("kernel") for name in params)
    for i in range(num_layers):
        inputs = inputs @ params[f"kernel_{i}"] + params[f"bias_{i}"]
        if i < num_layers - 1:
            inputs = ACTIVATIONS[activation](inputs)
    return inputs


def normalized(params: Params, observations: Array) -> Array:
    """Return what policies' networks are given for observations `[P, N, D]`, as `in_tensorflow.normalized`."""
    if MEAN not in params:
        return observations
    shifted = (observations - params[MEAN]) / np.sqrt(params[VARIANCE] + np.float32(EPSILON))
    limited: Array = np.clip(shifted, -LIMIT, LIMIT)
    return limited


def sample(params: Params, observations: Array, noise: Array, activation: str, choices: tuple[int, ...] = ()) -> Array:
    """Draw actions `[P, N]`, `[P, N, M]` or `[P, N, A]` at observations `[P, N, D]`.

    Args:
        params: of the policies.
        observations: `[P, N, D]`.
        noise: of the actions' shape: uniform in [0, 1) for choices, standard normal for vectors.
        activation: key of `ACTIVATIONS`.
        choices: between how many options each choice is, if an action is made of several.
    """
    outputs = apply(params, observations, activation)
    if "log_std" in params:
        return draw_vector(outputs, params["log_std"], noise)
    if len(choices) < 2:
        return draw_choice(outputs, noise)
    factors = enumerate(split(outputs, choices))
    return np.stack([draw_choice(logits, noise[..., i]) for i, logits in factors], axis=-1)


def split(outputs: Array, choices: tuple[int, ...]) -> list[Array]:
    """Cut outputs `[..., K]` into the logits of each choice."""
    factors: list[Array] = np.split(outputs, np.cumsum(choices)[:-1], axis=-1)
    return factors


def draw_vector(mean: Array, log_std: Array, normal: Array) -> Array:
    """Draw a = μ + σ ε, `[..., A]`, with standard normal ε."""
    actions: Array = mean + np.exp(log_std) * normal
    return actions


def draw_choice(logits: Array, uniform: Array) -> Array:
    """Draw by inverting the distribution function: the first action whose cumulative probability exceeds u.

    Args:
        logits: `[..., A]`.
        uniform: u in [0, 1), `[...]`.

    Returns:
        Integers in [0, A-1], `[...]`.
    """
    # The last cumulative probability is 1: rounding must not let u pass it.
    cumulative = softmax(logits).cumsum(axis=-1)[..., :-1]
    actions: Array = passed_by(uniform, cumulative).sum(axis=-1, dtype=np.int32)
    return actions


def passed_by(uniform: Any, cumulative: Any) -> Any:
    """Return which cumulative probabilities, `[..., A-1]`, u `[...]` has passed: their number is the action.

    Both engines draw by this rule, from NumPy's arrays or from tensors.
    """
    return uniform[..., None] >= cumulative


def greedy(params: Params, observations: Array, activation: str, choices: tuple[int, ...] = ()) -> Array:
    """Return the most probable actions, or the mean actions, at observations `[P, N, D]`; else as `sample`."""
    outputs = apply(params, observations, activation)
    if "log_std" in params:
        return outputs
    chosen = [logits.argmax(axis=-1).astype(np.int32) for logits in split(outputs, choices)]
    return chosen[0] if len(choices) < 2 else np.stack(chosen, axis=-1)


def softmax(logits: Array) -> Array:
    """Return πₖ = exp zₖ / Σⱼ exp zⱼ over the last axis of `[..., A]`."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities
