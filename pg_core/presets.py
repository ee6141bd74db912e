"""Named settings to start from, each one idea further than the last: from plain REINFORCE to what learns fastest."""

from dataclasses import dataclass
from typing import Any

from pg_core.config import HYPERPARAMETERS

TUNED_FOR = "CartPole-v1"


@dataclass(frozen=True)
class Preset:
    """A name, what it teaches, and the hyperparameters that it sets; the others keep their values."""

    label: str
    help: str
    values: dict[str, Any]


_PLAIN: dict[str, Any] = {
    "episodes_per_update": 16,
    "weights": "episode_return",
    "gamma": 1.0,
    "gamma_t": False,
    "baseline": "none",
    "normalize_advantages": False,
    "reduction": "episode",
    "ent_coef": 0.0,
    "optimizer": "adam",
    "learning_rate": 0.003,
    "max_grad_norm": 0.0,
}
_BEST = {name: HYPERPARAMETERS[name].default for name in _PLAIN}

PRESETS = {
    "plain": Preset(
        "Plain REINFORCE", "Williams 1992: the whole episode's return weighs every action. Noisy and slow.", _PLAIN
    ),
    "reward_to_go": Preset(
        "Reward-to-go", "An action is weighed only by the rewards after it.", _PLAIN | {"weights": "reward_to_go"}
    ),
    "baseline": Preset(
        "Leave-one-out baseline",
        "What the other episodes got at the same step is subtracted: the mean stays, the noise falls.",
        _PLAIN | {"weights": "reward_to_go", "baseline": "leave_one_out", "learning_rate": 0.01},
    ),
    "value": Preset(
        "Learned value network",
        "A second network learns what to expect and is subtracted.",
        _BEST | {"baseline": "value", "episodes_per_update": 8},
    ),
    "best": Preset(
        "Best on CartPole", "Normalised leave-one-out advantages, few episodes an update, a bold step.", _BEST
    ),
}
