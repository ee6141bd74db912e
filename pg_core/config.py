"""Every hyperparameter, declared once: controls, options, links and documentation are made from here."""

import difflib
import json
import math
import reprlib
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from pg_core.environments import EnvironmentFault, EnvironmentSpec, UnsupportedEnvironmentError, describe
from pg_core.hyperparameters import Hyperparameter, hyperparameter, object_of

MAX_NUMBERS = 2**30  # over all steps of one update, or of all episodes' gradients: 2³⁰ float32 are 4 GiB
MAX_PARAMETERS = 2**25  # of the population: a checkpoint has six times as many, and a row of SQLite at most 1 GB
MAX_EPISODES = 50_000_000
RESERVED = {  # arguments of Gymnasium's `make` and `make_vec`, and of environments that make another by its id
    "id", "env_id", "make_kwargs", "entry_point", "render_mode", "max_episode_steps", "disable_env_checker", "num_envs",
    "vectorization_mode", "vector_kwargs", "wrappers",
}  # fmt: skip


class ConfigError(ValueError):
    """Raised when a configuration cannot be used; its message is a sentence for the person who set it."""


def _layers(value: Any) -> Any:
    """Read layer sizes from `"64,64"`, a JSON list or a tuple; `""` and `"none"` mean no hidden layer."""
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",") if part.strip() not in ("", "none")]
        return tuple(int(part) if part.isdecimal() else part for part in parts)
    return tuple(value) if isinstance(value, list) else value


def _printable(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what is no name, and texts that no database or page could show."""
    if not all(name.isidentifier() and str(given).isprintable() for name, given in value.items()):
        raise ValueError
    return value


def _pace(value: int) -> int:
    """Refuse what is no choice; `Literal` would take True for 1."""
    if value not in HYPERPARAMETERS["pace"].choices:
        raise ValueError
    return value


EnvKwargs = Annotated[
    dict[Annotated[str, Field(max_length=64)], bool | int | float | Annotated[str, Field(max_length=200)] | None],
    Field(max_length=16), BeforeValidator(lambda value: object_of(value) if isinstance(value, str) else value),
    AfterValidator(_printable),
]  # fmt: skip
LayerSizes = Annotated[tuple[Annotated[int, Field(ge=1, le=512)], ...], Field(max_length=3), BeforeValidator(_layers)]


class Config(BaseModel):
    """One training run, completely: the same config and seed give the same learning curve.

    Raises:
        ConfigError: a value is unknown, missing, not finite, out of bounds, or too large together with others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    _environment: EnvironmentSpec = PrivateAttr()

    env_id: str = hyperparameter(
        "CartPole-v1", "Environment", "", "Any registered Gymnasium environment whose observations are numbers, or "
        "`module:Name-v0`, where the module registers it. Actions are a choice, several choices, or a vector.",
        group="Run", live=False,
    )  # fmt: skip
    env_kwargs: EnvKwargs = hyperparameter(
        {}, "Its arguments", "", 'With which the environment is made: `{"is_slippery": false}`, or is_slippery=false. '
        'CartPole knows {"sutton_barto_reward": true}: 0 a step and -1 for a failure, instead of 1 a step; then no '
        "return counts as solved, and only a discount factor below 1 tells long episodes from short ones.",
        group="Run", live=False,
    )  # fmt: skip
    max_episode_steps: int = hyperparameter(
        0, "Time limit", "T", "Steps after which an episode is cut; 0: the environment's own limit, or 10,000 where it "
        "tells none.", group="Run", live=False, ge=0, le=1_000_000,
        statement="problem",
    )  # fmt: skip
    engine: Literal["auto", "compiled", "gymnasium"] = hyperparameter(
        "auto", "Engine", "", "Who plays: CartPole's physics compiled together with the update, or Gymnasium's own "
        "environment, which takes many times as long. Auto compiles where it can.", group="Run", live=False,
        choices={"auto": "auto", "compiled": "compiled (CartPole)", "gymnasium": "Gymnasium"},
    )  # fmt: skip
    seed: int = hyperparameter(
        0, "Seed", "", "Root of all randomness: agent k of a run draws the same numbers whatever else the run holds.",
        group="Run", live=False, ge=0, le=2**31 - 1,
    )  # fmt: skip
    num_agents: int = hyperparameter(
        5, "Agents", "P", "Population: independent agents with different random numbers, trained side by side.",
        group="Run", live=False, ge=1, le=512,
        statement="variance",
    )  # fmt: skip
    episodes_per_update: int = hyperparameter(
        3, "Episodes per update", "B", "Whole episodes that each agent plays before it takes one gradient step.",
        group="Run", live=False, ge=1, le=256,
        statement="variance",
    )  # fmt: skip
    num_updates: int = hyperparameter(
        500, "Updates", "", "Gradient steps after which the run is finished.",
        group="Run", live=True, ge=1, le=1_000_000, scale="log",
    )  # fmt: skip
    stop_when_solved: bool = hyperparameter(
        True, "Stop when solved", "", "An agent stops learning once the mean return of its last 100 episodes "
        "reaches the environment's threshold; the run ends when all agents have.", group="Run", live=True,
    )  # fmt: skip
    pace: Annotated[int, AfterValidator(_pace)] = hyperparameter(
        2, "Pace", "", "Updates a second, so that learning can be watched. Auto does ten, but stops to look, for as "
        "long as the longest episode takes: at the first update, and whenever the mean return has climbed another "
        "eighth of the way to the threshold.", group="Run", live=True,
        choices={1: "1", 2: "2", 5: "5", 10: "10", 30: "30", 0: "as fast as possible", -1: "auto"},
    )  # fmt: skip

    hidden_layers: LayerSizes = hyperparameter(
        (64,), "Hidden layers", "H", "Units of each hidden layer, separated by commas: none to three layers.",
        group="Policy", live=False,
        statement="scores",
    )  # fmt: skip
    normalize_observations: bool = hyperparameter(
        False, "Normalise observations", "", "Shift and scale each number that an agent sees by its mean and standard "
        "deviation in all updates before this one, and limit it to ±10: for numbers of different sizes.",
        group="Policy", live=False,
    )  # fmt: skip
    activation: Literal["tanh", "relu", "silu"] = hyperparameter(
        "tanh", "Activation", "", "Nonlinearity after each hidden layer.", group="Policy", live=True,
        choices={"tanh": "tanh", "relu": "ReLU", "silu": "SiLU"},
    )  # fmt: skip

    weights: Literal["episode_return", "reward_to_go"] = hyperparameter(
        "reward_to_go", "Weights", "Gₜ", "What multiplies each score: the whole episode's return G₀, or only the "
        "rewards that the action could still cause.", group="Estimator", live=True,
        choices={"episode_return": "whole-episode return G₀", "reward_to_go": "reward-to-go Gₜ"},
        statement="reward_to_go",
    )  # fmt: skip
    gamma: float = hyperparameter(
        1.0, "Discount factor", "γ", "How much a reward one step later counts.",
        group="Estimator", live=True, ge=0, le=1, step=0.001,
        statement="returns",
    )  # fmt: skip
    reward_scale: float = hyperparameter(
        1.0, "Reward scale", "", "What is learned from is each reward times this; the returns that are shown stay in "
        "the environment's own units. Normalised advantages do not depend on it.",
        group="Estimator", live=True, ge=1e-4, le=1e4, scale="log",
    )  # fmt: skip
    gamma_t: bool = hyperparameter(
        False, "Step discount", "γᵗ", "Weigh step t by γᵗ, as the gradient of the discounted objective asks. Most code "
        "drops it. The whole-episode return holds it already.", group="Estimator", live=True,
        statement="discounting",
    )  # fmt: skip
    baseline: Literal["none", "batch_mean", "step_mean", "leave_one_out", "value"] = hyperparameter(
        "leave_one_out", "Baseline", "b", "What is subtracted from the weights. A value network is there from the "
        "start of a run or not at all; the others may be changed live.", group="Estimator", live=True,
        choices={"none": "none", "batch_mean": "batch mean", "step_mean": "per-step mean",
                 "leave_one_out": "leave-one-out", "value": "learned value network"},
        statement="baselines",
    )  # fmt: skip
    normalize_advantages: bool = hyperparameter(
        True, "Normalise advantages", "Â", "Shift and scale each agent's advantages to mean 0 and standard "
        "deviation 1 before every update: the length of the gradient then says nothing of the returns' size.",
        group="Estimator", live=True,
        statement="normalization",
    )  # fmt: skip
    reduction: Literal["episode", "step"] = hyperparameter(
        "step", "Reduction", "", "Mean over episodes of the sum over steps, unbiased for ∇J, or mean over all steps: "
        "in a batch the same direction, divided by its mean episode length; biased if lengths vary.",
        group="Estimator", live=True,
        choices={"episode": "per episode", "step": "per step"},
        statement="surrogate_loss",
    )  # fmt: skip
    ent_coef: float = hyperparameter(
        0.0, "Entropy bonus", "c_H", "Weight of the policy's entropy in the objective: keeps it exploring.",
        group="Estimator", live=True, ge=0, le=1, step=0.001,
        statement="entropy",
    )  # fmt: skip

    optimizer: Literal["sgd", "adam", "rmsprop"] = hyperparameter(
        "adam", "Optimiser", "", "How a gradient becomes a step.", group="Optimiser", live=False,
        choices={"sgd": "SGD with momentum", "adam": "Adam", "rmsprop": "RMSprop"},
        statement="ascent",
    )  # fmt: skip
    learning_rate: float = hyperparameter(
        0.025, "Learning rate", "α", "Length of a gradient step.",
        group="Optimiser", live=True, ge=1e-6, le=1, scale="log",
        statement="ascent",
    )  # fmt: skip
    momentum: float = hyperparameter(
        0.9, "Momentum", "μ", "Share of the last step that SGD keeps; the other optimisers ignore it.",
        group="Optimiser", live=True, ge=0, le=0.999, step=0.001,
        statement="ascent",
    )  # fmt: skip
    max_grad_norm: float = hyperparameter(
        0.0, "Gradient-norm limit", "‖g‖", "A longer gradient is scaled down to this norm; 0 means no limit.",
        group="Optimiser", live=True, ge=0, le=1000, step=0.1,
        statement="gradient_clipping",
    )  # fmt: skip

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except (UnsupportedEnvironmentError, EnvironmentFault) as error:
            raise ConfigError(str(error)) from error
        except ValidationError as error:
            raise ConfigError(_sentence(error)) from None

    @model_validator(mode="after")
    def _can_be_trained(self) -> Self:
        if reserved := sorted(RESERVED.intersection(self.env_kwargs)):
            raise ConfigError(f"`env_kwargs` must hold arguments of the environment's own, got {reserved[0]!r}")
        spec = self._environment = self._describe()
        if self.engine == "compiled" and not spec.compiled:
            raise ConfigError(
                f"`engine` must be auto or gymnasium for {self.env_id}, got 'compiled', which plays only CartPole"
            )
        agents = {"num_agents": self.num_agents}
        batch = agents | {"episodes_per_update": self.episodes_per_update}
        steps = {"steps of an episode": spec.max_episode_steps, "numbers of a step": self.numbers_of_a_step}
        _limit(MAX_NUMBERS, batch | steps)
        _limit(MAX_NUMBERS, batch | {"parameters of a policy": self.parameters})
        _limit(MAX_PARAMETERS, agents | {"parameters of a policy": self.parameters})
        _limit(MAX_EPISODES, batch | {"num_updates": self.num_updates})
        return self

    @property
    def environment(self) -> EnvironmentSpec:
        """Sizes and limits of the environment; as it was when this was validated, if it cannot be made any more."""
        try:
            return self._describe()
        except (UnsupportedEnvironmentError, EnvironmentFault):
            return self._environment

    def _describe(self) -> EnvironmentSpec:
        return describe(self.env_id, self.max_episode_steps, **self.env_kwargs)

    @property
    def parameters(self) -> int:
        """How many parameters a policy has."""
        sizes = (self.environment.observation_size, *self.hidden_layers, self.environment.action_size)
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))

    @property
    def numbers_of_a_step(self) -> int:
        """How many numbers an update keeps for each step: copies of observation and action, of returns, of weights."""
        spec = self.environment
        return 5 * spec.observation_size + 25 + 3 * (math.prod(spec.action_shape) - 1)

    @property
    def compiled(self) -> bool:
        """Whether the compiled engine plays."""
        return bool(self.environment.compiled) and self.engine != "gymnasium"

    @classmethod
    def from_strings(cls, values: Mapping[str, str]) -> Self:
        """Read a config from text, such as a link's parameters; what is not named keeps its default.

        Raises:
            ConfigError: as the constructor.
        """
        return cls(**parsed(values))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a stored config; every hyperparameter must be there, so that today's defaults never stand in for one.

        Raises:
            ConfigError: as the constructor, and when a hyperparameter is missing.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise ConfigError("The config must be one JSON object.")
        config = cls(**values)
        missing = [name for name in HYPERPARAMETERS if name not in config.model_fields_set]
        if missing:
            raise ConfigError(f"`{missing[0]}` is missing from the stored config; it cannot be replayed without it.")
        return config

    def changed(self, **values: Any) -> Self:
        """Return this config with live hyperparameters changed.

        Raises:
            ConfigError: a name is not live, or the new config is not valid.
        """
        new = type(self)(**{**self.model_dump(), **values})
        for name, value in self.differences(new).items():
            if not self.is_live(name, value):
                what = "A value network" if name == "baseline" else f"`{name}`"
                raise ConfigError(f"{what} is fixed during a run, got {value!r}; start a new run with it")
        return new

    def is_live(self, name: str, value: Any) -> bool:
        """Return whether a hyperparameter may change to `value` during a run with this config.

        A value network is there from the start of a run or not at all.
        """
        crossing = name == "baseline" and "value" in (self.baseline, value)
        return HYPERPARAMETERS[name].live and not crossing

    def differences(self, other: "Config") -> dict[str, Any]:
        """Return the hyperparameters in which `other` differs, with the values of `other`."""
        return {name: value for name, value in other if value != getattr(self, name)}


HYPERPARAMETERS = {name: Hyperparameter.of(name, field) for name, field in Config.model_fields.items()}


def parsed(texts: Mapping[str, str]) -> dict[str, Any]:
    """Read values of hyperparameters from text; what is none, or not of its type, stays for `Config` to refuse."""
    return {
        name: HYPERPARAMETERS[name].parse(text) if name in HYPERPARAMETERS else text for name, text in texts.items()
    }


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if name in HYPERPARAMETERS:
        return f"`{name}` must be {HYPERPARAMETERS[name].rule}, got {reprlib.repr(first['input'])}"
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, HYPERPARAMETERS, n=1)
        hint = f"; did you mean `{close[0]}`?" if close else ""
        return f"`{reprlib.repr(name)[1:-1]}` is not a hyperparameter{hint}"
    cause = first.get("ctx", {}).get("error")
    return str(cause) if cause else f"The config cannot be read: {first['msg']}."


def _limit(limit: int, factors: Mapping[str, int]) -> None:
    product = math.prod(factors.values())
    if product > limit:
        names = " × ".join(f"`{name}`" if "_" in name else name for name in factors)
        sizes = " × ".join(f"{size:,}" for size in factors.values())
        raise ConfigError(f"{names} must be at most {limit:,}, got {sizes} = {product:,}; make one of them smaller")
