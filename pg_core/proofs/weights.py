"""Writes the table of all that the lab can multiply a score with: `python -m pg_core.proofs.weights`."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pg_core import maths
from pg_core.config import HYPERPARAMETERS
from pg_core.proofs import mdp, training
from pg_core.proofs.default_estimator import angle, unordered_batches
from pg_core.proofs.mdp import Array, Batches, Mdp
from pg_core.proofs.policy_gradient_theorem import along
from pg_core.proofs.programs import compute

PATH = Path(__file__).parents[2] / "assets" / "weights.md"
GAMMA, HORIZON, STATES, SEED, EPISODES = 0.9, 3, 2, 0, 2
NO_BIAS = 1e-10  # rounding

HEAD = """# What a score may be multiplied with

Every weight Φₜ that the lab has, in ĝ = Σₜ Φₜ ∇log π(aₜ|sₜ), a mean over episodes: after the list of Schulman, Moritz,
Levine, Jordan and Abbeel, *High-dimensional continuous control using generalized advantage estimation*, ICLR 2016,
section 2, who call it Ψₜ. What is to be estimated is ∇J for γ = 0.9.

The figures are those of the default process of the checks (two states, at most three steps, seed 0) and two episodes
per update, enumerated: bias is the length of E[ĝ] - ∇J over that of ∇J, angle lies between E[ĝ] and ∇J, and tr Cov is
the total variance of ĝ. Only the biases that are 0 are general; the other figures are of one process. A step that is
shorter has less variance for that reason alone: the last column divides tr Cov by the square of the length of E[ĝ]. The
steps are the trainer's. Written by `python -m pg_core.proofs.weights`; a test holds this page to it.
"""

TAIL = """
The last two rows need a model of the environment and stand there for comparison: the lab has no control for them. Nor
has it the rest of the list, the residual rₜ + γ V(sₜ₊₁) - V(sₜ) and the sums of it that the paper is about: they put
a learned V in the place of rewards that were played, and where it is wrong they are in general biased.
"""


class Estimator(NamedTuple):
    """A weight, the settings that choose it, and where it is derived."""

    formula: str
    statement: str
    settings: dict[str, Any]


WHOLE, NORMALIZED = {"weights": "episode_return"}, {"normalize_advantages": True}
ESTIMATORS = (
    Estimator("G₀", "reinforce", WHOLE),
    Estimator("G₀ - b, the other episodes' mean G₀", "leave_one_out", WHOLE | {"baseline": "leave_one_out"}),
    Estimator("γᵗ Gₜ", "reward_to_go", {}),
    Estimator("Gₜ", "discounting", {"gamma_t": False}),
    Estimator("γᵗ (Gₜ - V(sₜ)), here with V = V₀", "baselines", {"baseline": "value"}),
    Estimator("γᵗ (Gₜ - bₜ), the other episodes' mean Gₜ", "leave_one_out", {"baseline": "leave_one_out"}),
    Estimator("γᵗ (Gₜ - bₜ), all episodes' mean Gₜ", "normalization", {"baseline": "step_mean"}),
    Estimator("γᵗ (Gₜ - b), the mean over all steps", "normalization", {"baseline": "batch_mean"}),
    Estimator("γᵗ Âₜ, Gₜ normalised", "normalization", NORMALIZED),
    Estimator("Âₜ, Gₜ - bₜ normalised, over the mean length", "default_estimator",
              NORMALIZED | {"baseline": "leave_one_out", "gamma_t": False, "reduction": "step"}),
)  # fmt: skip
SHOWN = ("weights", "gamma_t", "baseline", "normalize_advantages", "reduction")  # settings that a row names


class Figures(NamedTuple):
    """What an estimator is on average, and how much it varies."""

    bias: float  # ‖E[ĝ] - ∇J‖ / ‖∇J‖
    angle: float  # degrees
    variance: float
    relative_variance: float  # over ‖E[ĝ]‖²


def figures(theta: Array, batches: Batches, steps: Array, gradient: Array) -> Figures:
    """Calculate bias, angle and variance of an estimator's steps `[N, S, A]`."""
    mean, variance = mdp.moments(theta, batches, steps)
    bias = float(np.linalg.norm(mean - gradient) / np.linalg.norm(gradient))
    return Figures(bias, angle(mean, gradient), float(variance), float(variance / np.linalg.norm(mean) ** 2))


def computed() -> list[Figures]:
    """Let the trainer take a step from every batch, for each estimator, and add those that know the model."""
    process, theta = mdp.random_mdp(STATES, SEED), mdp.random_policy(STATES, SEED)
    batches = unordered_batches(process, HORIZON, EPISODES)
    gradient = mdp.objective_gradient(process, theta, GAMMA, HORIZON)
    values = mdp.values(process, theta, GAMMA, HORIZON)[0]
    found = []
    for estimator in ESTIMATORS:
        critic = values if estimator.settings.get("baseline") == "value" else None
        steps = training.steps(theta, batches, critic, gamma=GAMMA, **estimator.settings)
        found.append(figures(theta, batches, steps, gradient))
    for table in known(process, theta):
        weights = compute(maths.discounts, batches.rewards, GAMMA) * along(table, batches)
        found.append(figures(theta, batches, mdp.estimates(theta, batches, weights), gradient))
    return found


def known(process: Mdp, theta: Array) -> tuple[Array, Array]:
    """Calculate Qₜ and Aₜ = Qₜ - Vₜ, `[T, S, A]`."""
    worth = mdp.action_values(process, theta, GAMMA, HORIZON)
    values = mdp.values(process, theta, GAMMA, HORIZON)[:-1]
    return worth, worth - values[..., None]


def controls(settings: dict[str, Any]) -> str:
    """Name the controls of the Train page that choose an estimator."""
    chosen = {**training.PLAIN, **settings}
    hidden = {"baseline": "none", "normalize_advantages": False, "reduction": "episode"}
    named = [name for name in SHOWN if chosen[name] != hidden.get(name)]
    if chosen["weights"] == "episode_return":
        named.remove("gamma_t")  # it has no effect
    return "; ".join(f"{HYPERPARAMETERS[name].label}: {HYPERPARAMETERS[name].show(chosen[name])}" for name in named)


def page() -> str:
    """Return the table in Markdown."""
    labels = [(each.formula, each.statement, controls(each.settings)) for each in ESTIMATORS]
    labels += [("γᵗ Qₜ(sₜ,aₜ)", "policy_gradient_theorem", "none"), ("γᵗ Aₜ(sₜ,aₜ)", "policy_gradient_theorem", "none")]
    lines = [
        "| Φₜ | controls | derived in | bias | angle | tr Cov | tr Cov / ‖E[ĝ]‖² |",
        "|---|---|---|---|---|---|---|",
    ]
    for (formula, statement, control), found in zip(labels, computed(), strict=True):
        unbiased = found.bias < NO_BIAS
        bias = ("0", "0°") if unbiased else (f"{found.bias:.0%}", f"{found.angle:.1f}°")
        numbers = (*bias, f"{found.variance:.3f}", f"{found.relative_variance:.2f}")
        lines.append(f"| {formula} | {control} | `{statement}` | {' | '.join(numbers)} |")
    return HEAD + "\n" + "\n".join(lines) + "\n" + TAIL


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
