"""The names of the arrays in a checkpoint, which once had numbers: `state_0`, `state_1` and so on."""

from collections.abc import Collection, Mapping

from pg_core.policies.in_numpy import MEAN, VARIANCE
from pg_core.runs.store.records import Array


def leaf_names(policy: Collection[str], value: Collection[str]) -> list[str]:
    """Return the paths of a trainer's arrays, in the order in which they once had numbers.

    Args:
        policy: names of the policies' parameters; statistics of observations have no slots.
        value: names of the value networks' parameters, none without these.
    """
    networks = {"policy": sorted(policy), "value": sorted(value)}
    params = [f"{network}/{name}" for network, names in networks.items() for name in names]
    slots = [
        f"{n}_slots/{name}/{slot}"
        for n, names in networks.items() for name in names if name not in (MEAN, VARIANCE)
        for slot in ("first", "second")
    ]  # fmt: skip
    return [*params, *slots, "step"]


def named(checkpoint: Mapping[str, Array], num_layers: int) -> dict[str, Array]:
    """Return a checkpoint whose arrays have numbers with their paths instead; one that has paths as it is.

    Args:
        checkpoint: of a store or an archive of an earlier version.
        num_layers: of each network, the last one included.
    """
    networks = [f"{kind}_{i}" for i in range(num_layers) for kind in ("kernel", "bias")]
    # Each parameter has two slots, and there is the step. Layers have two parameters; a Gaussian policy has one more.
    params = (sum(name.startswith("state_") for name in checkpoint) - 1) // 3
    policy = [*networks, "log_std"] if params % 2 else networks
    value = networks if params > len(policy) else []
    paths = {f"state_{i}": path for i, path in enumerate(leaf_names(policy, value))}
    return {paths.get(name, name): array for name, array in checkpoint.items()}
