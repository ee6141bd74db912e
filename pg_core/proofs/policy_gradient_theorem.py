"""The policy gradient theorem: every state as often as it counts, and in it what each action is worth from there on.

Without a time limit: an episode ends by itself, sooner or later, so that all sums over time converge even for γ = 1.
"""

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp, training
from pg_core.proofs.discounting import two_gates
from pg_core.proofs.mdp import Array, Batches, Mdp, Numbers, softmax
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

HORIZON = 5  # of the form along trajectories, which has to be enumerated
LIMITS = 8  # the longest of the time limits with which values are calculated, too
DOUBLINGS = 40  # of a series: 2⁴⁰ steps, longer than any episode


def state_values(process: Mdp, theta: Numbers, gamma: float) -> Numbers:
    """Solve V = r_π + γ P_π V, V = (I - γP_π)⁻¹ r_π, `[..., S]`."""
    rewards = (softmax(theta)[..., None, :] @ process.rewards[..., None])[..., 0]  # [..., S, 1]
    return mdp.library(theta).linalg.solve(_left(process, theta, gamma), rewards)[..., 0]


def _left(process: Mdp, theta: Numbers, gamma: float) -> Numbers:
    """Calculate I - γP_π, `[..., S, S]`."""
    return np.eye(theta.shape[-2]) - gamma * mdp.onward(process, theta)


def slopes(process: Mdp, theta: Array, gamma: float) -> Array:
    """Differentiate V(s) through the linear solve, ∇V, `[S, S, A]`: each state's from a copy of θ of its own."""
    copies = np.stack([theta] * len(theta))
    found: Array = mdp.gradient(lambda tables: tf.linalg.trace(state_values(process, tables, gamma)), copies)
    return found


def visits(process: Mdp, theta: Numbers, gamma: float) -> Numbers:
    """Solve d = ρ₀ + γ P_πᵀ d for d(s) = Σₜ γᵗ P(sₜ = s), dᵀ = ρ₀ᵀ (I - γP_π)⁻¹, `[..., S]`."""
    left = mdp.library(theta).linalg.matrix_transpose(_left(process, theta, gamma))
    first = process.start[:, None] + 0 * left[..., :1]  # [..., S, 1]
    return mdp.library(theta).linalg.solve(left, first)[..., 0]


def objective(process: Mdp, theta: Numbers, gamma: float) -> Numbers:
    """Calculate J(θ) = Σₛ ρ₀(s) V(s), `[...]`."""
    return (state_values(process, theta, gamma)[..., None, :] @ process.start[:, None])[..., 0, 0]


def series(process: Mdp, theta: Array, gamma: float, first: Array) -> Array:
    """Add up first · Σₜ (γP_π)ᵗ, `[..., S]`, by doubling: Σ of 2n powers is Σ of n, times (I + (γP_π)ⁿ)."""
    total, power = first, gamma * mdp.onward(process, theta)
    for _ in range(DOUBLINGS):
        total, power = total + total @ power, power @ power
    return total


def theorem(theta: Array, states: Array, weights: Array) -> Array:
    """Calculate Σₛ d(s) Σₐ ∇π(a|s) w(s,a), `[..., S, A]`, with ∂π(a|s)/∂θ(s,b) = π(a|s) (1[a=b] - π(b|s))."""
    policy = softmax(theta)
    gradients = policy[:, :, None] * (np.eye(policy.shape[1]) - policy[:, None])  # [S, A, A]
    result: Array = np.einsum("...s,sab,...sa->...sb", states, gradients, weights)
    return result


def finite_theorem(process: Mdp, theta: Array, gamma: float, horizon: int) -> Array:
    """Calculate Σₜ Σₛ γᵗ P(sₜ = s) Σₐ ∇π(a|s) Qₜ(s,a), `[S, A]`."""
    counts = gamma ** np.arange(horizon)[:, None] * mdp.state_distributions(process, theta, horizon)
    total: Array = theorem(theta, counts, mdp.action_values(process, theta, gamma, horizon)).sum(axis=0)
    return total


def along(table: Array, batches: Batches) -> Array:
    """Look up xₜ(sₜ,aₜ) in a table `[T, S, A]`, `[T, N, B]`, 0 where not played."""
    found: Array = table[np.arange(len(batches.mask))[:, None, None], batches.states, batches.actions]
    return found * batches.mask


def hidden(process: Mdp, theta: Array, gamma: float) -> tuple[Array, Array]:
    """Calculate Q(o,a) of a policy that sees the same o in every state, `[A]`, as a mean, and by Bellman's equation.

    The mean is over the states, each with the weight d(s). The equation is solved as if o were a state, with rewards
    and transitions averaged by the same weights.
    """
    counts = visits(process, theta, gamma)
    shares = counts / counts.sum()
    mean = shares @ mdp.worth(process, state_values(process, theta, gamma), gamma)
    rewards, stays = shares @ process.rewards, shares @ process.transitions[..., :-1].sum(axis=2)
    policy = softmax(theta[0])
    value = policy @ rewards / (1 - gamma * policy @ stays)
    return mean, rewards + gamma * stays * value


def _hidden(process: Mdp, theta: Array, gamma: float) -> tuple[Comparison, Comparison]:
    """Compare the theorem over observations with ∇J, for both action values of an observation."""
    table, states = np.repeat(theta[:1], len(process.start), axis=0), len(process.start)
    count = visits(process, table, gamma).sum(keepdims=True)
    right = mdp.gradient(lambda row: objective(process, tf.repeat(row, states, axis=0), gamma), theta[:1])
    mean, solved = (theorem(theta[:1], count, worth[None]) for worth in hidden(process, table, gamma))
    return (
        exact("states hidden, Q(o,a) a mean of Q(s,a) by d(s): d(o) Σₐ ∇π(a|o) Q(o,a) = ∇J", mean, right),
        exact("states hidden, Q(o,a) by Bellman's equation for o: the same", solved, right, wrong=gamma * (states > 1)),
    )


def beyond_the_limit(process: Mdp, theta: Array, gamma: float) -> Array:
    """Calculate by how much |V(s) - Vₙ(s)| exceeds κⁿ max |r| / (1-κ), with a time limit of n = 0 … 8, `[9, S]`."""
    kappa = gamma * process.transitions[..., :-1].sum(axis=2).max()
    limited = mdp.values(process, theta, gamma, LIMITS)[::-1]  # with n steps left
    bounds = kappa ** np.arange(LIMITS + 1)[:, None] * np.abs(process.rewards).max() / (1 - kappa)
    excess: Array = np.maximum(np.abs(state_values(process, theta, gamma) - limited) - bounds, 0)
    return excess


def check(gamma: float = 0.9, states: int = 2, seed: int = 0) -> Check:
    """Compare ∇J, differentiated through the linear solve, with Σₛ d(s) Σₐ ∇π(a|s) Q(s,a) and its mistakes."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    right = mdp.gradient(lambda table: objective(process, table, gamma), theta)
    values, counts = state_values(process, theta, gamma), visits(process, theta, gamma)
    worth, undiscounted = mdp.worth(process, values, gamma), visits(process, theta, 1.0)
    with_values = np.repeat(values[:, None], mdp.ACTIONS, axis=1)
    rows = (
        exact("Σₛ d(s) Σₐ ∇π(a|s) Q(s,a) = ∇J", theorem(theta, counts, worth), right),
        exact("Σₛ d(s) Σₐ ∇π(a|s) A(s,a) = ∇J", theorem(theta, counts, worth - with_values), right),
        exact("states counted without γᵗ", theorem(theta, undiscounted, worth), right, wrong=1 - gamma),
        exact("(1-γ) d in place of d", theorem(theta, (1 - gamma) * counts, worth), right, wrong=gamma),
        exact("only first states, ρ₀ in place of d", theorem(theta, process.start, worth), right, wrong=gamma),
        exact("V in place of Q", theorem(theta, counts, with_values), right, wrong=True),
    )
    bars = _visits({"discounted, d": counts, "undiscounted": undiscounted, "(1-γ) d": (1 - gamma) * counts})
    pictures = bars, _remainder(process, theta, gamma)
    limits = _with_limit(process, theta, gamma)
    return Check((*_sums(process, theta, gamma), *rows, *limits, *_hidden(process, theta, gamma)), pictures)


def _sums(process: Mdp, theta: Array, gamma: float) -> tuple[Comparison, ...]:
    """Compare what was solved for with sums over time."""
    values, unrolled = state_values(process, theta, gamma), series(process, theta, gamma, np.eye(len(process.start)))
    rewards = np.sum(softmax(theta) * process.rewards, axis=1)
    own = theorem(theta, np.ones_like(values), mdp.worth(process, values, gamma))  # g(s) in row s
    counts = series(process, theta, gamma, process.start)
    return (
        exact("V = (I - γP_π)⁻¹ r_π is the sum Σₜ (γP_π)ᵗ r_π", values, unrolled @ rewards),
        exact("|V - Vₙ| ≤ κⁿ max |r| / (1-κ) with a time limit of n = 0 … 8: excess",
              beyond_the_limit(process, theta, gamma), 0.0),
        exact("dᵀ = ρ₀ᵀ (I - γP_π)⁻¹ is the sum Σₜ γᵗ P(sₜ = s)", visits(process, theta, gamma), counts),
        exact("∇V = Σₜ (γP_π)ᵗ g with g(s) = Σₐ ∇π(a|s) Q(s,a)", unrolled[..., None] * own,
              slopes(process, theta, gamma)),
    )  # fmt: skip


def _with_limit(process: Mdp, theta: Array, gamma: float) -> tuple[Comparison, ...]:
    """Compare the theorem with a time limit, first with ∇J, then with what weighs scores along trajectories."""
    batches, right = mdp.every_batch(process, HORIZON), finite_theorem(process, theta, gamma, HORIZON)
    discounts, returns = (compute(f, batches.rewards, gamma) for f in (maths.discounts, maths.discounted_returns))
    worth = mdp.action_values(process, theta, gamma, HORIZON)
    values = mdp.values(process, theta, gamma, HORIZON)[:-1, :, None]  # [T, S, 1]
    weights = {"Gₜ": returns, "Qₜ(sₜ,aₜ)": along(worth, batches), "Aₜ(sₜ,aₜ)": along(worth - values, batches)}
    gates, table = two_gates(), theta[:1] + np.array([[0.0], [1.0]])
    passed = mdp.every_batch(gates, 2)  # no episode is longer, limit or not
    without_limit = theorem(
        table, visits(gates, table, gamma), mdp.worth(gates, state_values(gates, table, gamma), gamma)
    )
    return (
        training.compare("two gates, no limit: along trajectories, the trainer's E[Δθ] is the theorem's", table, passed,
                         without_limit, gamma=gamma),
        exact("with a time limit: Σₜ Σₛ γᵗ P(sₜ = s) Σₐ ∇π(a|s) Qₜ(s,a) = ∇J", right,
              mdp.objective_gradient(process, theta, gamma, HORIZON)),
        *(mdp.compare(f"along trajectories: E[Σₜ γᵗ {name} ∇log π(aₜ|sₜ)] = ∇J", theta, batches, discounts * x, right)
          for name, x in weights.items()),
    )  # fmt: skip


def _visits(distributions: dict[str, Array]) -> Picture:
    """Draw how often each state counts."""
    bars = [
        Series(name, tuple(f"s = {s}" for s in range(len(counts))), tuple(counts.tolist()))
        for name, counts in distributions.items()
    ]
    return Picture("How often a state counts", "State", "Visits in an episode", tuple(bars), "bars")


def _remainder(process: Mdp, theta: Array, gamma: float) -> Picture:
    """Draw what is left after n steps of unrolling ∇V = g + γP_π ∇V."""
    step, sizes = gamma * mdp.onward(process, theta), []
    rest = slopes(process, theta, gamma).reshape(len(step), -1)
    for _ in range(16):
        sizes.append(float(np.abs(rest).max()))
        rest = step @ rest
    line = Series("max |(γP_π)ⁿ ∇V|", tuple(range(len(sizes))), tuple(sizes))
    return Picture("What unrolling leaves", "Steps n", "Largest entry", (line,))
