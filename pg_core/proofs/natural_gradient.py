"""The natural gradient: least-squares weights on the scores, and the steepest way up for a given divergence."""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp, training
from pg_core.proofs.discounting import two_gates
from pg_core.proofs.gradient_domination import stay_or_end
from pg_core.proofs.landscapes import shortfall
from pg_core.proofs.mdp import Array, Batches, Mdp, softmax
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

DIRECTIONS = 20
RATE = 0.7
GATES = 0.5 ** np.arange(1, 6)  # chances of passing
STEPS, FIRST_CHANCE = 40, 0.1  # of the picture


class Fit(NamedTuple):
    """Scores of every episode as features, and how much each step of it counts in a mean."""

    features: Array  # ψₜ, [T, N, SA]
    shares: Array  # γᵗ P(τ), 0 where not played, [T, N]

    def weights(self, targets: Array) -> Array:
        """Find the shortest x with the least Σ share (target - xᵀψ)², `[SA]`, for targets `[T, N]`."""
        roots = np.sqrt(self.shares)[..., None]
        rows = (roots * self.features).reshape(-1, self.features.shape[-1])
        found: Array = np.linalg.lstsq(rows, (roots[..., 0] * targets).ravel(), rcond=1e-9)[0]
        return found

    def fisher(self) -> Array:
        """Calculate F = E[Σₜ γᵗ ψₜ ψₜᵀ], `[SA, SA]`."""
        result: Array = np.einsum("tn,tnx,tny->xy", self.shares, self.features, self.features)
        return result


def trainers_scores(theta: Array, batches: Batches) -> Array:
    """Return the score of every step, `[T, N, SA]`: what the trainer steps along if that step alone earns 1, γ = 0."""
    found = []
    for t in range(len(batches.mask)):
        rewards = batches.mask * (np.arange(len(batches.mask)) == t)[:, None, None]
        taken = training.steps(theta, batches._replace(rewards=rewards), gamma=0.0, gamma_t=False)
        found.append(np.reshape(taken, [batches.mask.shape[1], -1]))
    return np.stack(found)


def fit(theta: Array, batches: Batches, gamma: float) -> Fit:
    """Return the trainer's scores of every episode, and what each step counts."""
    discounts = gamma ** np.arange(len(batches.mask))[:, None]
    shares = discounts * batches.mask[..., 0] * mdp.probabilities(theta, batches)
    return Fit(trainers_scores(theta, batches), shares)


def blocks(counts: Array, policy: Array) -> Array:
    """Calculate d(s) (diag π - ππᵀ) of every state, as blocks on the diagonal, `[SA, SA]`."""
    size = policy.shape[1]
    result = np.zeros((policy.size, policy.size))
    for s, (count, row) in enumerate(zip(counts, policy, strict=True)):
        result[s * size : (s + 1) * size, s * size : (s + 1) * size] = count * (np.diag(row) - np.outer(row, row))
    return result


class Worth(NamedTuple):
    """What states and actions are worth, and how much each time counts for a state."""

    visits: Array  # γᵗ dₜ(s), [T, S]
    values: Array  # Vₜ(s), [T, S, 1]
    advantages: Array  # Aₜ(s,a), [T, S, A]

    def mean(self, worth: Array) -> Array:
        """Calculate the mean over t with weights γᵗ dₜ(s), `[S, ...]`, of worth `[T, S, ...]`."""
        result: Array = np.einsum("ts,tsa->sa", self.visits, worth) / self.visits.sum(axis=0)[:, None]
        return result


def worth(process: Mdp, theta: Array, gamma: float, horizon: int) -> Worth:
    """Calculate by dynamic programming what each state and action is worth."""
    discounts = gamma ** np.arange(horizon)[:, None]
    visits = discounts * mdp.state_distributions(process, theta, horizon)
    values = mdp.values(process, theta, gamma, horizon)[:-1, :, None]
    return Worth(visits, values, mdp.action_values(process, theta, gamma, horizon) - values)


def divergence(theta: tf.Tensor, new: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """Calculate Σₛ d(s) KL(π_θ(·|s) ‖ π_new(·|s)), the sum over all tables `[..., S, A]`."""
    policy = tf.stop_gradient(tf.nn.softmax(theta))
    return tf.reduce_sum(counts[:, None] * policy * (tf.nn.log_softmax(theta) - tf.nn.log_softmax(new)))


def curvature(theta: Array, counts: Array) -> Array:
    """Differentiate the divergence twice with respect to the new policy, at the old one, `[SA, SA]`."""
    slopes: Array = compute(_curvature, theta, counts)
    return slopes


def _curvature(theta: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    def slope(tables: tf.Tensor) -> tf.Tensor:
        return mdp.gradient(lambda new: divergence(tf.stop_gradient(tables), new, counts), tables)

    return mdp.jacobian(slope, theta)


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare F x with ∇J, the trainer's mean step, and x with advantages; and the gain of steps equally far away."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    batches = mdp.every_batch(process, horizon)
    scores = fit(theta, batches, gamma)
    known = worth(process, theta, gamma, horizon)
    slope = np.ravel(mdp.expectation(theta, batches, training.steps(theta, batches, gamma=gamma)))
    returns = compute(maths.discounted_returns, batches.rewards, gamma)[..., 0]
    x = scores.weights(returns)
    rows = (
        *_fisher(theta, scores, known.visits.sum(axis=0)),
        *_compatible(scores, x, slope, batches, known, returns),
        *_table(theta, x, known),
        *_steepest(scores, x, slope, seed, several=states > 1),
        *_coordinates(scores, x, slope, returns, seed),
        *_time(),
        *_gates(),
    )
    return Check(rows, (_picture(),))


def _fisher(theta: Array, scores: Fit, counts: Array) -> tuple[Comparison, ...]:
    """Compare F, of the trainer's scores, with its closed form and with a curvature."""
    fisher, by_hand = scores.fisher(), blocks(counts, softmax(theta))
    rank, (num_states, num_actions) = np.linalg.matrix_rank(fisher, tol=1e-9 * fisher.max()), theta.shape
    return (
        exact("F = E[Σₜ γᵗ ψₜψₜᵀ], the trainer's scores: blocks d(s) (diag π - ππᵀ)", fisher, by_hand),
        exact("F = ∇² Σₛ d(s) KL(π_θ ‖ π_θ') at θ' = θ", curvature(theta, counts), fisher),
        exact("its rank is |S| (|A| - 1)", rank, num_states * (num_actions - 1)),
        exact("it can be inverted: its rank is |S| |A|", rank, num_states * num_actions, wrong=True),
    )


def _compatible(
    scores: Fit, x: Array, slope: Array, batches: Batches, known: Worth, returns: Array
) -> tuple[Comparison, ...]:
    """Compare F x with the trainer's mean step, for x fitted to returns, and to what else may be fitted."""
    times, states, actions = np.arange(len(batches.mask))[:, None], batches.states[..., 0], batches.actions[..., 0]
    true = known.advantages[times, states, actions]
    shifted = returns - (1.0 + states)
    squared = Fit(scores.features, scores.shares * true**2)
    return (
        exact("F x = ∇J: x fits xᵀψₜ to Gₜ by least squares, ∇J is the trainer's E[Δθ]", scores.fisher() @ x, slope),
        exact("the same x for Aₜ in place of Gₜ", scores.weights(true), x),
        exact("… and for Gₜ - b(sₜ) with any b", scores.weights(shifted), x),
        exact("F of squared estimates: E[Σₜ γᵗ Aₜ² ψₜψₜᵀ] x = ∇J", squared.fisher() @ x, slope, wrong=True),
    )


def _table(theta: Array, x: Array, known: Worth) -> tuple[Comparison, ...]:
    """Compare the natural gradient of a table with mean advantages."""
    policy, mean = softmax(theta), known.mean(known.advantages)
    table = x.reshape(mean.shape)
    tilted = policy * np.exp(RATE * mean)
    each = table - np.sum(policy * table, axis=1, keepdims=True)  # xᵀψ(s,a)
    return (
        exact("a table: xᵀψ(s,a) = Ā(s,a), the mean of Aₜ by γᵗ dₜ(s)", each, mean),
        exact("… x(s,a) = Ā(s,a) - 1/|A| Σ Ā(s,·)", table, mean - mean.mean(axis=1, keepdims=True)),
        exact("… θ + αx makes π(a|s) exp(α Ā(s,a)), normalised", softmax(theta + RATE * table),
              tilted / tilted.sum(axis=1, keepdims=True)),
        exact("… Q in place of A: xᵀψ(s,a) is the mean of Qₜ", each, known.mean(known.advantages + known.values),
              wrong=True),
    )  # fmt: skip


def _steepest(scores: Fit, x: Array, slope: Array, seed: int, *, several: bool) -> tuple[Comparison, ...]:
    """Compare what steps gain to first order that lead equally far, ΔᵀFΔ = 1."""
    fisher = scores.fisher()
    directions = np.random.default_rng([seed, 10]).normal(size=(DIRECTIONS, len(x)))

    def gain(step: Array) -> Array:
        result: Array = step @ slope / np.sqrt(np.sum(step @ fisher * step, axis=-1))
        return result

    best = np.sqrt(slope @ x)
    return (
        exact("∇JᵀΔ / √(ΔᵀFΔ) ≤ √(∇JᵀF⁺∇J), whatever the step Δ", shortfall(best, gain(directions)), 0.0),
        exact("… with equality for Δ = x", gain(x), best),
        exact("… and for Δ = ∇J", gain(slope), best, wrong=several),
    )


def _coordinates(scores: Fit, x: Array, slope: Array, returns: Array, seed: int) -> tuple[Comparison, ...]:
    """Compare steps of the same policy in other coordinates, θ = Mφ, by how they change every log π."""
    matrix = np.eye(len(x)) + 0.2 * np.random.default_rng([seed, 11]).normal(size=(len(x), len(x)))
    changed = Fit(scores.features @ matrix, scores.shares)  # the scores with respect to φ: Mᵀψ
    return (
        exact("other coordinates, θ = Mφ: the natural step changes log π alike",
              changed.features @ changed.weights(returns), scores.features @ x),
        exact("… and so does the plain one, Mᵀ∇J", changed.features @ (matrix.T @ slope), scores.features @ slope,
              wrong=True),
    )  # fmt: skip


def _natural(process: Mdp, theta: Array, gamma: float = 1.0) -> tuple[Fit, Array]:
    """Return the scores of all episodes of two steps at most, and x, fitted to their returns, `[S, A]`."""
    batches = mdp.every_batch(process, 2)
    returns = compute(maths.discounted_returns, batches.rewards, gamma)[..., 0]
    scores = fit(theta, batches, gamma)
    return scores, scores.weights(returns).reshape(theta.shape)


@functools.cache
def _time() -> tuple[Comparison, ...]:
    """Compare x with the advantages of both steps: staying earns 1, ending 2, and the state tells the time or not."""
    theta, half = np.log([[0.75, 0.25]] * 2), 0.5
    forgetful = _natural(stay_or_end(False), theta)[1][0]
    advantages = worth(stay_or_end(False), theta, 1.0, 2).advantages[:, 0]
    discounted = _natural(stay_or_end(False), theta, half)[1]
    slope = mdp.objective_gradient(stay_or_end(False), theta, half, 2)
    undiscounted = _natural(stay_or_end(False), theta)[0].fisher()
    return (
        # A₀ = (1 + 1.25, 2) - 2.1875, A₁ = (1, 2) - 1.25; less the mean of the two actions
        exact("stay (1) or end (2), t known, π(end) = ¼: x = Aₜ less its mean over actions",
              _natural(stay_or_end(True), theta)[1], [[0.125, -0.125], [-0.5, 0.5]]),
        exact("… t unknown: x = Aₜ less its mean over actions, at every t", [forgetful] * 2,
              advantages - advantages.mean(axis=1, keepdims=True), wrong=True),
        exact("… γ = ½, γᵗ left out of F: F x = ∇J", undiscounted @ discounted.ravel(), np.ravel(slope), wrong=True),
    )  # fmt: skip


@functools.cache
def _gates() -> tuple[Comparison, ...]:
    """Compare how natural and plain steps move the log-odds of passing two gates, whatever the chance p."""
    tables = [np.log([[1 - p, p]] * 2) for p in GATES]
    natural = np.stack([_natural(two_gates(), table)[1] for table in tables])
    moved = natural[..., 1] - natural[..., 0]
    plain = np.stack([2 * GATES**2 * (1 - GATES)] * 2, axis=1)
    return (
        exact("two gates, passed with p: x moves their log-odds by p and 1", moved,
              np.stack([GATES, np.ones_like(GATES)], axis=1)),
        exact("… as far as ∇J does, 2 p² (1-p)", moved, plain, wrong=True),
    )  # fmt: skip


@functools.cache
def _picture() -> Picture:
    """Draw J = p₀ p₁ along steps of both kinds before two gates, α = 1."""
    lines = {}
    for name in ("plain, ∇J", "natural, F⁺∇J"):
        log_odds, path = np.full(2, np.log(FIRST_CHANCE / (1 - FIRST_CHANCE))), []
        for _ in range(STEPS + 1):
            p = 1 / (1 + np.exp(-log_odds))
            path.append(float(p.prod()))
            log_odds = log_odds + (2 * p.prod() * (1 - p) if name.startswith("plain") else np.array([p[1], 1.0]))
        lines[name] = tuple(path)
    series = tuple(Series(name, tuple(range(STEPS + 1)), path) for name, path in lines.items())
    return Picture("Before two gates: the natural step leaves the plateau", "Step", "J", series)
