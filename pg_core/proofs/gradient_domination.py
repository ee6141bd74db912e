"""Gradient domination: the gap to the best policy is a weighted sum of derivatives, whose weights may be huge.

Policies have a row of logits for each time and state here, θ `[..., T, S, A]`, of which many may be given at once.
"""

import functools
import itertools

import numpy as np

from pg_core.proofs import mdp, training
from pg_core.proofs.discounting import two_gates
from pg_core.proofs.landscapes import shortfall
from pg_core.proofs.mdp import Array, Mdp, softmax
from pg_core.proofs.policy_gradient_theorem import objective, state_values, visits
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

POLICIES = 20
CHANCES = 0.5 ** np.arange(1, 9)  # of passing a gate
RARE = 0.01


def worth(process: Mdp, policies: Array, gamma: float) -> Array:
    """Calculate Qₜ(s,a), `[..., T, S, A]`, backwards from V_T = 0."""
    values, result = np.zeros(policies.shape[:-3] + policies.shape[-2:-1]), []
    for t in reversed(range(policies.shape[-3])):
        onward = np.einsum("sax,...x->...sa", process.transitions[..., :-1], values)
        result.append(process.rewards + gamma * onward)
        values = np.sum(policies[..., t, :, :] * result[-1], axis=-1)
    return np.stack(result[::-1], axis=-3)


def returns(process: Mdp, policies: Array, gamma: float) -> Array:
    """Calculate J = Σₛ ρ₀(s) V₀(s), `[...]`."""
    first = policies[..., 0, :, :] * worth(process, policies, gamma)[..., 0, :, :]
    result: Array = np.sum(process.start[:, None] * first, axis=(-2, -1))
    return result


def reached(process: Mdp, policies: Array) -> Array:
    """Calculate dₜ(s) = P(sₜ = s), `[..., T, S]`, forwards from ρ₀."""
    result = [np.broadcast_to(process.start, policies.shape[:-3] + process.start.shape)]
    for t in range(policies.shape[-3] - 1):
        step = result[-1][..., None] * policies[..., t, :, :]
        result.append(np.einsum("...sa,sax->...x", step, process.transitions[..., :-1]))
    return np.stack(result, axis=-2)


def derivatives(process: Mdp, thetas: Array, gamma: float) -> Array:
    """Calculate ∂J/∂θₜ(s,a) by ∂J/∂x = Im J(x + ih) / h, in which nothing cancels, `[..., T, S, A]`."""
    size, shape = 1e-30, thetas.shape[-3:]
    directions = np.eye(int(np.prod(shape))).reshape(*shape, *shape)
    ahead = softmax(thetas[..., None, None, None, :, :, :] + 1j * size * directions)
    result: Array = returns(process, ahead, gamma).imag / size
    return result


def by_theorem(process: Mdp, policies: Array, gamma: float) -> Array:
    """Calculate γᵗ dₜ(s) πₜ(a|s) Aₜ(s,a), `[..., T, S, A]`."""
    values = worth(process, policies, gamma)
    advantages = values - np.sum(policies * values, axis=-1, keepdims=True)
    discounts = gamma ** np.arange(policies.shape[-3])[:, None, None]
    result: Array = discounts * reached(process, policies)[..., None] * policies * advantages
    return result


def best(process: Mdp, gamma: float, horizon: int) -> Array:
    """Choose, backwards in time, the action of greatest Q*ₜ(s,a): probabilities 0 and 1, `[T, S, A]`."""
    policy = np.zeros((horizon, *process.rewards.shape))
    for t in reversed(range(horizon)):
        policy[t, np.arange(len(process.start)), worth(process, policy, gamma)[t].argmax(axis=-1)] = 1.0
    return policy


def every_choice(horizon: int, states: int) -> Array:
    """Return every table of actions as probabilities 0 and 1, `[A^TS, T, S, A]`."""
    chosen = np.array(list(itertools.product(range(mdp.ACTIONS), repeat=horizon * states)))
    result: Array = np.eye(mdp.ACTIONS)[chosen.reshape(-1, horizon, states)]
    return result


def factors(process: Mdp, policies: Array, target: Array) -> Array:
    """Calculate cₜ(s) = d*ₜ(s) / (dₜ(s) πₜ(a*|s)), `[..., T, S]`, 0 where the best policy does not come."""
    ahead = reached(process, target)
    behind = reached(process, policies) * np.sum(policies * target, axis=-1)
    result: Array = np.divide(ahead, behind, out=np.zeros_like(behind), where=ahead > 0)
    return result


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare J* - J with a sum of derivatives and with bounds, right and wrong ones, by the length of ∇J."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    thetas = np.random.default_rng([seed, 8]).normal(size=(POLICIES, horizon, states, mdp.ACTIONS))
    shared = np.broadcast_to(softmax(theta), (horizon, states, mdp.ACTIONS))
    summed = by_theorem(process, shared, gamma).sum(axis=0)
    rows = (
        exact("∂J/∂θₜ(s,a) = γᵗ dₜ(s) πₜ(a|s) Aₜ(s,a)", derivatives(process, thetas, gamma),
              by_theorem(process, softmax(thetas), gamma)),
        training.compare("one row for all t: the trainer's E[Δθ] is the sum of these over t",
                         theta, mdp.every_batch(process, horizon), summed, gamma=gamma),
        exact("J* by backward recursion is the largest J of all tables of actions",
              returns(process, best(process, gamma, horizon), gamma),
              returns(process, every_choice(horizon, states), gamma).max()),
    )  # fmt: skip
    more = *_with_limit(process, thetas, gamma), *_without_limit(process, theta, gamma), *_forgetful()
    gates, picture = _gates()
    return Check((*rows, *more, *gates), (picture,))


def _with_limit(process: Mdp, thetas: Array, gamma: float) -> tuple[Comparison, ...]:
    """Compare the gap of policies that know the time with what the gradient says of it."""
    policies, target = softmax(thetas), best(process, gamma, thetas.shape[-3])
    gaps = returns(process, target, gamma) - returns(process, policies, gamma)
    values, slopes = worth(process, policies, gamma), derivatives(process, thetas, gamma)
    advantages = np.sum(target * values, axis=-1) - np.sum(policies * values, axis=-1)
    discounts = gamma ** np.arange(thetas.shape[-3])[:, None]
    along = np.sum(discounts * reached(process, target) * advantages, axis=(-2, -1))
    c, lengths = factors(process, policies, target), np.sqrt(np.sum(slopes**2, axis=(-3, -2, -1)))
    least = np.sum(policies * target, axis=-1).min(axis=(-2, -1))
    counts = np.count_nonzero(reached(process, target))
    return (
        exact("J ≤ J*", shortfall(gaps, 0.0), 0.0),
        exact("J* - J = Σₜₛ γᵗ d*ₜ(s) Aₜ(s,a*)", gaps, along),
        exact("J* - J = Σₜₛ cₜ(s) ∂J/∂θₜ(s,a*), cₜ(s) = d*ₜ(s) / (dₜ(s) πₜ(a*|s))", gaps,
              np.sum(c * np.sum(target * slopes, axis=-1), axis=(-2, -1))),
        exact("J* - J ≤ √(Σ c²) ‖∇J‖", shortfall(np.sqrt(np.sum(c**2, axis=(-2, -1))) * lengths, gaps), 0.0),
        exact("J* - J ≤ √n max c ‖∇J‖", shortfall(np.sqrt(counts) * c.max(axis=(-2, -1)) * lengths, gaps), 0.0),
        exact("max c ≤ (min πₜ(a*|s))⁻ᵀ", shortfall(least ** -float(len(target)), c.max(axis=(-2, -1))), 0.0),
    )  # fmt: skip


def _without_limit(process: Mdp, theta: Array, gamma: float) -> tuple[Comparison, ...]:
    """Compare the same without a time limit, where nothing depends on t."""
    tables = every_choice(1, len(process.start))[:, 0]
    target = tables[np.argmax(_values(process, tables, gamma).sum(axis=1))]  # best in every state
    logits = _logits(target)
    gap = objective(process, logits, gamma) - objective(process, theta, gamma)
    slope = mdp.gradient(lambda table: objective(process, table, gamma), theta)
    chosen = np.sum(target * softmax(theta), axis=1)
    c = visits(process, logits, gamma) / (visits(process, theta, gamma) * chosen)
    worths = mdp.worth(process, _values(process, target, gamma), gamma)
    return (
        exact("no limit: π* is greedy for its own Q*", np.sum(target * worths, axis=1), worths.max(axis=1)),
        exact("no limit: J* - J = Σₛ c(s) ∂J/∂θ(s,a*)", gap, np.sum(c * np.sum(target * slope, axis=1))),
        exact("no limit: J* - J ≤ √|S| max d*/d ‖∇J‖ / min π(a*|s)",
              shortfall(_mei(process, theta, logits, chosen, gamma) * np.linalg.norm(slope), gap), 0.0),
    )  # fmt: skip


def _logits(policies: Array) -> Array:
    """Return logits of policies, -∞ for the probability 0."""
    with np.errstate(divide="ignore"):
        logits: Array = np.log(policies)
    return logits


def _values(process: Mdp, policies: Array, gamma: float) -> Array:
    values: Array = state_values(process, _logits(policies), gamma)
    return values


def _mei(process: Mdp, theta: Array, best_logits: Array, chosen: Array, gamma: float) -> Array:
    """Calculate √|S| maxₛ d*(s)/d(s) / minₛ π(a*|s)."""
    ratio = visits(process, best_logits, gamma) / visits(process, theta, gamma)
    bound: Array = np.sqrt(len(process.start)) * ratio.max() / chosen.min()
    return bound


def stay_or_end(knows_time: bool) -> Mdp:
    """Return two steps at most: action 0 earns 1 and stays, action 1 earns 2 and ends; perhaps t is the state."""
    transitions = np.zeros((2, 2, 3))
    transitions[0, 0, int(knows_time)] = transitions[0, 1, 2] = transitions[1, :, 2] = 1.0
    return Mdp(np.array([1.0, 0.0]), transitions, np.array([[1.0, 2.0], [1.0, 2.0]]))


def mean_step(process: Mdp, theta: Array) -> Array:
    """Calculate the mean of the trainer's steps for γ = 1 and two steps at most, `[S, A]`."""
    batches = mdp.every_batch(process, 2)
    mean = mdp.expectation(theta, batches, training.steps(theta, batches, gamma=1.0))
    return mean


@functools.cache
def _forgetful() -> tuple[Comparison, ...]:
    """Compare a policy that does not know the time, at its best, with one that does: 2.25 and 3."""
    theta = np.zeros((2, 2))
    forgetful, aware = stay_or_end(False), stay_or_end(True)
    policy = np.full((2, 2, 2), 0.5)
    top, value = returns(aware, best(aware, 1.0, 2), 1.0), returns(forgetful, policy, 1.0)
    slope = mean_step(aware, theta)
    return (
        exact("stay (1) or end (2), T = 2, π = (½, ½), t unknown: the trainer's E[Δθ] = 0",
              mean_step(forgetful, theta), 0.0),
        exact("∇J = 0, so J = J*: also with one row for all t", value, top, wrong=True),
        # c₀ = 1/½ for action 0, c₁ = 1/(½ · ½) for action 1
        exact("… t known: Σ c times the trainer's E[Δθ] is J* - J", 2 * slope[0, 0] + 4 * slope[1, 1], top - value),
    )  # fmt: skip


@functools.cache
def _gates() -> tuple[tuple[Comparison, ...], Picture]:
    """Compare, on the plateau before two gates, the trainer's mean step with the gap, 1 - p²."""
    p = np.append(CHANCES, RARE)
    slopes = np.stack([mean_step(two_gates(), np.log([[1 - x, x]] * 2)) for x in p])
    lengths, gaps = np.sqrt(np.sum(slopes**2, axis=(1, 2))), 1 - p**2
    c = np.stack([1 / p, 1 / p**2], axis=1)  # d* = 1, d = 1 and p
    second = mean_step(two_gates(), np.log([[0.5, 0.5], [1 - RARE, RARE]]))  # only that gate is hard
    bounds = np.sqrt(np.sum(c**2, axis=1)) * lengths
    rows = (
        exact("two gates, passed with p: the trainer's ‖E[Δθ]‖ is 2 p² (1-p)", lengths, 2 * p**2 * (1 - p)),
        exact("… J* - J = 1 - p² is Σ c times its E[Δθ]", np.sum(c * slopes[:, :, 1], axis=1), gaps),
        exact("… J* - J ≤ ‖∇J‖, so a small gradient means a small gap",
              shortfall(lengths[-1], gaps[-1]), 0.0, wrong=True),
        exact("… π(a*|s) left out: J* - J ≤ √n max d*/d ‖∇J‖",
              shortfall(np.sqrt(2) / 0.5 * np.linalg.norm(second), 1 - 0.5 * RARE), 0.0, wrong=True),
        exact("… the states left out: J* - J ≤ √n ‖∇J‖ / min π(a*|s)",
              shortfall(np.sqrt(2) / RARE * lengths[-1], gaps[-1]), 0.0, wrong=True),
    )  # fmt: skip
    lines = {"J* - J": gaps, "‖∇J‖, of the trainer's steps": lengths, "the bound √(Σ c²) ‖∇J‖": bounds}
    x = tuple(CHANCES.tolist())
    series = tuple(Series(name, x, tuple(y[:-1].tolist())) for name, y in lines.items())
    title = "Two gates: the rarer the right action, the flatter J, however much is missing"
    return rows, Picture(title, "p = π(a*), of passing a gate", "Gap and gradient", series, log=True)
