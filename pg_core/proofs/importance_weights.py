"""Why a batch is used once: after a step it is of another policy, and what mends that, or seems to."""

import functools

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp, training
from pg_core.proofs.gradient_domination import stay_or_end
from pg_core.proofs.landscapes import Landscape, shortfall
from pg_core.proofs.mdp import Array, Batches, Mdp, softmax
from pg_core.proofs.policy_gradient_theorem import theorem
from pg_core.proofs.programs import compute
from pg_core.proofs.surrogate_loss import BANDIT
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

CLIP = 0.2  # ε
CHOICES = 6  # in a row
EVEN, SKEWED = np.array([0.5, 0.5]), np.array([0.75, 0.25])
OLD, NEW = (np.log([[1 - p, p]] * 2) for p in (0.25, 0.75))  # policies of the example


def ratios(played: tf.Tensor, theta: tf.Tensor, batches: Batches) -> tf.Tensor:
    """Calculate qₜ = π_θ(aₜ|sₜ) / π_θ₀(aₜ|sₜ), `[T, N, B]`, 1 where not played; θ `[S, A]` or one of each batch."""
    before, after = (maths.Categorical(_rows(table, batches)).log_prob(batches.actions) for table in (played, theta))
    return tf.exp((after - before) * batches.mask)


def _rows(tables: tf.Tensor, batches: Batches) -> tf.Tensor:
    """Look up the logits of each state, `[T, N, B, A]`, in a table `[S, A]` or in one of each batch, `[N, S, A]`."""
    if tables.shape.rank == 2:
        return tf.gather(tables, batches.states)
    return tf.transpose(tf.gather(tables, tf.transpose(batches.states, [1, 0, 2]), batch_dims=1), [1, 0, 2, 3])


def weights(played: tf.Tensor, theta: tf.Tensor, batches: Batches) -> tf.Tensor:
    """Calculate the product of all ratios of a batch, `[N]`."""
    return tf.reduce_prod(ratios(played, theta, batches), axis=(0, 2))


def credit(batches: Batches, gamma: float) -> tf.Tensor:
    """Calculate γᵗ Gₜ, `[T, N, B]`."""
    return maths.discounts(batches.rewards, gamma) * maths.discounted_returns(batches.rewards, gamma)


def per_decision(played: tf.Tensor, theta: tf.Tensor, batches: Batches, gamma: float) -> tf.Tensor:
    """Calculate Σ_{k≥t} γᵏ q₀…qₖ rₖ, `[T, N, B]`: each reward weighed by the choices that led to it."""
    paid = tf.math.cumprod(ratios(played, theta, batches)) * batches.rewards
    return tf.cumsum(maths.discounts(paid, gamma) * paid, reverse=True)


def clipped(theta: tf.Tensor, played: tf.Tensor, batches: Batches, gamma: float) -> tf.Tensor:
    """Calculate Σₜ min(qₜ Âₜ, clip(qₜ, 1-ε, 1+ε) Âₜ) with γᵗ Gₜ for Âₜ, `[N]`."""
    q, advantages = ratios(played, theta, batches), credit(batches, gamma)
    limited = tf.clip_by_value(q, 1 - CLIP, 1 + CLIP)
    return tf.reduce_sum(tf.minimum(q * advantages, limited * advantages), axis=(0, 2))


def clipped_gradients(theta: tf.Tensor, played: tf.Tensor, batches: Batches, gamma: float) -> tf.Tensor:
    """Differentiate the clipped objective of every batch, `[N, S, A]`: each has a table of its own."""
    tables = tf.repeat(theta[None], tf.shape(batches.mask)[1], axis=0)
    return mdp.gradient(lambda each: tf.reduce_sum(clipped(each, played, batches, gamma)), tables)


def unclipped_steps(q: Array, sign: Array) -> Array:
    """Return 1 where the clipped objective moves with the ratio and 0 where it does not, `[T, N, B]`."""
    kept: Array = np.where(sign > 0, q < 1 + CLIP, q > 1 - CLIP).astype(float)
    return kept


def surrogate_gradient(process: Mdp, played: Array, theta: Array, gamma: float, horizon: int) -> Array:
    """Calculate ∇U(θ) = Σₜ γᵗ Σₛ dₜ(s) Σₐ ∇π_θ(a|s) Qₜ(s,a), with the states and values of θ₀, `[S, A]`."""
    counts = gamma ** np.arange(horizon)[:, None] * mdp.state_distributions(process, played, horizon)
    total: Array = theorem(theta, counts, mdp.action_values(process, played, gamma, horizon)).sum(axis=0)
    return total


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare ∇J(θ) with what episodes of another policy θ₀ say of it, with and without weights."""
    process, played = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    theta, batches = mdp.random_policy(states, seed + 1), mdp.every_batch(process, horizon)
    rows = (
        *_whole(process, played, theta, batches, gamma),
        *_each_step(process, played, theta, batches, gamma),
        *_spread(process, played, theta, batches),
        *_many_choices(),
        *_second_step(process, played, batches, gamma),
        *_example(),
    )
    return Check(rows, (_biases(process, played, theta, batches, gamma), _variances()))


def _mean(claim: str, played: Array, batches: Batches, found: Array, right: Array, *,
          wrong: bool = False) -> Comparison:  # fmt: skip
    mean, variance = mdp.moments(played, batches, found)
    return exact(claim, mean, right, wrong=wrong, variance=variance)


def _whole(process: Mdp, played: Array, theta: Array, batches: Batches, gamma: float) -> tuple[Comparison, ...]:
    """Compare the trainer's steps at θ from episodes of θ₀ with ∇J(θ)."""
    right = mdp.objective_gradient(process, theta, gamma, len(batches.mask))
    taken, product = training.steps(theta, batches, gamma=gamma), compute(weights, played, theta, batches)
    chances = [mdp.probabilities(table, batches) for table in (theta, played)]
    later = compute(per_decision, played, theta, batches, gamma)
    return (
        exact("W = q₀ q₁ … = P(τ|θ) / P(τ|θ₀): what the environment does cancels", product, chances[0] / chances[1]),
        exact("E₀[W] = 1", mdp.expectation(played, batches, product), 1.0),
        _mean("used again at θ, without weights: the trainer's E₀[Δθ] = ∇J(θ)", played, batches, taken, right,
              wrong=True),
        _mean("each episode's step times W: the trainer's E₀[W Δθ] = ∇J(θ)", played, batches,
              product[:, None, None] * taken, right),
        _mean("per decision: E₀[Σₜ ∇log π(aₜ|sₜ) Σ_{k≥t} γᵏ q₀…qₖ rₖ] = ∇J(θ)", played, batches,
              mdp.estimates(theta, batches, later), right),
    )  # fmt: skip


def _each_step(process: Mdp, played: Array, theta: Array, batches: Batches, gamma: float) -> tuple[Comparison, ...]:
    """Compare what the ratio of each step alone does, clipped and not."""
    q, worth = compute(ratios, played, theta, batches), compute(credit, batches, gamma)
    single, kept = q * worth, unclipped_steps(q, worth)
    whole = mdp.estimates(theta, batches, single)
    return (
        _mean("each step's own ratio, qₜ: E₀[Σₜ γᵗ qₜ Gₜ ∇log π(aₜ|sₜ)] = ∇U(θ)", played, batches, whole,
              surrogate_gradient(process, played, theta, gamma, len(batches.mask))),
        exact("at θ = θ₀ the clipped objective's gradient is the trainer's step, in every batch",
              training.steps(played, batches, gamma=gamma), compute(clipped_gradients, played, played, batches, gamma)),
        exact("at θ: its gradient is Σₜ γᵗ qₜ Gₜ ∇log π(aₜ|sₜ), without the steps that are clipped",
              compute(clipped_gradients, theta, played, batches, gamma), mdp.estimates(theta, batches, kept * single)),
        exact("it is nowhere greater than without clipping",
              shortfall(single.sum(axis=(0, 2)), compute(clipped, theta, played, batches, gamma)), 0.0),
    )  # fmt: skip


def _spread(process: Mdp, played: Array, theta: Array, batches: Batches) -> tuple[Comparison, ...]:
    """Compare the mean square of W with what it grows with."""
    product, chances = compute(weights, played, theta, batches), mdp.probabilities(theta, batches)
    square, divergence = mdp.expectation(played, batches, product**2), chances @ np.log(product)
    each = np.sum(softmax(theta) * np.log(softmax(theta) / softmax(played)), axis=1)
    states = mdp.state_distributions(process, theta, len(batches.mask))
    return (
        exact("KL(P_θ ‖ P_θ₀) = Σₜₛ dₜ(s) KL(π_θ(·|s) ‖ π_θ₀(·|s)), dₜ of θ", divergence, np.sum(states * each)),
        exact("Var₀[W] ≥ exp KL(P_θ ‖ P_θ₀) - 1", shortfall(square - 1, np.expm1(divergence)), 0.0),
    )


@functools.cache
def _many_choices() -> tuple[Comparison, ...]:
    """Compare the variance of W with powers of that of one choice, where choices follow each other."""
    endless = Mdp(np.ones(1), np.array([[[1.0, 0.0], [1.0, 0.0]]]), np.zeros((1, 2)))
    before, after = (np.log([policy]) for policy in (EVEN, SKEWED))
    many = [mdp.every_batch(endless, steps) for steps in range(1, CHOICES + 1)]
    squares = np.array([mdp.expectation(before, b, compute(weights, before, after, b) ** 2) for b in many])
    chi_square = np.sum(SKEWED**2 / EVEN) - 1
    return (
        exact("n equal choices, ½ against ¾: Var₀[W] = (1 + χ²)ⁿ - 1, χ² = ¼", squares - 1,
              (1 + chi_square) ** np.arange(1, CHOICES + 1) - 1),
        exact("… n times as much as for one", squares - 1, chi_square * np.arange(1, CHOICES + 1), wrong=True),
    )  # fmt: skip


def _second_step(process: Mdp, played: Array, batches: Batches, gamma: float) -> tuple[Comparison, ...]:
    """Compare the trainer's second step from the same episode with ∇J where the first has led, both on average."""
    start = training.start(training.table(played), batches.mask.shape[1])
    seen = training.one_hot(played, batches)
    first = training.update(start, seen, batches, gamma=gamma)[0]
    second = training.update(first, seen, batches, gamma=gamma)[0]
    moved = first.policy["kernel_0"] + first.policy["bias_0"]  # θ₁, another one for each episode
    taken = second.policy["kernel_0"] - first.policy["kernel_0"]
    product = compute(weights, played, moved, batches)
    slopes = Landscape(process, gamma, len(batches.mask)).gradients(moved)
    right = mdp.expectation(played, batches, slopes)
    return (
        _mean("a second step from the same episode: the trainer's E₀[Δθ₁] = E₀[∇J(θ₁)]", played, batches, taken, right,
              wrong=True),
        _mean("… weighed: E₀[W Δθ₁] = E₀[∇J(θ₁)], though θ₁ has seen the episode", played, batches,
              product[:, None, None] * taken, right, wrong=True),
    )  # fmt: skip


@functools.cache
def _example() -> tuple[Comparison, ...]:
    """Compare biased ways with ∇J where staying earns 1, ending 2, T = 2, γ = 1, and π(end) moves from ¼ to ¾."""
    process = stay_or_end(False)
    single, pairs = mdp.every_batch(process, 2), mdp.every_batch(process, 2, 2)
    right = mdp.objective_gradient(process, NEW, 1.0, 2)
    surrogate = surrogate_gradient(process, OLD, NEW, 1.0, 2)
    product = compute(ratios, OLD, NEW, pairs).prod(axis=0)  # [N, B], of each episode
    each = product * compute(credit, pairs, 1.0)
    shares = 2 * each / product.sum(axis=1, keepdims=True)
    cut = compute(clipped_gradients, NEW, OLD, single, 1.0)
    uncut = mdp.estimates(NEW, single, compute(ratios, OLD, NEW, single) * compute(credit, single, 1.0))
    once, p = mdp.every_batch(BANDIT, 1), 0.75
    even, first = (np.log([[x, 1 - x]]) for x in (0.5, p))
    return (
        _mean("a choice that earns 1 or 0, ½ to p = ¾, no weights: E₀[ĝ] = ½ (1-p)", even, once,
              mdp.estimates(first, once, once.rewards), np.array([[(1 - p) / 2, (p - 1) / 2]])),
        _mean("stay (1) or end (2), ¼ to ¾: each step's own ratio qₜ, E₀ = ∇J(θ)", OLD, single, uncut, right,
              wrong=True),
        _mean("… clipped, E₀ of the gradient = ∇J(θ)", OLD, single, cut, right, wrong=True),
        _mean("… clipped, = ∇U(θ)", OLD, single, cut, surrogate, wrong=True),
        _mean("… two episodes, B = 2, weighed by W: E₀[ĝ] = ∇J(θ)", OLD, pairs, mdp.estimates(NEW, pairs, each), right),
        _mean("… weighed by W / mean of W: E₀[ĝ] = ∇J(θ)", OLD, pairs, mdp.estimates(NEW, pairs, shares), right,
              wrong=True),
    )  # fmt: skip


def _biases(process: Mdp, played: Array, theta: Array, batches: Batches, gamma: float) -> Picture:
    """Draw, on the way from θ₀ to θ and as far again, how far the means are from ∇J."""
    shares, lines = [0.0, 0.25, 0.5, 1.0, 1.5, 2.0], []
    landscape = Landscape(process, gamma, len(batches.mask))
    for share in shares:
        here = played + share * (theta - played)
        taken, product = training.steps(here, batches, gamma=gamma), compute(weights, played, here, batches)
        found = taken, compute(clipped_gradients, here, played, batches, gamma), product[:, None, None] * taken
        right = landscape.gradients(here)
        lines.append([float(np.linalg.norm(mdp.expectation(played, batches, each) - right)) for each in found])
    names = "no weights", "clipped ratio", "product of ratios, W"
    series = tuple(Series(name, tuple(shares), y) for name, y in zip(names, zip(*lines, strict=True), strict=True))
    title = "Episodes of θ₀, used again further and further away"
    return Picture(title, "way from θ₀ (0) to θ (1)", "bias ‖E₀[ĝ] - ∇J‖", series)


def _variances() -> Picture:
    """Draw how the variance of W grows with the length of an episode."""
    steps = np.array([1, 5, 20, 100])
    series = []
    for chance in (0.55, 0.6, 0.75):
        chi_square = np.sum(np.array([chance, 1 - chance]) ** 2 / EVEN) - 1
        spread = tuple(((1 + chi_square) ** steps - 1).tolist())
        series.append(Series(f"½ against {chance}", tuple(f"n = {n}" for n in steps), spread))
    return Picture("The price: n equal choices", "Choices in an episode", "Var₀[W]", tuple(series), "bars", log=True)
