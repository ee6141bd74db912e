"""The trust region: how far the surrogate of the old policy's states may be trusted, with every factor."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp, training
from pg_core.proofs.gradient_domination import reached, returns, stay_or_end, worth
from pg_core.proofs.landscapes import shortfall
from pg_core.proofs.mdp import Array, Batches, Mdp, softmax
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

DISTANCES = np.repeat([0.01, 0.1, 0.3, 1.0, 3.0], 4)  # of new policies from the old one, in logits
LOG_ODDS = np.linspace(-3.0, 5.0, 81)
OLD_CHANCE = 0.25  # of ending, in the example


class Step(NamedTuple):
    """All that the bounds compare an old policy and new ones by; dimensions `[...]` are those of the new ones."""

    gain: Array  # J(π') - J(π), [...]
    surrogate: Array  # U = Σₜ γᵗ Σₛ dₜ(s) Σₐ π'(a|s) Aₜ(s,a), [...]
    missed: Array  # Σₜ γᵗ Σₛ (d'ₜ-dₜ)(s) Σₐ π'(a|s) Aₜ(s,a), [...]
    moved: Array  # Σₛ |d'ₜ(s) - dₜ(s)|, [..., T]
    old_states: Array  # dₜ(s), [T, S]
    total_variation: Array  # TV(s) = ½ Σₐ |π'-π|, [..., S]
    kl: Array  # KL(π(·|s) ‖ π'(·|s)), [..., S]
    constant: float  # C = 2 Σₜ t γᵗ max |Aₜ|
    averages: Array  # γᵗ maxₛ |Σₐ π'(a|s) Aₜ(s,a)|, [..., T]

    def mean_kl(self) -> Array:
        """Calculate D = Σₜₛ dₜ(s) KL(s) / Σₜₛ dₜ(s), the mean divergence of a step, `[...]`."""
        result: Array = np.sum(self.old_states * self.kl[..., None, :], axis=(-2, -1)) / self.old_states.sum()
        return result

    def mean_penalty(self) -> Array:
        """Calculate √(2D) Σₜₛ dₜ(s) Σ_{t≥1} γᵗ maxₛ |Σₐ π'(a|s) Aₜ(s,a)|, `[...]`."""
        result: Array = np.sqrt(2 * self.mean_kl()) * self.old_states.sum() * self.averages[..., 1:].sum(axis=-1)
        return result


def measure(process: Mdp, old: Array, new: Array, gamma: float, horizon: int) -> Step:
    """Compare policies with one row for all times: old `[S, A]`, new `[..., S, A]`."""
    before, after = (np.repeat(policy[..., None, :, :], horizon, axis=-3) for policy in (old, new))
    values = worth(process, before, gamma)
    advantages = values - np.sum(before * values, axis=-1, keepdims=True)  # [T, S, A]
    averages = np.sum(after * advantages, axis=-1)  # [..., T, S]
    discounts, times = gamma ** np.arange(horizon), np.arange(horizon)
    states, new_states = reached(process, before), reached(process, after)
    return Step(
        gain=returns(process, after, gamma) - returns(process, before, gamma),
        surrogate=np.sum(discounts[:, None] * states * averages, axis=(-2, -1)),
        missed=np.sum(discounts[:, None] * (new_states - states) * averages, axis=(-2, -1)),
        moved=np.abs(new_states - states).sum(axis=-1),
        old_states=states,
        total_variation=0.5 * np.abs(new - old).sum(axis=-1),
        kl=np.sum(old * np.log(old / new), axis=-1),
        constant=float(2 * np.sum(times * discounts * np.abs(advantages).max(axis=(1, 2)))),
        averages=discounts * np.abs(averages).max(axis=-1),
    )


def lower_bound(process: Mdp, old: Array, new: tf.Tensor, gamma: float, horizon: int) -> tf.Tensor:
    """Calculate U - C maxₛ KL(π(·|s) ‖ π'(·|s)) so that it can be differentiated with respect to the new logits."""
    policy = softmax(old)
    fixed = np.repeat(policy[None], horizon, axis=0)
    values = worth(process, fixed, gamma)
    advantages = values - np.sum(fixed * values, axis=-1, keepdims=True)
    weights = gamma ** np.arange(horizon)[:, None] * reached(process, fixed)
    surrogate = tf.einsum("ts,sa,tsa->", weights, tf.nn.softmax(new), advantages)
    kl = tf.reduce_sum(policy * (np.log(policy) - tf.nn.log_softmax(new)), axis=1)
    return surrogate - measure(process, policy, policy, gamma, horizon).constant * tf.reduce_max(kl)


def summed_kl(old: Array, new: Array, batches: Batches) -> Array:
    """Calculate the trainer's estimate of KL(old ‖ new) times the number of steps that it was taken over, `[N]`."""
    before, after = (mdp.log_probs(theta, batches) for theta in (old, new))
    total: Array = compute(maths.approx_kl, before, after, batches.mask) * batches.mask.sum(axis=(0, 2))
    return total


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare the gain of new policies with bounds from below, right ones and such as are too good to be true."""
    process, old = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    directions = np.random.default_rng([seed, 9]).normal(size=(len(DISTANCES), *old.shape))
    step = measure(process, softmax(old), softmax(old + DISTANCES[:, None, None] * directions), gamma, horizon)
    rows = *_factors(step), *_trainers(process, old, gamma, horizon, seed), *_example()
    return Check(rows, (_picture(),))


def _factors(step: Step) -> tuple[Comparison, ...]:
    """Compare each step of the proof, for all new policies."""
    tv = np.sum(step.old_states * step.total_variation[:, None], axis=-1)  # [N, T]
    before = np.cumsum(tv, axis=1) - tv
    largest = step.kl.max(axis=-1)
    p, q = np.meshgrid(*[np.linspace(0.02, 0.98, 25)] * 2)
    bernoulli = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    return (
        exact("J(π') - J(π) - U = Σₜ γᵗ Σₛ (d'ₜ-dₜ)(s) Σₐ π'(a|s) Aₜ(s,a)", step.gain - step.surrogate, step.missed),
        exact("Σₛ |d'ₜ-dₜ|(s) ≤ 2 Σ_{k<t} Σₛ dₖ(s) TV(s)", shortfall(2 * before, step.moved), 0.0),
        exact("Pinsker: TV² ≤ KL/2, for two actions on a grid", shortfall(bernoulli / 2, (p - q) ** 2), 0.0),
        exact("… for the policies in each state", shortfall(step.kl / 2, step.total_variation**2), 0.0),
        exact("J(π') ≥ J(π) + U - C maxₛ KL(s), C = 2 Σₜ t γᵗ max |Aₜ|",
              shortfall(step.gain, step.surrogate - step.constant * largest), 0.0),
        exact("and above: J(π') ≤ J(π) + U + C maxₛ KL(s)",
              shortfall(step.surrogate + step.constant * largest, step.gain), 0.0),
        exact("with the mean KL, D: |J(π') - J(π) - U| ≤ √(2D) E[length] Σₜ γᵗ maxₛ |Σ π' Aₜ|",
              shortfall(step.mean_penalty(), np.abs(step.missed)), 0.0),
    )  # fmt: skip


def _trainers(process: Mdp, old: Array, gamma: float, horizon: int, seed: int) -> tuple[Comparison, ...]:
    """Compare the trainer's steps with the bound, and its estimate of the divergence with what it estimates."""
    batches = mdp.every_batch(process, horizon)
    start = training.start(training.table(old), batches.mask.shape[1])
    state, metrics = training.update(start, training.one_hot(old, batches), batches, gamma=gamma)
    step = measure(process, softmax(old), softmax(state.policy["kernel_0"] + state.policy["bias_0"]), gamma, horizon)
    slope = mdp.gradient(lambda new: lower_bound(process, old, new, gamma, horizon), old)
    new = mdp.random_policy(len(process.start), seed + 1)
    other = measure(process, softmax(old), softmax(new), gamma, horizon)
    sums, lengths = summed_kl(old, new, batches), batches.mask.sum(axis=(0, 2))
    return (
        training.compare("the bound's slope at π' = π is the trainer's E[Δθ]", old, batches, slope, gamma=gamma),
        exact("the trainer's step from every episode: J(π') ≥ J(π) + U - C maxₛ KL(s)",
              shortfall(step.gain, step.surrogate - step.constant * step.kl.max(axis=-1)), 0.0),
        exact("its approx_kl, of its own step and episode, taken for D", metrics.approx_kl, step.mean_kl(), wrong=True),
        exact("E[approx_kl · length] = Σₜₛ dₜ(s) KL(s)", mdp.expectation(old, batches, sums),
              other.mean_kl() * other.old_states.sum()),
        exact("E[approx_kl] of single episodes taken for D", mdp.expectation(old, batches, sums / lengths),
              other.mean_kl(), wrong=horizon > 1),
    )  # fmt: skip


def ending(chance: Any) -> Array:
    """Return policies that end with a probability, in both states of `stay_or_end`, `[..., 2, 2]`."""
    p = np.asarray(chance, np.float64)
    return np.stack([np.stack([1 - p, p], axis=-1)] * 2, axis=-2)


def _example() -> tuple[Comparison, ...]:
    """Compare with closed forms and with penalties that are too small: staying earns 1, ending 2, T = 2, γ = 1."""
    p, near = 0.5, 0.5 + np.array([-0.2, -0.01, 0.01, 0.2])
    step = measure(stay_or_end(False), ending(p), ending(near), 1.0, 2)
    one = measure(stay_or_end(False), ending(p), ending(near), 1.0, 1)
    far = measure(stay_or_end(False), ending(OLD_CHANCE), ending(0.99), 1.0, 2)  # U = 0.37
    times = np.arange(50)
    penalty = step.constant * step.kl.max(axis=-1)
    return (
        exact("2 Σₜ t = T (T-1)", 2 * times.sum(), 50 * 49),
        exact("2 Σₜ t γᵗ ≤ 2γ / (1-γ)² for γ = 0, 0.5, 0.9",
              [shortfall(2 * x / (1 - x) ** 2, 2 * np.sum(times * x**times)) for x in (0.0, 0.5, 0.9)], 0.0),
        exact("stay (1) or end (2), T = 2: J(π') - J(π) - U = -(p'-p)²", step.gain - step.surrogate,
              -((near - p) ** 2)),
        exact("… p = ½: C = 1", step.constant, 1.0),
        exact("… T = 1: C = 0, and U is the whole gain", [one.constant, *one.gain], [0.0, *one.surrogate]),
        exact("… no penalty: J(π') ≥ J(π) + U", shortfall(step.gain, step.surrogate), 0.0, wrong=True),
        exact("… 0.49 C in place of C", shortfall(step.gain, step.surrogate - 0.49 * penalty), 0.0, wrong=True),
        exact("… from p = ¼ to 0.99, U = 0.37 > 0: J(π') ≥ J(π)", shortfall(far.gain, 0.0), 0.0, wrong=True),
        exact("… the best point of the bound: J(π') - J(π) ≥ U - C KL ≥ 0", shortfall(*_best_point()), 0.0),
    )  # fmt: skip


def _curves() -> tuple[Array, Array, Array]:
    """Calculate J(π') - J(π), U and U - C maxₛ KL(s) along a line of logits, `[N]`, in the example."""
    step = measure(stay_or_end(False), ending(OLD_CHANCE), ending(1 / (1 + np.exp(-LOG_ODDS))), 1.0, 2)
    return step.gain, step.surrogate, step.surrogate - step.constant * step.kl.max(axis=-1)


def _best_point() -> tuple[Array, Array]:
    """Return the gain and the bound, and the bound and 0, where the bound is greatest."""
    gain, _, bound = _curves()
    k = int(np.argmax(bound))
    return np.array([gain[k], bound[k]]), np.array([bound[k], 0.0])


def _picture() -> Picture:
    """Draw the gain, the surrogate and the bound along a line of parameters."""
    gain, surrogate, bound = _curves()
    shown = bound > -0.6
    x = tuple(LOG_ODDS[shown].tolist())
    lines = {"J(π') - J(π)": gain, "surrogate U": surrogate, "U - C maxₛ KL(s)": bound}
    series = tuple(Series(name, x, tuple(y[shown].tolist())) for name, y in lines.items())
    return Picture("The surrogate climbs on where J falls; the bound turns back", "log-odds of ending", "Gain", series)
