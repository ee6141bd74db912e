"""The baseline of least variance: a mean of returns in which longer scores count for more."""

import numpy as np
import numpy.typing as npt

from pg_core import maths
from pg_core.proofs import mdp
from pg_core.proofs.discounting import two_gates
from pg_core.proofs.mdp import Array, Batches, Mdp, Numbers, softmax
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact


def squared_scores(theta: Array, batches: Batches) -> Array:
    """Calculate ‖Ψ‖² of each episode's whole score Ψ = Σₜ ∇log π(aₜ|sₜ), `[N]`."""
    whole = mdp.scores(theta, batches).sum(axis=(0, 2))
    squares: Array = (whole**2).sum(axis=(1, 2))
    return squares


def optimal_constant(theta: Array, batches: Batches, gamma: float) -> Array:
    """Calculate b* = E[‖Ψ‖² G₀] / E[‖Ψ‖²], a scalar."""
    squares = squared_scores(theta, batches)
    returns = compute(maths.episode_returns, batches.rewards, gamma)[0, :, 0]
    return mdp.expectation(theta, batches, squares * returns) / mdp.expectation(theta, batches, squares)


def squared_step_scores(theta: Array, batches: Batches, weights: npt.ArrayLike = 1.0) -> Array:
    """Calculate E[1{sₜ = s} ‖ψₜ‖² wₜ], ψₜ = ∇log π(aₜ|sₜ), for weights `[T, N, 1]`, `[T, S]`."""
    squares = (mdp.scores(theta, batches)[:, :, 0] ** 2).sum(axis=-1)  # [T, N, S]: all but row sₜ is 0
    mean: Array = np.einsum("n,tns->ts", mdp.probabilities(theta, batches), squares * np.asarray(weights))
    return mean


def optimal_table(theta: Array, batches: Batches, gamma: float) -> Array:
    """Calculate b*ₜ(s) = E[1{sₜ = s} ψₜ · Σₖ γᵏ Gₖ ψₖ] / (γᵗ E[1{sₜ = s} ‖ψₜ‖²]), `[T, S]`.

    It is 0 where γᵗ is 0, or so small that its square is.
    """
    scores = mdp.scores(theta, batches)[:, :, 0]
    returns, discounts = (compute(f, batches.rewards, gamma) for f in (maths.discounted_returns, maths.discounts))
    whole = mdp.estimates(theta, batches, discounts * returns)
    products = np.einsum("n,tnsa,nsa->ts", mdp.probabilities(theta, batches), scores, whole)
    seen = np.where(discounts[:, 0] ** 2 > 0, discounts[:, 0], 0)
    return ratio(products, seen * squared_step_scores(theta, batches))


def ratio(above: Array, below: Array) -> Array:
    """Divide, where that is possible; else return 0."""
    result: Array = np.divide(above, below, out=np.zeros_like(below), where=below != 0)
    return result


def variance(chances: Array, vectors: Numbers) -> Numbers:
    """Calculate tr Cov[X] for vectors `[N, S, A]` and their probabilities `[N]`, so that the tape can record it."""
    library = mdp.library(vectors)
    return library.einsum("n,nsa->", chances, (vectors - library.tensordot(chances, vectors, 1)) ** 2)


def swapped_mean(process: Mdp, theta: Array, gamma: float, horizon: int) -> Array:
    """Calculate π(1|s) Qₜ(s,0) + π(0|s) Qₜ(s,1), `[T, S]`."""
    mean: Array = (softmax(theta)[:, ::-1] * mdp.action_values(process, theta, gamma, horizon)).sum(axis=-1)
    return mean


def of_constants(process: Mdp, theta: Array, batches: Batches, gamma: float) -> tuple[list[Comparison], Picture]:
    """Compare the variance of (G₀ - b) Ψ, as a function of b, with a parabola whose lowest point is b*."""
    horizon = len(batches.mask)
    right = mdp.objective_gradient(process, theta, gamma, horizon)
    mean = mdp.objective(process, theta, gamma, horizon)
    returns = compute(maths.episode_returns, batches.rewards, gamma)

    chances = mdp.probabilities(theta, batches)
    paid, whole = (mdp.estimates(theta, batches, x) for x in (returns, np.ones_like(returns)))

    def by_baseline(b: Numbers) -> Numbers:
        return variance(chances, paid - b * whole)

    best = optimal_constant(theta, batches, gamma)
    others = np.array([mean, 0 * mean, best - 0.01, best + 0.01])
    squares = mdp.expectation(theta, batches, squared_scores(theta, batches))
    rows = [
        mdp.compare("E[(G₀ - b*) Ψ] = ∇J, Ψ = Σₜ ∇log π(aₜ|sₜ)", theta, batches, returns - best, right),
        mdp.compare("E[(G₀ - E[G₀]) Ψ] = ∇J", theta, batches, returns - mean, right),
        mdp.compare("E[G₀ Ψ] = ∇J", theta, batches, returns, right),
        exact("dVar/db = 0 at b* = E[‖Ψ‖² G₀] / E[‖Ψ‖²]", mdp.gradient(by_baseline, best), 0.0),
        exact("d²Var/db² = 2 E[‖Ψ‖²]", mdp.gradient(lambda b: mdp.gradient(by_baseline, b), best), 2 * squares),
        exact("Var(b) = Var(b*) + (b - b*)² E[‖Ψ‖²] for b = E[G₀], 0, b* ± 0.01",
              [by_baseline(b) for b in others], by_baseline(best) + (others - best) ** 2 * squares),
        exact("the mean return is the optimum: b* = E[G₀]", best, mean, wrong=True),
    ]  # fmt: skip
    grid = np.linspace(float(best) - 2, float(best) + 2, 17)
    marks = [Series(name, (float(b),) * 2, (0.0, float(by_baseline(b)))) for name, b in (("b*", best), ("E[G₀]", mean))]
    parabola = Series("Var(b)", tuple(grid.tolist()), tuple(float(by_baseline(b)) for b in grid))
    return rows, Picture("Variance of the estimate by constant baseline", "b", "tr Cov", (parabola, *marks))


def of_tables(process: Mdp, theta: Array, batches: Batches, gamma: float) -> list[Comparison]:
    """Compare the variance of Σₜ γᵗ (Gₜ - bₜ(sₜ)) ψₜ, as a function of all bₜ(s), with that at V and at b*."""
    horizon, visited = len(batches.mask), np.eye(len(theta))[batches.states[..., 0]]  # [T, N, S]
    right = mdp.objective_gradient(process, theta, gamma, horizon)
    returns, discounts = (compute(f, batches.rewards, gamma) for f in (maths.discounted_returns, maths.discounts))
    chances, scores = mdp.probabilities(theta, batches), mdp.scores(theta, batches)[:, :, 0]

    def weights(table: Numbers) -> Numbers:
        return discounts * (returns - visited @ table[..., None])

    def by_table(table: Numbers) -> Numbers:
        return variance(chances, mdp.library(table).einsum("tnb,tnsa->nsa", weights(table), scores))

    best, factors = optimal_table(theta, batches, gamma), discounts[:, 0]
    values = mdp.values(process, theta, gamma, horizon)[:-1]
    squares = squared_step_scores(theta, batches)
    alone = squared_step_scores(theta, batches, returns) / squares
    excess = (factors**2 * squares * (values - best) ** 2).sum()
    return [
        mdp.compare("E[Σₜ γᵗ (Gₜ - b*ₜ(sₜ)) ψₜ] = ∇J", theta, batches, weights(best), right),
        mdp.compare("E[Σₜ γᵗ (Gₜ - Vₜ(sₜ)) ψₜ] = ∇J", theta, batches, weights(values), right),
        exact("∂Var/∂bₜ(s) = 0 at b*ₜ(s) for every t and s", mdp.gradient(by_table, best), 0.0),
        exact("Var(V) = Var(b*) + Σₜ γ²ᵗ E[‖ψₜ‖² (Vₜ(sₜ) - b*ₜ(sₜ))²]", by_table(values), by_table(best) + excess),
        exact("the state's value is the optimum: b*ₜ(s) = Vₜ(s)", factors * best, factors * values, wrong=True),
        exact("E[‖ψₜ‖² Gₜ|s] / E[‖ψₜ‖²|s] = π(1|s) Qₜ(s,0) + π(0|s) Qₜ(s,1)", alone,
              swapped_mean(process, theta, gamma, horizon)),
        exact("that is the optimum also beside other steps", factors * alone, factors * best,
              wrong=gamma * (horizon > 1)),
    ]  # fmt: skip


def at_two_gates(gamma: float, seed: int) -> Comparison:
    """Compare both formulas in a process in which no state is seen twice: there, no two steps share parameters."""
    theta, batches = mdp.random_policy(2, seed), mdp.every_batch(two_gates(), 2)
    returns = compute(maths.discounted_returns, batches.rewards, gamma)
    discounts = gamma ** np.arange(2)[:, None]
    alone = ratio(squared_step_scores(theta, batches, returns), squared_step_scores(theta, batches))
    best = optimal_table(theta, batches, gamma)
    return exact("two gates, no state seen twice: there it is the optimum", discounts * alone, discounts * best)


def drawn_rewards(theta: Array, pulls: Batches, baseline: Array, spread: float = 1.0) -> float:
    """Calculate the variance of (G₀ - b) Ψ of one step where its reward is drawn, r ± `spread` by an even chance."""
    twice = Batches._make(
        [*(np.concatenate([rows, rows], axis=1) for rows in pulls[:4]), np.tile(pulls.dynamics / 2, 2)]
    )
    signs = np.repeat([1.0, -1.0], len(pulls.dynamics))[:, None]
    return mdp.total_variance(theta, twice, mdp.estimates(theta, twice, twice.rewards + spread * signs - baseline))


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare the variance's derivative at the optimal baseline with 0, and other baselines with the optimal one."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    batches = mdp.every_batch(process, horizon)
    rows, picture = of_constants(process, theta, batches, gamma)
    policy, pulls = mdp.random_policy(1, seed), mdp.every_batch(mdp.random_mdp(1, seed), horizon=1)
    best = optimal_constant(policy, pulls, gamma)
    drawn = drawn_rewards(policy, pulls, best)
    least = mdp.total_variance(policy, pulls, mdp.estimates(policy, pulls, pulls.rewards - best))
    return Check((
        *rows,
        exact("one state, one step, two actions: no variance is left at b*", least, 0.0),
        exact("with drawn rewards, r ± 1: E[‖Ψ‖²] is left", drawn,
              mdp.expectation(policy, pulls, squared_scores(policy, pulls))),
        exact("with drawn rewards, r ± 1: no variance is left at b*", drawn, 0.0, wrong=True),
        *of_tables(process, theta, batches, gamma),
        at_two_gates(gamma, seed),
    ), (picture,))  # fmt: skip
