"""The statements of the page of derivations: each a module that computes both sides and compares them.

Nothing here imports TensorFlow, which a module of a statement does: it is imported when its check is run.
"""

import importlib
from dataclasses import dataclass
from typing import Any

from pg_core import runtime
from pg_core.proofs.verdicts import Check


@dataclass(frozen=True)
class Parameter:
    """What may be varied in a check.

    Attributes:
        symbol: in formulas, as Unicode.
        label: in words.
        default: what a check takes if nothing is said.
        low: least value.
        high: greatest value.
    """

    symbol: str
    label: str
    default: int | float
    low: int | float
    high: int | float


PARAMETERS = {
    "gamma": Parameter("γ", "Discount factor", 0.9, 0.0, 1.0),
    "horizon": Parameter("T", "Time limit", 3, 1, 4),
    "states": Parameter("|S|", "States", 2, 1, 3),
    "samples": Parameter("N", "Samples", 10_000, 1_000, 100_000),
    "seed": Parameter("seed", "Seed", 0, 0, 2**31 - 1),
}

# In an order in which each statement rests on earlier ones; what its check may vary.
STATEMENTS: dict[str, tuple[str, ...]] = {
    "problem": ("seed",),
    "trajectory": ("horizon", "states", "seed"),
    "returns": ("gamma", "horizon", "states", "seed"),
    "objective": ("gamma", "horizon", "states", "seed"),
    "log_derivative": ("horizon", "states", "seed"),
    "dynamics": ("horizon", "states", "seed"),
    "reinforce": ("gamma", "horizon", "states", "seed"),
    "expected_score": ("states", "seed"),
    "reward_to_go": ("gamma", "horizon", "states", "seed"),
    "discounting": ("gamma", "horizon", "states", "seed"),
    "scores": ("seed",),
    "baselines": ("gamma", "horizon", "states", "seed"),
    "optimal_baseline": ("gamma", "horizon", "states", "seed"),
    "leave_one_out": ("gamma", "states", "seed"),
    "normalization": ("gamma", "states", "seed"),
    "entropy": ("seed",),
    "surrogate_loss": ("gamma", "horizon", "states", "seed"),
    "default_estimator": ("states", "seed"),
    "gradient_clipping": ("gamma", "horizon", "states", "seed"),
    "reparameterization": ("seed",),
    "variance": ("gamma", "horizon", "states", "samples", "seed"),
    "policy_gradient_theorem": ("gamma", "states", "seed"),
    "proportionality": ("horizon", "states", "seed"),
    "performance_difference": ("gamma", "states", "seed"),
    "gradient_domination": ("gamma", "horizon", "states", "seed"),
    "trust_region": ("gamma", "horizon", "states", "seed"),
    "importance_weights": ("gamma", "horizon", "states", "seed"),
    "natural_gradient": ("gamma", "horizon", "states", "seed"),
    "ascent": ("gamma", "horizon", "states", "seed"),
    "cart_pole": ("seed",),
}


def run(name: str, **parameters: int | float) -> Check:
    """Compute both sides of a statement and compare them.

    Args:
        name: key of `STATEMENTS`.
        parameters: values of some of its parameters; the others have their defaults.

    Raises:
        ValueError: there is no such statement or parameter, or a value is out of bounds.
    """
    values = validated(name, parameters)
    runtime.import_tensorflow()
    module = importlib.import_module(f"{__name__}.{name}")
    check: Check = module.check(**values)
    return check


def validated(name: str, parameters: dict[str, Any]) -> dict[str, int | float]:
    """Return all parameters of a check, each in bounds.

    Raises:
        ValueError: as `run`.
    """
    if name not in STATEMENTS:
        raise ValueError(f"`name` must be one of {', '.join(STATEMENTS)}, got {name!r}.")
    unknown = [parameter for parameter in parameters if parameter not in STATEMENTS[name]]
    if unknown:
        raise ValueError(f"The check of {name} takes {', '.join(STATEMENTS[name])}, got {unknown[0]!r}.")
    return {key: _in_bounds(key, parameters.get(key, PARAMETERS[key].default)) for key in STATEMENTS[name]}


def _in_bounds(name: str, value: Any) -> int | float:
    parameter = PARAMETERS[name]
    kind = type(parameter.default)
    if isinstance(value, bool) or not isinstance(value, (int, kind)) or not parameter.low <= value <= parameter.high:
        whole = "a whole number " if kind is int else ""
        raise ValueError(f"`{name}` must be {whole}in [{parameter.low:g}, {parameter.high:g}], got {value!r}.")
    number: int | float = kind(value)
    return number


# As the page of derivations shows them; a number is the place in `STATEMENTS`.
GROUPS = {
    "Core": (
        "problem", "trajectory", "returns", "objective", "log_derivative", "dynamics", "reinforce", "expected_score",
        "reward_to_go", "discounting", "scores",
    ),
    "Estimators": (
        "baselines", "optimal_baseline", "leave_one_out", "normalization", "entropy", "surrogate_loss",
        "default_estimator", "gradient_clipping", "reparameterization", "variance",
    ),
    "Theory": (
        "policy_gradient_theorem", "proportionality", "performance_difference", "gradient_domination", "trust_region",
        "importance_weights", "natural_gradient", "ascent",
    ),
    "World": ("cart_pole",),
}  # fmt: skip
FIRST_EVENING = (
    "trajectory", "objective", "log_derivative", "reinforce", "reward_to_go", "baselines", "variance",
)  # fmt: skip
