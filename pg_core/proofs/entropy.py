"""Entropy, its slope, the bonus that is made of it, and the divergence of two policies."""

import itertools

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp
from pg_core.proofs.expected_score import gauss_hermite
from pg_core.proofs.mdp import Array, Batches, softmax
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

CHOICES = 4
TRIPLES = np.array(list(itertools.product(range(3), repeat=3)))  # of three actions


def shannon_entropy(logits: Array) -> Array:
    """Calculate H = -Σₖ πₖ ln πₖ, `[...]`."""
    policy = softmax(logits)
    result: Array = -(policy * np.log(policy)).sum(axis=-1)
    return result


def entropies(theta: Array, batches: Batches) -> tf.Tensor:
    """Calculate H(π(·|sₜ)), `[T, N, B]`, 0 where not played."""
    return maths.Categorical(tf.gather(theta, batches.states)).entropy() * batches.mask


def kl_estimates(old: Array, new: Array) -> Array:
    """Estimate KL(old ‖ new) from every triple of actions, an episode of two steps and one of one step, `[27]`."""

    def padded(logits: Array, junk: float) -> tf.Tensor:
        rows = np.pad(np.log(softmax(logits))[TRIPLES], [(0, 0), (0, 1)], constant_values=junk)
        return tf.constant(rows.reshape(-1, 2, 2).swapaxes(0, 1))  # [T, 27, B]

    mask = np.tile([[[1.0, 1.0]], [[1.0, 0.0]]], (1, len(TRIPLES), 1))
    result: Array = maths.approx_kl(padded(old, junk=-1.0), padded(new, junk=-3.0), tf.constant(mask)).numpy()
    return result


def check(seed: int = 0) -> Check:
    """Compare entropies with their definition, slopes with a tape, and the bonus with what it is taken for."""
    rng = np.random.default_rng(seed)
    return Check(
        (*_softmax(rng), *_two_actions(rng), *_gaussian(rng), *_bonus(seed), *_divergence(rng)),
        pictures=(_picture(),),
    )


def _softmax(rng: np.random.Generator) -> tuple[Comparison, ...]:
    logits = rng.normal(size=(3, CHOICES))
    policy, entropy = softmax(logits), maths.Categorical(tf.constant(logits)).entropy()
    each = tf.constant(np.tile(logits[:, None], (1, CHOICES, 1)))  # [3, A, A]
    actions = np.tile(np.arange(CHOICES, dtype=np.int32), (3, 1))
    log_probs, scores = maths.Categorical(each).log_prob(actions), maths.Categorical(each).score(actions)
    extremes = maths.Categorical(tf.constant([[1000.0, -1000.0, 0.0, 0.0], [7.0] * CHOICES], tf.float64)).entropy()
    slope = maths.Categorical(tf.constant(logits)).entropy_gradient()
    by_tape = mdp.gradient(lambda z: maths.Categorical(z).entropy(), tf.constant(logits))
    by_hand = -policy * (np.log(policy) + shannon_entropy(logits)[:, None])
    divergence = (policy * np.log(policy * CHOICES)).sum(axis=1)
    return (
        exact("softmax: H = -Σₖ πₖ ln πₖ", entropy, shannon_entropy(logits)),
        exact("softmax: H = -E[log π(a)]", entropy, -np.einsum("na,na->n", policy, log_probs)),
        exact("softmax: ln A - H = KL(π ‖ uniform)", np.log(CHOICES) - entropy, divergence),
        exact("softmax: H = 0 for a sure action, ln A for equal logits", extremes, [0.0, np.log(CHOICES)]),
        exact("softmax: ∂H/∂zₖ = -πₖ (ln πₖ + H)", slope, by_hand),
        exact("softmax: the same, by the tape", slope, by_tape),
        exact("looks wrong: E[-log π(a) ∇log π(a)] = ∇H", -np.einsum("na,na,nak->nk", policy, log_probs, scores),
              slope),
        exact("-log π(a) of the sample, differentiated: E[-∇log π(a)]", -np.einsum("na,nak->nk", policy, scores),
              slope, wrong=True),
        exact("the constraint Σ π = 1 forgotten: -πₖ (ln πₖ + 1)", -policy * (np.log(policy) + 1), slope, wrong=True),
    )  # fmt: skip


def _two_actions(rng: np.random.Generator) -> tuple[Comparison, ...]:
    log_odds = tf.constant(rng.normal(size=5))
    policy = maths.Bernoulli(log_odds[:, None])
    entropy, slope = policy.entropy(), policy.entropy_gradient()[:, 0]
    by_tape = mdp.gradient(lambda z: maths.Bernoulli(z[:, None]).entropy(), log_odds)
    logits = np.stack([np.zeros(5), log_odds], axis=1)
    chance = softmax(logits)[:, 1]
    return (
        exact("two actions: H = -p ln p - (1-p) ln (1-p)", entropy, shannon_entropy(logits)),
        exact("two actions: a softmax of (0, z)", entropy, maths.Categorical(tf.constant(logits)).entropy()),
        exact("two actions: dH/dz = -z p (1-p)", slope, -log_odds * chance * (1 - chance)),
        exact("two actions: the same, by the tape", slope, by_tape),
    )


def _gaussian(rng: np.random.Generator) -> tuple[Comparison, ...]:
    mean, log_std = rng.normal(size=(5, 3)), rng.normal(scale=0.5, size=3)
    entropy = maths.Gaussian.of(tf.constant(mean), tf.constant(log_std)).entropy()
    by_hand = (0.5 * np.log(2 * np.pi * np.e * np.exp(2 * log_std))).sum()
    nodes, weights = gauss_hermite()
    # log π is a sum over components: its mean needs only the distribution of each, so that they may share ε.
    actions = mean + np.exp(log_std) * nodes[:, None, None]  # [K, 5, 3]
    log_probs = maths.Gaussian.of(tf.constant(mean), tf.constant(log_std)).log_prob(tf.constant(actions))
    wide = tf.constant(np.broadcast_to(log_std, mean.shape))
    slope = maths.Gaussian.of(tf.constant(mean), tf.constant(log_std)).entropy_gradient()
    by_tape = mdp.gradient(lambda s: maths.Gaussian.of(tf.constant(mean), s).entropy(), wide)
    return (
        exact("Gaussian: H = Σᵢ ½ ln (2πe σᵢ²), the same for every μ", entropy, np.full(5, by_hand)),
        exact("Gaussian, five μ: ΣH = -ΣE[log π(a)]", tf.reduce_sum(entropy), -np.einsum("k,kn->", weights, log_probs)),
        exact("Gaussian: ∂H/∂μᵢ = 0, ∂H/∂log σᵢ = 1", slope, np.repeat([0.0, 1.0], 3) + 0 * slope),
        exact("Gaussian: ∂H/∂log σᵢ = 1, by the tape", slope[:, 3:], by_tape),
    )


def _bonus(seed: int) -> tuple[Comparison, ...]:
    states, horizon = 2, 3
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    batches = mdp.every_batch(process, horizon)
    later = tf.cumsum(entropies(theta, batches), axis=0, reverse=True, exclusive=True)
    chances = mdp.probabilities(theta, batches)  # calculated before the tape records: constants

    def visited(table: tf.Tensor) -> tf.Tensor:
        return tf.tensordot(chances, tf.reduce_sum(entropies(table, batches), axis=(0, 2)), 1)

    bonus = mdp.gradient(visited, theta)
    through_states = mdp.expectation(theta, batches, mdp.estimates(theta, batches, later))

    def expected_sum(table: tf.Tensor) -> tf.Tensor:
        each = -tf.reduce_sum(tf.nn.softmax(table) * tf.nn.log_softmax(table), axis=1)
        return tf.reduce_sum(mdp.state_distributions(process, table, horizon) * each)

    whole = mdp.gradient(expected_sum, theta)
    return (
        exact("E[Σₜ ∇Hₜ + Σₜ ∇log π(aₜ|sₜ) Σ_{k>t} Hₖ] = ∇E[Σₜ Hₜ]", bonus + through_states, whole),
        exact("the bonus alone, taken for ∇E[Σₜ Hₜ]: E[Σₜ ∇Hₜ]", bonus, whole, wrong=True),
    )


def _divergence(rng: np.random.Generator) -> tuple[Comparison, ...]:
    old, change = rng.normal(size=(2, 3))
    new = old + 0.5 * change
    chances = softmax(old)[TRIPLES].prod(axis=1)
    log_ratio = np.log(softmax(new) / softmax(old))
    right, estimates = -softmax(old) @ log_ratio, kl_estimates(old, new)
    by_hand = (np.exp(log_ratio) - 1 - log_ratio)[TRIPLES].mean(axis=1)

    def compare(claim: str, estimates: Array, *, wrong: bool = False) -> Comparison:
        mean = chances @ estimates
        return exact(claim, mean, right, wrong=wrong, variance=float(chances @ (estimates - mean) ** 2))

    nothing = tf.zeros((2, 1, 2), tf.float64)
    return (
        compare("E_old[(r-1) - ln r] = KL(old ‖ new), r = π_new/π_old", estimates),
        exact("each estimate: a mean of (r-1) - ln r, never < 0", estimates, np.abs(by_hand)),
        exact("no step played: 0", maths.approx_kl(nothing, nothing - 1, nothing), 0.0),
        compare("looks wrong: E_old[-ln r] = KL(old ‖ new), though often < 0", -log_ratio[TRIPLES].mean(axis=1)),
        compare("old and new exchanged", kl_estimates(new, old), wrong=True),
        compare("½ E_old[(ln r)²], close but biased", 0.5 * (log_ratio[TRIPLES] ** 2).mean(axis=1), wrong=True),
    )


def _picture() -> Picture:
    log_odds = tf.constant(np.linspace(-6, 6, 61))
    policy = maths.Bernoulli(log_odds[:, None])
    curves = {"H": policy.entropy(), "dH/dz": policy.entropy_gradient()[:, 0]}
    series = (Series(name, tuple(log_odds.numpy()), tuple(y.numpy())) for name, y in curves.items())
    return Picture("Two actions: the bonus pulls most at middling odds", "log-odds z", "nats", tuple(series))
