"""How far an estimate is from ∇J: the variance falls as 1/B, and how it is measured."""

import itertools

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.policies.in_numpy import draw_choice
from pg_core.proofs import mdp, training
from pg_core.proofs.mdp import Array, Batches, Mdp
from pg_core.proofs.programs import compute
from pg_core.proofs.reward_to_go import discounted_reward_to_go
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact, sampled

SIZES = (1, 2, 3)  # enumerated batches
SHORT = 2  # steps at most, of the episodes in them


def play(process: Mdp, theta: Array, horizon: int, num_episodes: int, seed: int) -> Batches:
    """Draw independent episodes, `[T, N, 1]`, every choice by `in_numpy.draw_choice`."""
    rng = np.random.default_rng([seed, num_episodes, 2])

    def draw(logits: Array) -> Array:
        return np.asarray(draw_choice(logits, rng.random(num_episodes)))

    states, alive, rows = draw(np.log(np.tile(process.start, (num_episodes, 1)))), np.ones(num_episodes), []
    for _ in range(horizon):
        actions = draw(theta[states])
        rows.append((states, actions, process.rewards[states, actions] * alive, alive))
        following = draw(np.log(process.transitions[states, actions]))
        ended = following == len(process.start)
        states, alive = np.where(ended, 0, following), alive * ~ended
    columns = (np.stack(column)[..., None] for column in zip(*rows, strict=True))
    return Batches._make([*columns, np.ones(num_episodes)])  # drawn, not enumerated: each counts once


def step_gradients(theta: Array, batches: Batches, gamma: float) -> Array:
    """Calculate xₜᵦ = γᵗ Gₜᵦ ∇log π(aₜᵦ|sₜᵦ), whose sum over t is an episode's estimate gᵦ, `[T, N, B, S, A]`."""
    return discounted_reward_to_go(batches.rewards, gamma)[..., None, None] * mdp.scores(theta, batches)


def shared_noise(process: Mdp, theta: Array) -> tuple[Array, Array]:
    """Calculate E[g₁ᵀg₂] - ‖∇J‖² of episodes of one step with leave-one-out, and ‖∇J‖²/(B-1)², for B = 2 and 3."""
    signal = float(np.sum(mdp.objective_gradient(process, theta, 1.0, 1) ** 2))
    found = []
    for size in SIZES[1:]:
        batches = mdp.every_batch(process, 1, size)
        each = leave_one_out_gradients(theta, batches, 1.0)
        products = (each[:, 0] * each[:, 1]).sum(axis=(1, 2))
        found.append(float(mdp.expectation(theta, batches, products)) - signal)
    return np.array(found), signal / (np.array(SIZES[1:]) - 1) ** 2


def trainers_noise(theta: Array, batches: Batches, gamma: float) -> tuple[Comparison, Comparison]:
    """Compare the trainer's gradient norm and signal-to-noise ratio with their definitions, of table and bias."""
    start = training.start(training.table(theta), batches.mask.shape[1])
    _, metrics = training.update(start, training.one_hot(theta, batches), batches, gamma=gamma)
    each = step_gradients(theta, batches, gamma).sum(axis=0)  # [N, B, S, A]
    each = np.concatenate([each, each.sum(axis=2, keepdims=True)], axis=2).reshape(*each.shape[:2], -1)
    norm = np.linalg.norm(each.mean(axis=1), axis=1)
    noise = np.sqrt(each.var(axis=1, ddof=1).sum(axis=1) / each.shape[1])
    varies = noise > 1e-4  # and not by rounding: in other batches, both episodes are (nearly) the same
    return (
        exact("the trainer's ‖ĝ‖, before any limit", metrics.grad_norm, norm),
        exact("its SNR: ‖ĝ‖ / √(tr Σ̂ / B)", metrics.grad_snr[varies], norm[varies] / noise[varies]),
    )


def squared_noise(gradients: Array) -> Array:
    """Calculate tr Σ̂ / B, `[N]`, as `maths.gradient_snr` sees it: ‖ḡ‖² / SNR², and 0 where there is no noise."""
    ratio = compute(maths.gradient_snr, (gradients,))
    return np.where(np.isnan(ratio), 0, squared_norm(gradients) / ratio**2)


def squared_norm(gradients: Array) -> Array:
    """Calculate ‖ḡ‖² of the mean of B gradients, `[N]`."""
    norm: Array = compute(maths.gradient_norm, (gradients.mean(axis=1),))
    return norm**2


def leave_one_out_gradients(theta: Array, batches: Batches, gamma: float) -> Array:
    """Calculate Σₜ γᵗ (Gₜᵦ - bₜᵦ) ∇log π(aₜᵦ|sₜᵦ) with the other episodes' mean return as bₜᵦ, `[N, B, S, A]`."""
    returns, discounts = (compute(f, batches.rewards, gamma) for f in (maths.discounted_returns, maths.discounts))
    weights = discounts * (returns - compute(maths.leave_one_out, returns, batches.mask))
    each: Array = np.einsum("tnb,tnbsa->nbsa", weights, mdp.scores(theta, batches))
    return each


def squared_errors(drawn: Array, right: Array, size: int) -> Array:
    """Calculate ‖ḡ - ∇J‖² of each batch of `size` among the drawn episodes, `[N / size]`."""
    batches = drawn[: len(drawn) // size * size].reshape(-1, size, *right.shape)
    errors: Array = ((batches.mean(axis=1) - right) ** 2).sum(axis=(1, 2))
    return errors


def explicit_snr(gradients: Array) -> Array:
    """Calculate ‖ḡ‖ / √(tr Σ̂ / B) of vectors `[N, B, D]` from NumPy's covariance, `[N]`."""
    noise = [np.trace(np.cov(batch, rowvar=False)) / len(batch) for batch in gradients]
    ratio: Array = np.linalg.norm(gradients.mean(axis=1), axis=1) / np.sqrt(noise)
    return ratio


def noise_of_two(count: int = 3600) -> Array:
    """Calculate the SNR of two numbers R cos φ and R sin φ for evenly spaced φ, as normal noise has them, `[count]`."""
    angles = (np.arange(count) + 0.5) * 2 * np.pi / count
    pairs = np.stack([np.cos(angles), np.sin(angles)], axis=1)[..., None]
    ratios: Array = compute(maths.gradient_snr, (pairs,))
    return ratios


def explicit_middle(scores: Array) -> float:
    """Calculate the mean of what is left when a quarter of the scores, rounded down, is cut off at each end."""
    ordered, cut = sorted(scores.tolist()), len(scores) // 4
    kept: list[float] = ordered[cut : len(ordered) - cut]
    return sum(kept) / len(kept)


def explicit_interval(scores: Array, confidence: float = 0.95, num_resamples: int = 1000, seed: int = 0) -> Array:
    """Resample with the same random numbers, and take the percentiles of the interquartile means, `[2]`."""
    ordered, count = np.sort(scores), len(scores)
    draws = np.random.default_rng([seed, count]).integers(count, size=(num_resamples, count))
    means = [explicit_middle(ordered[draw]) for draw in draws]
    return np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], method="nearest")


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, samples: int = 10_000, seed: int = 0) -> Check:
    """Compare the error of estimates with σ²/B, enumerated and sampled, and what measures it with its definition."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    episodes = mdp.every_batch(process, horizon)
    right = mdp.objective_gradient(process, theta, gamma, horizon)
    steps = step_gradients(theta, episodes, gamma)[:, :, 0]  # [T, N, S, A]
    one = steps.sum(axis=0)
    variance = mdp.total_variance(theta, episodes, one)
    apart = sum(mdp.total_variance(theta, episodes, step) for step in steps)
    played = play(process, theta, horizon, samples, seed)
    drawn = step_gradients(theta, played, gamma).sum(axis=(0, 2))  # [N, S, A]
    return Check(
        (
            exact("E[g] = ∇J", mdp.expectation(theta, episodes, one), right, variance=variance),
            sampled(
                "the mean of N episodes: ⟨g, ∇J⟩ = ‖∇J‖²", (drawn * right).sum(axis=(1, 2)), float((right**2).sum())
            ),
            # Of one step, or with γ = 0, only the first summand is left.
            exact("steps as if independent: σ² = Σₜ tr Cov[xₜ]", apart, variance, wrong=gamma * (horizon > 1)),
            *_batch_rows(process, theta, gamma, min(horizon, SHORT)),
            *_statistics_rows(seed),
            *_sampling_rows(seed),
        ),
        (_picture(drawn, right, variance),),
    )


def _batch_rows(process: Mdp, theta: Array, gamma: float, horizon: int) -> tuple[Comparison, ...]:
    """Compare moments of the mean of B episodes with those of one."""
    batches = [mdp.every_batch(process, horizon, size) for size in SIZES]
    gradients = [step_gradients(theta, x, gamma).sum(axis=0) for x in batches]  # each [N, B, S, A]
    signal = float(np.sum(mdp.objective_gradient(process, theta, gamma, horizon) ** 2))
    second = mdp.expectation(theta, batches[0], (gradients[0] ** 2).sum(axis=(1, 2, 3)))
    share = (float(second) - signal) / np.array(SIZES)  # σ²/B
    variances = [mdp.total_variance(theta, x, g.mean(axis=1)) for x, g in zip(batches, gradients, strict=True)]
    norms, noises = (
        [mdp.expectation(theta, x, f(g)) for x, g in zip(batches, gradients, strict=True)]
        for f in (squared_norm, squared_noise)
    )
    others = leave_one_out_gradients(theta, batches[1], gamma)
    spread = mdp.expectation(theta, batches[1], squared_noise(others))
    return (
        exact("Var[ḡ] = σ²/B for B = 1, 2, 3 (T ≤ 2)", variances, share),
        exact("E‖ḡ‖² = ‖∇J‖² + σ²/B", norms, signal + share),
        exact("the norm of the estimate: E‖ḡ‖² = ‖∇J‖²", norms, signal, wrong=True),
        exact("E[(‖ḡ‖/SNR)²] = σ²/B for B = 2, 3", noises[1:], share[1:]),
        *trainers_noise(theta, batches[1], gamma),
        exact("leave-one-out, one step: tr Cov[g₁, g₂] = ‖∇J‖²/(B-1)², B = 2, 3", *shared_noise(process, theta)),
        exact(
            "the same with leave-one-out, B = 2: E[(‖ḡ‖/SNR)²] = Var[ḡ]",
            spread, mdp.total_variance(theta, batches[1], others.mean(axis=1)), wrong=True,
        ),
    )  # fmt: skip


def _statistics_rows(seed: int) -> tuple[Comparison, ...]:
    """Compare what is measured with its definition, on random numbers."""
    rng = np.random.default_rng([seed, 3])
    matrix, vector = rng.normal(size=(2, 5, 2, 3)), rng.normal(size=(2, 5, 1))
    scores = rng.normal(size=(2, 12))  # of 12, the last of 1000 resamples is among the highest: a missing one is seen
    flat = np.concatenate([matrix.reshape(2, 5, -1), vector], axis=2)
    tensors = [tf.constant(matrix), tf.constant(vector)]
    pair, alone = vector[:, :2], noise_of_two()
    again = [tf.repeat(x[:, :1], 2, axis=1) for x in tensors]
    sizes = range(1, scores.shape[1] + 1)
    resamples = np.array(list(itertools.product(scores[0, :4], repeat=4))).mean(axis=1)
    return (
        exact("‖g‖ over all parameters", maths.gradient_norm(tensors), np.linalg.norm(flat.reshape(2, -1), axis=1)),
        exact("SNR = ‖ḡ‖ / √(tr Σ̂ / B)", maths.gradient_snr(tensors), explicit_snr(flat)),
        exact("B = 2, one parameter: SNR = |g₁ + g₂| / |g₁ - g₂|", maths.gradient_snr([tf.constant(pair)]),
              np.abs(pair.sum(axis=1) / np.diff(pair, axis=1)[:, 0])[:, 0]),
        exact("its noise: P(SNR ≤ 1) = ½, P(SNR ≤ √3) = ⅔", [np.mean(alone <= x) for x in (1, np.sqrt(3))],
              [1 / 2, 2 / 3]),
        exact("its noise: the mean of the SNR is 1", alone.mean(), 1.0, wrong=True),
        exact("SNR undefined where all g are the same", np.isnan(maths.gradient_snr(again)), 1.0),
        exact(
            "interquartile means of 1 to 12 scores",
            [maths.interquartile_mean(tf.constant(scores[:, :n])) for n in sizes],
            [[explicit_middle(x[:n]) for x in scores] for n in sizes],
        ),
        exact(
            "bootstrap intervals",
            np.stack(maths.bootstrap_interval(tf.constant(scores)), axis=1), [explicit_interval(x) for x in scores],
        ),
        exact(
            "another confidence and other resamples",
            maths.bootstrap_interval(tf.constant(scores[0]), 0.6, 108, seed=7),
            explicit_interval(scores[0], 0.6, 108, seed=7),
        ),
        exact("all 4⁴ resamples: Var[x̄*] = s²/N, with ddof 0", resamples.var(), scores[0, :4].var() / 4),
    )  # fmt: skip


def _sampling_rows(seed: int) -> tuple[Comparison, ...]:
    """Compare choices with the inverse of the distribution function, at its jumps and at its ends."""
    rng = np.random.default_rng([seed, 4])
    logits, uniform = rng.normal(size=(100, 10)), rng.random(100)
    cumulative = np.cumsum(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), axis=1)
    quarters = np.arange(16) / 16
    below_one = np.full(100, np.nextafter(1, 0))
    return (
        exact(
            "of u: the first action whose cumulative probability exceeds u",
            draw_choice(logits, uniform),
            [np.searchsorted(row, u, side="right") for row, u in zip(cumulative, uniform, strict=True)],
        ),
        exact("four equal chances: ⌊4u⌋", draw_choice(np.zeros((16, 4)), quarters), np.floor(4 * quarters)),
        exact("just below u = 1: the last", draw_choice(logits, below_one), 9.0),
    )


def _picture(drawn: Array, right: Array, variance: float) -> Picture:
    """Show the root mean square of the error over as many batches of N as were drawn."""
    sizes = [n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000) if 5 * n <= len(drawn)]
    found = [float(np.sqrt(squared_errors(drawn, right, n).mean())) for n in sizes]
    series = (
        Series("√(mean of ‖ḡ - ∇J‖²)", tuple(sizes), tuple(found)),
        Series("σ/√B", tuple(sizes), tuple(np.sqrt(variance / np.array(sizes)).tolist())),
    )
    return Picture("Error of an estimate from B episodes", "episodes B", "error", series, log=True)
