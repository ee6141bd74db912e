"""What a change of a live hyperparameter does, in words."""

from collections.abc import Callable
from typing import Any

from pages.widgets.traces import in_words

BASELINES = {
    "none": "nothing is subtracted from the returns",
    "batch_mean": "the mean return of the batch is subtracted",
    "step_mean": "the mean return-to-go at the same step is subtracted",
    "leave_one_out": "what the other episodes got at the same step is subtracted",
    "value": "what the value network expects is subtracted",
}


def effect(name: str, old: Any, new: Any) -> str:
    """Return a change and what follows from it, as `α 0.025 → 0.003, steps are 8.3 times shorter`."""
    [change] = in_words({name: (old, new)})
    return f"{change}, {_MEANINGS[name](old, new)}" if name in _MEANINGS else change


def _times(old: float, new: float, more: str, less: str) -> str:
    return f"{max(old, new) / min(old, new):.2g} times {more if new > old else less}"


def _steps(old: float, new: float) -> str:
    return f"steps are {_times(old, new, 'longer', 'shorter')}"


def _horizon(_: float, gamma: float) -> str:
    if gamma == 1:
        return "all later rewards count in full"
    return f"rewards count for about {1 / (1 - gamma):.3g} steps ahead" if gamma else "only the next reward counts"


def _subtracted(_: str, baseline: str) -> str:
    return BASELINES[baseline]


def _normalized(_: bool, on: bool) -> str:
    return "the advantages of a batch have mean 0 and spread 1" if on else "advantages keep the scale of the rewards"


def _scaled(old: float, new: float) -> str:
    return f"returns that are learned from are {_times(old, new, 'larger', 'smaller')}"


def _entropy(old: float, new: float) -> str:
    if not (old and new):
        return f"the policy is {'' if new else 'no longer '}drawn towards uniform probabilities"
    return f"the policy is drawn {_times(old, new, 'more', 'less')} towards uniform probabilities"


def _weights(_: str, weights: str) -> str:
    alone = weights == "reward_to_go"
    return "only the rewards after it weigh an action" if alone else "the whole episode's return weighs every action"


def _limit(_: float, norm: float) -> str:
    return f"no gradient is longer than {norm:g}" if norm else "gradients may be of any length"


_MEANINGS: dict[str, Callable[[Any, Any], str]] = {
    "learning_rate": _steps,
    "gamma": _horizon,
    "baseline": _subtracted,
    "normalize_advantages": _normalized,
    "reward_scale": _scaled,
    "ent_coef": _entropy,
    "weights": _weights,
    "max_grad_norm": _limit,
}
