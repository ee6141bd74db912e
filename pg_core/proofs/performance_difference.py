"""The performance difference: what a new policy gains is what the old one's advantages add up to along its way."""

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp
from pg_core.proofs.mdp import Array, Mdp, Numbers, softmax
from pg_core.proofs.policy_gradient_theorem import along, objective, state_values, theorem, visits
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

HORIZON = 3  # of the form along trajectories, which has to be enumerated


def advantages(process: Mdp, theta: Numbers, gamma: float) -> Numbers:
    """Calculate A(s,a) = Q(s,a) - V(s), `[S, A]`."""
    values = state_values(process, theta, gamma)
    return mdp.worth(process, values, gamma) - values[:, None]


def total(states: Numbers, theta: Numbers, weights: Numbers) -> Numbers:
    """Calculate Σₛ d(s) Σₐ π(a|s) w(s,a), `[...]`, for d `[..., S]` and θ `[..., S, A]`."""
    return mdp.library(theta).einsum("...s,...sa,sa->...", states, softmax(theta), weights)


def gain(process: Mdp, old: Numbers, new: Numbers, gamma: float) -> Numbers:
    """Calculate Σₛ d'(s) Σₐ π'(a|s) A(s,a): the new policy's states and actions, the old one's advantages."""
    return total(visits(process, new, gamma), new, advantages(process, old, gamma))


def surrogate(process: Mdp, old: Numbers, new: Numbers, gamma: float) -> Numbers:
    """Calculate Σₛ d(s) Σₐ π'(a|s) A(s,a): with the states of the old policy, which are those that were played."""
    return total(visits(process, old, gamma), new, advantages(process, old, gamma))


def difference(process: Mdp, old: Numbers, new: Numbers, gamma: float) -> Numbers:
    """Calculate J(π') - J(π)."""
    return objective(process, new, gamma) - objective(process, old, gamma)


def whatever_is_done(process: Mdp) -> Mdp:
    """Return the process with transitions that no action changes, so that every policy sees the same states."""
    mean = process.transitions.mean(axis=1, keepdims=True)
    return process._replace(transitions=np.repeat(mean, mdp.ACTIONS, axis=1))


def paid_in_advantages(process: Mdp, old: Array, new: Array, gamma: float) -> Array:
    """Calculate E'[Σₜ γᵗ Aₜ(sₜ,aₜ)], the new policy's return where the old one's advantages are the rewards."""
    batches = mdp.every_batch(process, HORIZON)
    values = mdp.values(process, old, gamma, HORIZON)[:-1, :, None]  # [T, S, 1]
    paid = along(mdp.action_values(process, old, gamma, HORIZON) - values, batches)
    return mdp.expectation(new, batches, compute(maths.discounted_returns, paid, gamma)[0, :, 0])


def check(gamma: float = 0.9, states: int = 2, seed: int = 0) -> Check:
    """Compare J(π') - J(π) with Σₛ d'(s) Σₐ π'(a|s) A(s,a) and with what is taken for it by mistake."""
    process = mdp.random_mdp(states, seed)
    old, new = mdp.random_policy(states, seed), mdp.random_policy(states, seed + 1)
    right, still = difference(process, old, new, gamma), whatever_is_done(process)
    moved = visits(process, new, gamma) - visits(process, old, gamma)
    turned = softmax(new) - softmax(old)
    mistake = np.einsum("s,sa,sa->", moved, turned, advantages(process, old, gamma))
    approximate = surrogate(process, old, new, gamma)
    with_values = mdp.worth(process, state_values(process, old, gamma), gamma)
    rows = (
        exact("Σₛ d'(s) Σₐ π'(a|s) A(s,a) = J(π') - J(π)", gain(process, old, new, gamma), right),
        exact("with a time limit: E'[Σₜ γᵗ Aₜ(sₜ,aₜ)] = J(π') - J(π)",
              paid_in_advantages(process, old, new, gamma),
              mdp.objective(process, new, gamma, HORIZON) - mdp.objective(process, old, gamma, HORIZON)),
        exact("states of the old policy, d in place of d'", approximate, right, wrong=gamma),
        exact("… where no action changes the transitions", surrogate(still, old, new, gamma),
              difference(still, old, new, gamma)),
        exact("what d misses is Σₛ (d'-d)(s) Σₐ (π'-π)(a|s) A(s,a)", right - approximate, mistake),
        exact("Q in place of A", total(visits(process, new, gamma), new, with_values), right, wrong=True),
        exact("the policies swapped: Σₛ d(s) Σₐ π(a|s) A'(s,a)", gain(process, new, old, gamma), right, wrong=True),
    )  # fmt: skip
    return Check((*rows, *_first_order(process, old, gamma)), (_picture(process, old, new, gamma),))


def _first_order(process: Mdp, theta: Array, gamma: float) -> tuple[Comparison, ...]:
    """Compare the derivatives of both expressions at π' = π with the policy gradient theorem and with ∇J."""
    worth = mdp.worth(process, state_values(process, theta, gamma), gamma)
    at_old = theorem(theta, visits(process, theta, gamma), worth)
    right = mdp.gradient(lambda table: objective(process, table, gamma), theta)
    hold = tf.stop_gradient  # the old policy stays what it is
    slope, old_slope, nothing = (
        mdp.gradient(function, theta)
        for function in (
            lambda table: gain(process, hold(table), table, gamma),
            lambda table: surrogate(process, hold(table), table, gamma),
            lambda table: gain(process, table, table, gamma),
        )
    )
    return (
        exact("its derivative at π' = π is Σₛ d(s) Σₐ ∇π(a|s) Q(s,a)", slope, at_old),
        exact("with the old policy's states, too, it is ∇J", old_slope, right),
        exact("derivative with A not held constant", nothing, right, wrong=True),
    )


def _picture(process: Mdp, old: Array, new: Array, gamma: float) -> Picture:
    """Draw both expressions on the way from the old logits to the new ones."""
    shares = [k / 20 for k in range(21)]
    way = old + np.reshape(shares, [-1, 1, 1]) * (new - old)
    expressions = {"new policy's states: J(π') - J(π)": gain, "old policy's states": surrogate}
    lines = [
        Series(name, tuple(shares), tuple(expression(process, old, way, gamma).tolist()))
        for name, expression in expressions.items()
    ]
    return Picture("Both leave the old policy in one direction", "Share of the way to π'", "Gain", tuple(lines))
