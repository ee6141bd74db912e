"""How the weights of a policy have spread over training: quantiles of each layer's, from the policies that are kept."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import orjson

from pg_core.environments import Array

MAX_POLICIES = 48  # that are looked at
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def evenly(updates: Sequence[int]) -> list[int]:
    """Return at most 48 of some updates, evenly chosen, the first and the last among them."""
    places = np.linspace(0, len(updates) - 1, min(len(updates), MAX_POLICIES))
    return [updates[place] for place in places.round().astype(int)]


def to_json(policies: Iterable[tuple[int, Mapping[str, Array]]], agent: int) -> bytes:
    """Return the quantiles of an agent's weights as a JSON object: `updates` `[n]`, and of each kernel `[n, 5]`.

    Args:
        policies: each with the number of updates done; one at a time is in memory.
        agent: in [0, P-1].
    """
    found: dict[int, dict[str, Array]] = {}
    for update, policy in policies:
        kernels = {name: array[agent] for name, array in policy.items() if name.startswith("kernel_")}
        found[update] = {name: np.quantile(array, QUANTILES) for name, array in kernels.items()}
    names = next(iter(found.values()), {})
    layers = {name: [quantiles[name] for quantiles in found.values()] for name in names}
    return orjson.dumps({"updates": list(found), "layers": layers}, option=orjson.OPT_SERIALIZE_NUMPY)
