"""Builds a Keras model of one agent's policy.

As a process (`python -m pg_core.runs.exchange.keras_model PATH`) it reads an npz file of the agent's parameters and
the name of its activation on standard input, and writes the model.
"""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pg_core import runtime
from pg_core.policies.in_numpy import EPSILON, LIMIT, MEAN, VARIANCE
from pg_core.runs.store.records import Array
from pg_core.runs.store.rows import from_bytes

if TYPE_CHECKING:
    import keras


def build(params: Mapping[str, Array], activation: str) -> "keras.Model":
    """Return a model with an agent's parameters, `[D, H]` and `[1, H]`.

    From observations `[N, D]`, as Gymnasium flattens them, it gives `logits` `[N, A]`, those of each choice one after
    the other where an action is made of several; or `mean` and `log_std`, each `[N, A]`, in units in which the action
    box is [-1, 1]. What the run normalised, the model does.
    """
    import keras

    num_layers = sum(name.startswith("kernel") for name in params)
    outputs = "mean" if "log_std" in params else "logits"
    inputs = x = keras.Input((params["kernel_0"].shape[0],), name="observation")
    if MEAN in params:
        moments = {"mean": params[MEAN][0], "variance": params[VARIANCE][0] + np.float32(EPSILON)}
        x = keras.ops.clip(keras.layers.Normalization(**moments, name="normalized")(x), -LIMIT, LIMIT)
    for i in range(num_layers):
        last = i == num_layers - 1
        layer = keras.layers.Dense(
            params[f"bias_{i}"].shape[1],
            activation=None if last else activation,
            name=outputs if last else f"hidden_{i}",
        )
        x = layer(x)
        layer.set_weights([params[f"kernel_{i}"], params[f"bias_{i}"][0]])
    if "log_std" not in params:
        return keras.Model(inputs, x)
    # The same at every observation: a layer that sees nothing.
    spread = keras.layers.Dense(params["log_std"].shape[1], name="log_std")
    log_std = spread(inputs)
    spread.set_weights([np.zeros((inputs.shape[1], params["log_std"].shape[1]), np.float32), params["log_std"][0]])
    return keras.Model(inputs, {"mean": x, "log_std": log_std})


def main() -> None:
    """Read the parameters, and write the model."""
    arrays: dict[str, Any] = from_bytes(sys.stdin.buffer.read())
    activation = str(arrays.pop("activation"))
    with runtime.muted_stderr():
        import keras  # noqa: F401
    build(arrays, activation).save(sys.argv[1])


if __name__ == "__main__":
    main()
