"""Baselines: what may be subtracted from a return without changing the mean gradient, and what may not."""

import numpy as np
import numpy.typing as npt

from pg_core import maths
from pg_core.proofs import mdp, training
from pg_core.proofs.mdp import Array, Batches
from pg_core.proofs.optimal_baseline import optimal_table
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

VISIBLE = 1e-3  # a spread of returns that is not made of rounding
UNDEFINED = 2.0  # stands for NaN, which equals nothing: no share is above 1


def expected_scores(theta: Array, batches: Batches) -> Array:
    """Calculate E[1{sₜ = s} ∇log π(aₜ|sₜ)] for every t and s, `[T, S, A]`: a step's score has only the row of sₜ."""
    mean: Array = np.einsum("n,tnbsa->tsa", mdp.probabilities(theta, batches), mdp.scores(theta, batches))
    return mean


def decomposition(theta: Array, batches: Batches, returns: Array, values: Array, baseline: Array) -> Comparison:
    """Compare E[(Gₜ - b)²] with E[(Gₜ - Vₜ)²] + E[(Vₜ - b)²] at every t, over the episodes that reach it."""

    def mean_square(x: Array) -> Array:
        mean: Array = (x * batches.mask)[..., 0] ** 2 @ mdp.probabilities(theta, batches)
        return mean

    parts = mean_square(returns - values) + mean_square(values - baseline)
    return exact(
        "E[(Gₜ - b)²] = E[(Gₜ - Vₜ)²] + E[(Vₜ - b)²] at every t, any b", mean_square(returns - baseline), parts
    )


def explained(baseline: Array, returns: Array, mask: Array) -> Array:
    """Calculate 1 - Var(G - b) / Var(G) over the played steps of each batch, `[N]`."""
    g, rest = (np.where(mask > 0, values, np.nan) for values in (returns, returns - baseline))
    varies = np.nanmax(g, axis=(0, 2)) > np.nanmin(g, axis=(0, 2))
    total = np.where(varies, np.nanvar(g, axis=(0, 2)), 1.0)
    share: Array = np.where(varies, 1 - np.nanvar(rest, axis=(0, 2)) / total, UNDEFINED)
    return share


def explained_by_maths(baseline: Array, returns: Array, mask: Array) -> Array:
    """Calculate the same by what the trainer uses."""
    share: Array = np.nan_to_num(compute(maths.explained_variance, baseline, returns, mask), nan=UNDEFINED)
    return share


def explained_variances(batches: Batches, gamma: float, seed: int) -> list[Comparison]:
    """Compare explained variances with their definition, and with what they are for three plain baselines."""
    returns, mask = compute(maths.discounted_returns, batches.rewards, gamma), batches.mask
    noise = np.random.default_rng([seed, 2]).normal(size=mask.shape)
    plain = np.stack([explained_by_maths(b, returns, mask) for b in (returns, 5 * mask, -returns)])
    spread = np.ptp(np.where(mask > 0, returns, returns[:1]), axis=(0, 2))
    varies, told = spread > VISIBLE, (spread == 0) | (spread > VISIBLE)
    return [
        exact("explained variance = 1 - Var(G - b) / Var(G), of any b", explained_by_maths(noise, returns, mask)[told],
              explained(noise, returns, mask)[told]),
        exact("it is 1 for b = G, 0 for a constant, -3 for b = -G", plain[:, varies], [[1.0], [0.0], [-3.0]]),
    ]  # fmt: skip


def _trainers(process: mdp.Mdp, theta: Array, batches: Batches, gamma: float, seed: int) -> tuple[Comparison, ...]:
    """Compare the mean of the trainer's steps, without a baseline and with a value network, with ∇J."""
    right = mdp.objective_gradient(process, theta, gamma, batches.mask.shape[0])
    values = np.random.default_rng([seed, 6]).normal(size=len(process.start))
    return (
        training.compare("the trainer without a baseline: E[Δθ] = ∇J", theta, batches, right, gamma=gamma),
        training.compare("the trainer with any value network: E[Δθ] = ∇J", theta, batches, right, gamma=gamma,
                         baseline="value", values=values),
        training.compare("states hidden, a value of the observation: E[Δθ] = ∇J", theta[:1], mdp.hide(batches),
                         mdp.hidden_gradient(process, theta[:1], gamma, batches.mask.shape[0]), gamma=gamma,
                         baseline="value", values=values[:1]),
    )  # fmt: skip


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare ∇J with E[Σₜ γᵗ (Gₜ - bₜ) ∇log π(aₜ|sₜ)] for many b, and explained variances with their definition."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    batches = mdp.every_batch(process, horizon)
    right = mdp.objective_gradient(process, theta, gamma, horizon)
    returns, discounts = (compute(f, batches.rewards, gamma) for f in (maths.discounted_returns, maths.discounts))

    def at_steps(table: Array) -> Array:
        return np.stack([row[states] for row, states in zip(table, batches.states, strict=True)])

    def row(claim: str, baseline: npt.ArrayLike, right: Array = right, wrong: bool = False) -> Comparison:
        return mdp.compare(claim, theta, batches, discounts * (returns - baseline), right, wrong=wrong)

    mean = mdp.objective(process, theta, gamma, horizon)
    values = at_steps(mdp.values(process, theta, gamma, horizon)[:-1])
    worth = at_steps(mdp.action_values(process, theta, gamma, horizon))
    of_actions = np.take_along_axis(worth, batches.actions[..., None], axis=-1)[..., 0]
    next_values = np.concatenate([(values * batches.mask)[1:], 0 * values[:1]])
    kept = (
        row("E[Σₜ γᵗ Gₜ ∇log π(aₜ|sₜ)] = ∇J, no baseline", 0.0),
        row("the constant bₜ = E[G₀]", mean),
        row("bₜ = Vₜ(sₜ)", values),
        row("bₜ = b*ₜ(sₜ), the best function of t and sₜ", at_steps(optimal_table(theta, batches, gamma))),
    )
    other = np.random.default_rng([seed, 7]).normal(size=(horizon, states))  # any function of t and s
    first = returns[0], values[0], returns[0] - values[0]  # [N, 1]
    total, explained_part, rest = (mdp.total_variance(theta, batches, x) for x in first)
    names, variances = ("none", "E[G₀]", "V(s)", "b*(s)"), tuple(comparison.variance or 0.0 for comparison in kept)
    bars = Picture("Variance of the estimate by baseline", "baseline", "tr Cov",
                   (Series("variance", names, variances),), kind="bars")  # fmt: skip
    return Check(
        (
            exact("E[1{sₜ = s} ∇log π(aₜ|sₜ)] = 0 for every t and s", expected_scores(theta, batches), 0.0),
            *kept,
            *_trainers(process, theta, batches, gamma, seed),
            row("looks wrong: the constant bₜ = 1000", 1000.0),
            row(
                "looks wrong: bₜ = Σₖ rₖ over k < t, of earlier actions",
                np.cumsum(batches.rewards, axis=0) - batches.rewards,
            ),
            row("bₜ = Qₜ(sₜ,aₜ), which looks at the action", of_actions, wrong=True),
            row("bₜ = Qₜ(sₜ,aₜ) leaves a mean of 0", of_actions, 0 * right),
            row("bₜ = Vₜ₊₁(sₜ₊₁), to which the action has led", next_values, wrong=horizon > 1),
            exact("Var G₀ = Var V₀(s₀) + Var(G₀ - V₀(s₀))", total, explained_part + rest),
            decomposition(theta, batches, returns, values, at_steps(other)),
            *explained_variances(mdp.every_batch(process, min(horizon, 2), 2), gamma, seed),
        ),
        (bars,),
    )
