"""Leave-one-out: the mean of the other episodes is a baseline that costs nothing and bends nothing."""

import functools
from typing import Any

import numpy as np

from pg_core import maths
from pg_core.proofs import mdp, training
from pg_core.proofs.mdp import Array, Mdp
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Comparison, exact


def mean_of_others(returns: Array, mask: Array) -> Array:
    """Calculate bₜᵦ = Σ_{c≠b} mₜ꜀ Gₜ꜀ / Σ_{c≠b} mₜ꜀ by taking episode b out, 0 where nobody is left, `[T, N, B]`."""
    baselines = []
    for b in range(mask.shape[2]):
        others, played = np.delete(returns, b, axis=2), np.delete(mask, b, axis=2)
        total, count = (others * played).sum(axis=2), played.sum(axis=2)
        baselines.append(np.divide(total, count, out=np.zeros_like(total), where=count > 0))
    return np.stack(baselines, axis=2)


def from_one_state(states: int, seed: int) -> Mdp:
    """Draw a process that begins in state 0: so few episodes are possible that all batches can be enumerated."""
    return mdp.random_mdp(states, seed)._replace(start=np.eye(states)[0])


def comparisons(gamma: float, states: int, seed: int, num_episodes: int) -> list[Comparison]:
    """Compare both sides for batches of B = `num_episodes`, 2 or 3, of at most 3 or 2 steps."""
    horizon, size = 5 - num_episodes, f"B = {num_episodes}: "
    process, theta = from_one_state(states, seed), mdp.random_policy(states, seed)
    batches, single = (mdp.every_batch(process, horizon, number) for number in (num_episodes, 1))
    right = mdp.objective_gradient(process, theta, gamma, horizon)
    mask = batches.mask
    returns, discounts = (compute(f, batches.rewards, gamma) for f in (maths.discounted_returns, maths.discounts))
    whole = compute(maths.episode_returns, batches.rewards, gamma) * mask
    baseline, own_in_it = (compute(f, returns, mask) for f in (maths.leave_one_out, maths.step_mean))

    count = np.broadcast_to(mask.sum(axis=2, keepdims=True), mask.shape)  # nₜ
    together, alone = mask * (count > 1), mask * (count == 1)
    stretched = count / np.maximum(count - 1, 1) * (returns - own_in_it)
    to_go = compute(maths.discounted_returns, single.rewards, gamma)
    undiscounted = mdp.expectation(theta, single, mdp.estimates(theta, single, to_go))

    others = mean_of_others(returns, mask)
    taken = training.steps(theta, batches, gamma=gamma, baseline="leave_one_out")
    mean, variance = mdp.moments(theta, batches, taken)

    def trainers(claim: str, right: Array, **settings: Any) -> Comparison:
        return training.compare(claim, theta, batches, right, gamma=gamma, baseline="leave_one_out", **settings)

    return [
        exact(size + "bₜᵦ = the other episodes' mean return, 0 without any", baseline, others),
        mdp.compare(size + "E[ĝ] = ∇J, no baseline", theta, batches, discounts * returns, right),
        mdp.compare(size + "E[ĝ] = ∇J, leave-one-out", theta, batches, discounts * (returns - baseline), right),
        exact(size + "the trainer: E[Δθ] = ∇J", mean, right, variance=variance),
        exact(size + "its step from every batch: mean of γᵗ (Gₜ - bₜ) ∇log π(aₜ|sₜ)", taken,
              mdp.estimates(theta, batches, discounts * (returns - others))),
        mdp.compare(size + "E[ĝ] = ∇J, leave-one-out of whole returns G₀", theta, batches,
                    whole - compute(maths.leave_one_out, whole, mask), right),
        trainers(size + "the trainer with G₀: E[Δθ] = ∇J", right, weights="episode_return"),
        exact(size + "Gₜ - bₜ = nₜ/(nₜ-1) (Gₜ - Ḡₜ), nₜ ≥ 2 episodes at t", together * (returns - baseline),
              together * stretched),
        exact(size + "bₜ = 0 where no other episode is left", alone * baseline, 0.0),
        mdp.compare(size + "without γᵗ it changes no mean, either", theta, batches, returns - baseline, undiscounted),
        trainers(size + "the trainer without γᵗ: the same", undiscounted, gamma_t=False),
        mdp.compare(size + "without γᵗ the mean is ∇J", theta, batches, returns - baseline, right,
                    wrong=1 - gamma),
        mdp.compare(size + "the own episode left in the mean", theta, batches, discounts * (returns - own_in_it),
                    right, wrong=True),
        mdp.compare(size + "a lone episode given the advantage 0", theta, batches,
                    discounts * together * (returns - baseline), right, wrong=gamma),
    ]  # fmt: skip


@functools.cache
def worse_than_none() -> Comparison:
    """Compare the variances without a baseline and with one other episode, where an even choice earns 1 or -1.

    Without, every step is ½ (1, -1). With, it is 0 if both chose alike, and else (1, -1).
    """
    process = Mdp(np.ones(1), np.array([[[0.0, 1.0], [0.0, 1.0]]]), np.array([[1.0, -1.0]]))
    theta, pairs = np.zeros((1, 2)), mdp.every_batch(process, 1, 2)
    taken = (training.steps(theta, pairs, baseline=baseline) for baseline in ("none", "leave_one_out"))
    variances = [mdp.total_variance(theta, pairs, steps) for steps in taken]
    return exact("looks wrong: B = 2, rewards ±1: tr Cov is 0 without a baseline, ½ with", variances, [0.0, 0.5])


def check(gamma: float = 0.9, states: int = 2, seed: int = 0) -> Check:
    """Compare ∇J with the mean, over all batches, of the estimate with the other episodes' mean as baseline."""
    return Check((*comparisons(gamma, states, seed, 2), *comparisons(gamma, states, seed, 3), worse_than_none()))
