"""Means that contain the episode's own return, and division by the batch's own deviation: what they do to the mean."""

from typing import Any

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp, training
from pg_core.proofs.leave_one_out import from_one_state
from pg_core.proofs.mdp import Array, Batches, Mdp
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

BATCH = 2  # B
EPSILON = 1e-8  # as the statement says, not as the trainer does
NEARLY = 1e-5  # what that changes, where the deviation is
VISIBLE = 1e-2  # or more, and not made of rounding


def lasting(process: Mdp) -> Mdp:
    """Return the process without the end: all its episodes last until the time limit."""
    onward = process.transitions[..., :-1]
    never = np.zeros_like(process.transitions[..., :1])
    return process._replace(transitions=np.append(onward / onward.sum(axis=2, keepdims=True), never, axis=2))


def mean_return_to_go(process: Mdp, theta: tf.Tensor, gamma: float, horizon: int) -> tf.Tensor:
    """Calculate M(θ) = 1/T Σₜ E[Gₜ] = 1/T Σₜ Σₛ dₜ(s) Vₜ(s), a scalar."""
    values = mdp.values(process, theta, gamma, horizon)[:-1]
    return tf.reduce_sum(mdp.state_distributions(process, theta, horizon) * values) / horizon


def _slope_of_mean_return(process: Mdp, theta: tf.Tensor, gamma: tf.Tensor, horizon: int) -> tf.Tensor:
    return mdp.gradient(lambda table: mean_return_to_go(process, table, gamma, horizon), theta)


def mean_over(values: Array, mask: Array, axis: int | tuple[int, ...]) -> Array:
    """Calculate Σ m x / Σ m, 0 where m is 0, its `axis` of length 1."""
    total, count = (values * mask).sum(axis=axis, keepdims=True), mask.sum(axis=axis, keepdims=True)
    mean: Array = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return mean


def normalized(values: Array, mask: Array) -> Array:
    """Calculate Ã = Σⱼ mⱼ (x - xⱼ) / n / (√(Σᵢⱼ mᵢ mⱼ (xᵢ - xⱼ)² / 2n²) + ε) from pairs of steps, `[T, N, B]`."""
    x, played = (array.swapaxes(1, 2).reshape(-1, array.shape[1]) for array in (values, mask))  # [TB, N]
    both, count = played[:, None] * played, np.maximum(played.sum(axis=0), 1)
    differences = (x[:, None] - x) * both
    std = np.sqrt((differences**2).sum(axis=(0, 1)) / 2) / count
    result: Array = differences.sum(axis=1) / count / (std + EPSILON)
    return result.reshape(len(mask), mask.shape[2], -1).swapaxes(1, 2)


def explicit(batches: Batches, gamma: float) -> list[Comparison]:
    """Compare what trains with explicit sums, on every batch and on one in which nobody plays."""
    rewards, mask = (np.pad(rows, [(0, 0), (0, 1), (0, 0)]) for rows in (batches.rewards, batches.mask))
    returns, shape = compute(maths.discounted_returns, rewards, gamma), mask.shape
    told = visible(returns, mask)
    constants = [compute(maths.normalize, c * mask, mask) for c in (0.1, -100.1, 99.3)]
    return [
        exact("a mean over played steps", compute(maths.masked_mean, returns, mask),
              mean_over(returns, mask, (0, 2))[0, :, 0]),
        exact("batch mean: over all played steps", compute(maths.batch_mean, returns, mask),
              np.broadcast_to(mean_over(returns, mask, (0, 2)), shape)),
        exact("step mean: over the episodes that reach t, 0 without any", compute(maths.step_mean, returns, mask),
              np.broadcast_to(mean_over(returns, mask, 2), shape)),
        exact("Ã = (Â - mean Â) / (std Â + 1e-8)", compute(maths.normalize, returns, mask)[:, told],
              normalized(returns, mask)[:, told]),
        exact("advantages that are all the same become 0", constants, 0.0),
    ]  # fmt: skip


def visible(returns: Array, mask: Array) -> Array:
    """Return whether returns over played steps vary, or are exactly the same, `[N]`: not whether by rounding."""
    x = np.where(mask > 0, returns, np.nan)
    played = mask.any(axis=(0, 2))
    spread = np.zeros(mask.shape[1])
    spread[played] = np.nanmax(x[:, played], axis=(0, 2)) - np.nanmin(x[:, played], axis=(0, 2))
    result: Array = (spread == 0) | (spread > VISIBLE)
    return result


def each_by_itself(returns: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Normalise each episode by its own mean and deviation, `[T, N, B]`."""
    apart = [tf.reshape(array, [tf.shape(mask)[0], -1, 1]) for array in (returns, mask)]
    return tf.reshape(maths.normalize(*apart), tf.shape(mask))


def wedge(x: Array, y: Array) -> Array:
    """Calculate (xᵢ yⱼ - xⱼ yᵢ) / (‖x‖ ‖y‖), which is 0 for all i, j if x and y are parallel."""
    product = np.outer(x / np.linalg.norm(x), y / np.linalg.norm(y))
    return product - product.T


def estimators(batches: Batches, gamma: float) -> dict[str, Array]:
    """Return what six estimators multiply the scores with, `[T, N, B]`, γᵗ included."""
    weights: dict[str, Array] = compute(_estimators, batches.rewards, batches.mask, gamma)
    return weights


def _estimators(rewards: tf.Tensor, mask: tf.Tensor, gamma: tf.Tensor) -> dict[str, tf.Tensor]:
    returns, discounts = maths.discounted_returns(rewards, gamma), maths.discounts(rewards, gamma)
    return {
        "none": discounts * returns,
        "leave-one-out": discounts * (returns - maths.leave_one_out(returns, mask)),
        "step mean": discounts * (returns - maths.step_mean(returns, mask)),
        "batch mean": discounts * (returns - maths.batch_mean(returns, mask)),
        "normalised": discounts * maths.normalize(returns, mask),
        "each by itself": discounts * each_by_itself(returns, mask),
    }


def mean_gradient(theta: Array, batches: Batches, weights: Array) -> Array:
    """Calculate E[ĝ], `[S, A]`."""
    return mdp.expectation(theta, batches, mdp.estimates(theta, batches, weights))


def equal_lengths(process: Mdp, theta: Array, gamma: float, horizon: int) -> list[Comparison]:
    """Compare mean gradients with ∇J, scaled or bent, where every episode lasts T steps."""
    batches, single = (mdp.every_batch(process, horizon, number) for number in (BATCH, 1))
    gradient = mdp.objective_gradient(process, theta, gamma, horizon)
    weights, mask = estimators(batches, gamma), batches.mask
    returns, whole, discounts = (
        compute(f, batches.rewards, gamma) for f in (maths.discounted_returns, maths.episode_returns, maths.discounts)
    )
    to_go = compute(maths.discounted_returns, single.rewards, gamma)
    taken = compute(_slope_of_mean_return, process, theta, gamma, horizon=horizon) / BATCH
    shrunk, bent = (1 - 1 / BATCH) * gradient, mean_gradient(theta, single, to_go) - taken
    several_states = theta.shape[0] > 1  # with one state and two actions, all gradients are on one line

    def row(claim: str, weights: Array, right: Array = gradient, wrong: bool = False) -> Comparison:
        return mdp.compare(claim, theta, batches, weights, right, wrong=wrong)

    def trainers(claim: str, right: Array, **settings: Any) -> Comparison:
        return training.compare(claim, theta, batches, right, gamma=gamma, **settings)

    def same_line(name: str) -> Comparison:
        crossed = wedge(mean_gradient(theta, batches, weights[name]), gradient)
        return exact(f"{name}: E[ĝ] is on the line of ∇J", crossed, 0.0, wrong=several_states)

    return [
        row("leave-one-out: E[ĝ] = ∇J", weights["leave-one-out"]),
        row("step mean: E[ĝ] = ∇J", weights["step mean"], wrong=True),
        row("step mean: E[ĝ] = (1 - 1/B) ∇J", weights["step mean"], shrunk),
        trainers("the trainer with a step mean: the same", shrunk, baseline="step_mean"),
        row("batch mean of G₀: E[ĝ] = (1 - 1/B) ∇J", whole - compute(maths.batch_mean, whole, mask), shrunk),
        trainers("the trainer with a batch mean of G₀: the same", shrunk, baseline="batch_mean",
                 weights="episode_return"),
        row("batch mean of Gₜ: E[ĝ] = ∇J", weights["batch mean"], wrong=True),
        row("batch mean of Gₜ, without γᵗ: E[ĝ] = E[Σₜ Gₜ ∇log π] - ∇M/B",
            returns - compute(maths.batch_mean, returns, mask), bent),
        trainers("the trainer with a batch mean of Gₜ: the same", bent, baseline="batch_mean", gamma_t=False),
        same_line("batch mean"),
        row("normalised: E[ĝ] = ∇J", weights["normalised"], wrong=True),
        same_line("normalised"),
        trainers("the trainer, normalising: the mean of explicit sums",
                 mean_gradient(theta, batches, discounts * normalized(returns, mask)),
                 normalize_advantages=True),
        row("each episode standardised by itself: E[ĝ] = ∇J", weights["each by itself"], wrong=True),
        row("each episode's G₀ standardised by itself leaves 0", compute(each_by_itself, whole, mask), 0 * gradient),
    ]  # fmt: skip


def any_lengths(process: Mdp, theta: Array, gamma: float, horizon: int) -> Comparison:
    """Compare the step mean's mean gradient with Σₜ cₜ γᵗ E[Gₜ ∇log π(aₜ|sₜ)], cₜ = 1 - (1 - (1 - pₜ)ᴮ) / (B pₜ)."""
    batches, single = (mdp.every_batch(process, horizon, number) for number in (BATCH, 1))
    reached = mdp.state_distributions(process, theta, horizon).sum(axis=1)  # pₜ
    factors = 1 - (1 - (1 - reached) ** BATCH) / (BATCH * reached)
    right = mean_gradient(theta, single, factors[:, None, None] * estimators(single, gamma)["none"])
    return mdp.compare("step mean, any lengths: step t counts 1 - (1 - (1 - pₜ)ᴮ)/(B pₜ) times", theta, batches,
                       estimators(batches, gamma)["step mean"], right)  # fmt: skip


def bandit(gamma: float, seed: int) -> Comparison:
    """Compare the mean gradient of two normalised pulls with ∇J / (|r₀ - r₁| + 2ε)."""
    process, theta = mdp.random_mdp(1, seed), mdp.random_policy(1, seed)
    batches = mdp.every_batch(process, 1, 2)
    scale = abs(process.rewards[0, 0] - process.rewards[0, 1]) + 2 * EPSILON
    right = mdp.objective_gradient(process, theta, gamma, 1) / scale
    return mdp.compare("one state, one step, B = 2: E[ĝ] = ∇J / (|r₀ - r₁| + 2e-8), normalised", theta, batches,
                       estimators(batches, gamma)["normalised"], right)  # fmt: skip


def other_units(theta: Array, states: int, gamma: float, seed: int) -> list[Comparison]:
    """Compare the normalising trainer's steps for rewards in other units, and in the two states of step 8."""
    pairs = mdp.every_batch(from_one_state(states, seed), 2, 2)
    settings: dict[str, Any] = {"gamma": gamma, "normalize_advantages": True}
    once = training.steps(theta, pairs, **settings)
    seven_times = training.steps(theta, pairs._replace(rewards=7 * pairs.rewards), **settings)
    told = visible(compute(maths.discounted_returns, pairs.rewards, gamma), pairs.mask)
    even = np.zeros((2, 2))
    process = Mdp(np.full(2, 0.5), np.tile([0.0, 0.0, 1.0], (2, 2, 1)), np.array([[1.0, -1.0], [0.5, -0.5]]))
    chosen = mdp.every_batch(process, 1, 2)
    mean = mdp.expectation(even, chosen, training.steps(even, chosen, **settings))
    return [
        exact("rewards in another unit, times 7: the same steps, normalised", seven_times[told], once[told],
              bound=NEARLY),
        exact("the two states of step 8, c = ½: E[ĝ] is 3 : 1, ∇J is 1 : ½", mean[0] / mean[1], 3.0, bound=NEARLY),
    ]  # fmt: skip


def biases(process: Mdp, theta: Array, gamma: float, horizon: int) -> dict[str, float]:
    """Calculate ‖E[ĝ] - ∇J‖ of each estimator."""
    batches = mdp.every_batch(process, horizon, BATCH)
    gradient = mdp.objective_gradient(process, theta, gamma, horizon)
    return {
        name: float(np.linalg.norm(mean_gradient(theta, batches, weights) - gradient))
        for name, weights in estimators(batches, gamma).items()
    }


def check(gamma: float = 0.9, states: int = 2, seed: int = 0) -> Check:
    """Compare what trains with explicit sums, and its mean gradients, over all batches of two episodes, with ∇J."""
    process, theta, horizon = mdp.random_mdp(states, seed), mdp.random_policy(states, seed), max(2, 4 - states)
    processes = {"T steps each": lasting(process), "any lengths": process}
    bars = [(name, biases(each, theta, gamma, horizon)) for name, each in processes.items()]
    return Check(
        (
            *explicit(mdp.every_batch(from_one_state(states, seed), 2, 3), gamma),
            *equal_lengths(lasting(process), theta, gamma, horizon),
            any_lengths(process, theta, gamma, horizon),
            bandit(gamma, seed),
            *other_units(theta, states, gamma, seed),
        ),
        (Picture("Bias of the mean gradient, B = 2", "estimator", "‖E[ĝ] - ∇J‖",
                 tuple(Series(name, tuple(bias), tuple(bias.values())) for name, bias in bars), kind="bars"),),
    )  # fmt: skip
