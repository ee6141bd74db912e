"""The factor γᵗ: with it the mean is ∇J; without it, the mean is in general no gradient at all."""

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp, training
from pg_core.proofs.mdp import Array, Mdp, Numbers, softmax
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact


def directions(process: Mdp, theta: Numbers, gamma: float, horizon: int) -> Numbers:
    """Calculate Σₛ dₜ(s) Σₐ ∇π(a|s) Qₜ(s,a) of every t, `[T, ..., S, A]`: dₜ(s) π(a|s) (Qₜ(s,a) - Vₜ(s)) in row s."""
    values = mdp.values(process, theta, gamma, horizon)[:-1]
    advantages = mdp.action_values(process, theta, gamma, horizon) - values[..., None]
    return mdp.state_distributions(process, theta, horizon)[..., None] * softmax(theta) * advantages


def jacobian(process: Mdp, theta: Array, gamma: float, discounts: Array) -> Array:
    """Differentiate Σₜ wₜ Σₛ dₜ(s) Σₐ ∇π(a|s) Qₜ(s,a) once more, `[SA, SA]`; the time limit is the number of w."""
    slopes: Array = compute(_jacobian, process, theta, gamma, discounts, horizon=len(discounts))
    return slopes


def _jacobian(process: Mdp, theta: tf.Tensor, gamma: tf.Tensor, discounts: tf.Tensor, horizon: int) -> tf.Tensor:
    return mdp.jacobian(lambda tables: tf.tensordot(discounts, directions(process, tables, gamma, horizon), 1), theta)


def values_on_the_way(process: Mdp, theta: Array, gamma: float, horizon: int) -> tf.Tensor:
    """Calculate Σₜ E[Vₜ(sₜ)]."""
    values = mdp.values(process, theta, gamma, horizon)[:-1]
    return tf.reduce_sum(mdp.state_distributions(process, theta, horizon) * values)


def _slope_on_the_way(process: Mdp, theta: tf.Tensor, gamma: tf.Tensor, horizon: int) -> tf.Tensor:
    return mdp.gradient(lambda table: values_on_the_way(process, table, gamma, horizon), theta)


def ending_by_chance(process: Mdp, gamma: float) -> Mdp:
    """Return the process that ends after each step with probability 1 - γ, beside its own ends."""
    onward = gamma * process.transitions[..., :-1]
    end = 1 - onward.sum(axis=2, keepdims=True)
    return process._replace(transitions=np.concatenate([onward, end], axis=2))


def two_gates() -> Mdp:
    """Return the example of the proof: action 1 passes a gate, action 0 ends; the reward is 1 behind the second."""
    transitions = np.zeros((2, 2, 3))
    transitions[0, 1, 1] = transitions[0, 0, 2] = transitions[1, :, 2] = 1.0
    return Mdp(np.array([1.0, 0.0]), transitions, np.array([[0.0, 0.0], [0.0, 1.0]]))


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare the means with and without γᵗ with ∇J, and with what else the latter is taken for."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    batches, killed = (mdp.every_batch(p, horizon) for p in (process, ending_by_chance(process, gamma)))
    to_go, discounts = (compute(f, batches.rewards, gamma) for f in (maths.discounted_returns, maths.discounts))
    plain = compute(maths.discounted_returns, killed.rewards, 1.0)
    right, undiscounted = (mdp.objective_gradient(process, theta, g, horizon) for g in (gamma, 1.0))
    dropped = directions(process, theta, gamma, horizon).sum(axis=0)
    with_powers = jacobian(process, theta, gamma, gamma ** np.arange(horizon))
    without = jacobian(process, theta, gamma, np.ones(horizon))
    factors = np.array([gamma, 0.5, 0.0])
    several = (1 - gamma) * (horizon > 1)
    return Check(
        (
            exact("γᵗ is 1, γ, γγ, …, and 1, 0, 0, … for γ = 0", _discounts(factors), _powers(factors)),
            mdp.compare("E[Σₜ γᵗ Gₜ ∇log π(aₜ|sₜ)] = ∇J", theta, batches, discounts * to_go, right),
            training.compare("the trainer with γᵗ: E[Δθ] = ∇J", theta, batches, right, gamma=gamma),
            mdp.compare("looks wrong: no γ, but an end by chance 1 - γ", theta, killed, plain, right),
            mdp.compare("without γᵗ: Σₜₛ P(sₜ=s) Σₐ ∇π(a|s) Qₜ(s,a)", theta, batches, to_go, dropped),
            training.compare("the trainer without γᵗ: the same", theta, batches, dropped, gamma=gamma, gamma_t=False),
            mdp.compare("γᵗ dropped, taken for ∇J", theta, batches, to_go, right, wrong=several),
            mdp.compare("γᵗ dropped, taken for ∇J of γ = 1", theta, batches, to_go, undiscounted, wrong=several),
            mdp.compare(
                "γᵗ dropped, taken for ∇ Σₜ E[Vₜ(sₜ)]", theta, batches, to_go,
                compute(_slope_on_the_way, process, theta, gamma, horizon=horizon), wrong=horizon > 1,
            ),
            exact("with γᵗ: the Jacobian is symmetric", with_powers, with_powers.T),
            exact(
                "without γᵗ: the Jacobian is symmetric", without, without.T,
                wrong=several * (states > 1),
            ),
            *_gates(gamma, seed),
        ),
        pictures=(_picture(),),
    )  # fmt: skip


def _gates(gamma: float, seed: int) -> tuple[Comparison, Comparison]:
    """Compare the two gates' mean without γᵗ, and its Jacobian, with the formulas of the proof."""
    process, (p, q) = two_gates(), np.random.default_rng([seed, 3]).uniform(0.1, 0.9, size=2)
    theta, batches = np.log([[1 - p, p], [1 - q, q]]), mdp.every_batch(process, 2)
    to_go = compute(maths.discounted_returns, batches.rewards, gamma)
    passing = [gamma * p * (1 - p) * q, p * q * (1 - q)]
    slopes = jacobian(process, theta, gamma, np.ones(2))
    right = np.transpose([np.negative(passing), passing])
    return (
        mdp.compare("two gates, γᵗ dropped: D = (γ p(1-p) q, p q(1-q))", theta, batches, to_go, right),
        exact("two gates: ∂D₀/∂z₁ = γ ∂D₁/∂z₀", slopes[1, 3], gamma * slopes[3, 1]),
    )


def _discounts(gammas: Array) -> Array:
    discounts: Array = compute(maths.discounts, np.zeros((4, len(gammas))), gammas)
    return discounts


def _powers(gammas: Array) -> Array:
    """Multiply step by step, `[4, ...]`."""
    return np.cumprod([np.ones_like(gammas), gammas, gammas, gammas], axis=0)


def _picture() -> Picture:
    gammas = (0.9, 0.99, 0.999)
    weights = compute(maths.discounts, np.zeros((500, len(gammas))), np.array(gammas))
    steps = tuple(range(0, 500, 10))
    series = (Series(f"γ = {g}", steps, tuple(w.tolist())) for g, w in zip(gammas, weights[::10].T, strict=True))
    return Picture("What γᵗ leaves of a late step's weight", "step t", "γᵗ", tuple(series))
