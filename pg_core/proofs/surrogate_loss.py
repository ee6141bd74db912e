"""The surrogate loss: its gradient is minus the estimate of ∇J, its value measures nothing."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.learning.reinforce import Metrics, State
from pg_core.proofs import mdp, networks, training
from pg_core.proofs.mdp import Array, Batches, Mdp, softmax
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

ENT_COEF = 0.3
CONSTANT = 2.0  # a baseline
JUNK = 1e3  # in rows that were not played
BANDIT = Mdp(np.ones(1), np.array([[[0.0, 1.0], [0.0, 1.0]]]), np.array([[1.0, 0.0]]))  # one step, one good action
CHANCES = np.linspace(0.1, 0.9, 9)


def loss(
    theta: tf.Tensor, batches: Batches, weights: tf.Tensor, ent_coef: float = 0.0, per_step: bool = False
) -> tf.Tensor:
    """Calculate L = -1/n Σₜᵦ (wₜᵦ log π(aₜᵦ|sₜᵦ) + c_H H(sₜᵦ)) of every batch, `[N]`."""
    entropies = tf.gather(entropy_table(theta), batches.states) * batches.mask
    terms = tf.stop_gradient(weights) * mdp.log_probs(theta, batches) + ent_coef * entropies
    total = tf.reduce_sum(terms, axis=(0, 2))
    return -total / (tf.reduce_sum(batches.mask, axis=(0, 2)) if per_step else _num_episodes(batches))


def _num_episodes(batches: Batches) -> tf.Tensor:
    return tf.cast(tf.shape(batches.mask)[2], tf.float64)


def entropy_table(theta: tf.Tensor) -> tf.Tensor:
    """Calculate H(π(·|s)) of every state, `[S]`."""
    return -tf.reduce_sum(tf.nn.softmax(theta) * tf.nn.log_softmax(theta), axis=1)


def unstopped_loss(theta: tf.Tensor, batches: Batches, weights: tf.Tensor) -> tf.Tensor:
    """Calculate -1/B Σₜᵦ wₜᵦ log π(aₜᵦ|sₜᵦ), `[N]`, forgetting that the weights are constants."""
    return -tf.reduce_sum(mdp.log_probs(theta, batches) * weights, axis=(0, 2)) / _num_episodes(batches)


def each_gradient(
    theta: tf.Tensor, batches: Batches, weights: tf.Tensor, ent_coef: float, per_step: bool, count: int
) -> tf.Tensor:
    """Calculate ∇L of each of N = `count` batches by the tape, `[N, S, A]`."""

    def of(n: int) -> tf.Tensor:
        return mdp.gradient(lambda table: loss(table, batches, weights, ent_coef, per_step)[n], theta)

    return tf.stack([of(n) for n in range(count)])


def mean_gradients(
    theta: tf.Tensor, chances: tf.Tensor, batches: Batches, weights: tf.Tensor, discounts: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """Calculate E[∇L] = Σ P(τ) ∇L(τ), `[S, A]`, of six losses: the probabilities are not differentiated."""

    def shared(table: tf.Tensor) -> tf.Tensor:
        baseline = tf.reduce_logsumexp(table, axis=1)  # b(s), made of the policy's own parameters
        return weights - discounts * tf.gather(baseline, batches.states)

    losses = (
        lambda table: loss(table, batches, weights),
        lambda table: loss(table, batches, weights - CONSTANT),
        lambda table: loss(table, batches, shared(table)),
        lambda table: unstopped_loss(table, batches, shared(table)),
        lambda table: loss(table, batches, weights, per_step=True),
        lambda table: -loss(table, batches, weights),
    )

    def mean(of: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        return mdp.gradient(lambda table: tf.tensordot(chances, of(table), 1), theta)

    return tuple(map(mean, losses))


def entropy_gradients(theta: Array, batches: Batches) -> Array:
    """Calculate 1/B Σₜᵦ ∇H(sₜᵦ) with ∂H/∂θ(s,a) = -π(a|s) (log π(a|s) + H(s)), `[N, S, A]`."""
    policy = softmax(theta)
    entropy = -(policy * np.log(policy)).sum(axis=1, keepdims=True)
    visits = (np.eye(len(policy))[batches.states] * batches.mask[..., None]).mean(axis=2).sum(axis=0)  # [N, S]
    slopes: Array = visits[..., None] * -policy * (np.log(policy) + entropy)
    return slopes


def summed_entropy(process: Mdp, theta: tf.Tensor, horizon: int) -> tf.Tensor:
    """Calculate E[Σₜ H(sₜ)] as the value of a process that pays the entropy of each state."""
    pay = tf.repeat(entropy_table(theta)[:, None], mdp.ACTIONS, axis=1)
    return mdp.objective(process._replace(rewards=pay), theta, 1.0, horizon)


def _slope_of_entropy(process: Mdp, theta: tf.Tensor, horizon: int) -> tf.Tensor:
    return mdp.gradient(lambda table: summed_entropy(process, table, horizon), theta)


def mean_entropy(theta: Array, batches: Batches) -> Array:
    """Calculate the mean of H(sₜ) over all steps of each batch, `[N]`."""
    entropies = compute(entropy_table, theta)[batches.states] * batches.mask
    mean: Array = entropies.sum(axis=(0, 2)) / batches.mask.sum(axis=(0, 2))
    return mean


def first_divergence(theta: Array, after: State, batches: Batches) -> Array:
    """Calculate the mean of (r - 1) - ln r, r = π_new/π_old, over the steps of each batch's first episode, `[N]`."""
    states, actions, mask = (rows[..., 0] for rows in (batches.states, batches.actions, batches.mask))  # [T, N]
    new = softmax(after.policy["kernel_0"] + after.policy["bias_0"])  # [N, S, A]
    ratio = new[np.arange(len(new)), states, actions] / softmax(theta)[states, actions]
    mean: Array = ((ratio - 1 - np.log(ratio)) * mask).sum(axis=0) / mask.sum(axis=0)
    return mean


def value_step(values: Array, batches: Batches, returns: Array) -> tuple[Array, Array]:
    """Calculate ½ Σ (V - G)² / ΣT, `[N]`, and minus its slope, -Σ (V - G) ∇V / ΣT, for a table V, `[N, S]`."""
    errors = (values[batches.states] - returns) * batches.mask
    num_steps = batches.mask.sum(axis=(0, 2))
    slopes = np.einsum("tnb,tnbs->ns", errors, np.eye(len(values))[batches.states]) / num_steps[:, None]
    return 0.5 * (errors**2).sum(axis=(0, 2)) / num_steps, -slopes


def variance_over_steps(values: Array, mask: Array) -> Array:
    """Calculate the variance (ddof 0) over the played steps of each batch, `[N]`."""
    played = np.where(mask > 0, values, np.nan)
    variance: Array = np.nanvar(played, axis=(0, 2))
    return variance


@functools.cache
def bandit_loss(p: float) -> float:
    """Calculate E[L] of a single choice: the action that is paid 1 has probability p, the other is paid 0."""
    theta, episodes = np.log([[p, 1 - p]]), mdp.every_batch(BANDIT, horizon=1)
    return float(mdp.expectation(theta, episodes, compute(loss, theta, episodes, episodes.rewards)))


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare the trainer's step with minus the loss's gradient by the tape, and the loss with what it is taken for."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    episodes = mdp.every_batch(process, horizon)
    discounts, returns = (compute(f, episodes.rewards, gamma) for f in (maths.discounts, maths.discounted_returns))
    weights = discounts * returns
    # Four batches of three episodes, the shortest and the longest among them.
    chosen = np.linspace(0, weights.shape[1] - 1, 12).astype(int).reshape(3, 4).T
    batches = Batches._make([*(x[:, chosen, 0] for x in episodes[:4]), episodes.dynamics[chosen].prod(axis=1)])
    right = mdp.objective_gradient(process, theta, gamma, horizon)
    bandit = [bandit_loss(p) for p in CHANCES.tolist()]
    of_networks = networks.comparisons(seed)  # first: there, a single trace shows most mistakes
    rows = (
        *_batch_rows(theta, batches, weights[:, chosen, 0], gamma),
        *_value_rows(batches, seed, gamma),
        *of_networks,
        *_bonus_rows(process, theta, episodes, right, gamma),
        *_mean_rows(theta, episodes, weights, discounts, right),
        _fall_row(process, theta, episodes, weights),
        exact("a choice that pays 1 with probability p: E[L] = -p ln p", bandit, -CHANCES * np.log(CHANCES)),
        exact("the loss falls where J = p rises from 0.1 to 0.3", np.sign(bandit[2] - bandit[0]), -1.0, wrong=True),
    )
    x = tuple(CHANCES.tolist())
    series = Series("J = p", x, x), Series("E[L] = -p ln p", x, tuple(bandit))
    return Check(rows, (Picture("A choice that pays 1 with probability p", "p", "J and E[L]", series),))


def _batch_rows(theta: Array, batches: Batches, weights: Array, gamma: float) -> tuple[Comparison, ...]:
    """Compare what holds in every batch, not only on average."""

    def tape(per_step: bool) -> Array:
        slopes: Array = compute(each_gradient, theta, batches, weights, ENT_COEF, per_step=per_step, count=4)
        return slopes

    def learned(observations: Array, reduction: str = "episode") -> tuple[State, Metrics]:
        settings: dict[str, Any] = {"gamma": gamma, "ent_coef": ENT_COEF, "reduction": reduction}
        start = training.start(training.table(theta), batches.mask.shape[1])
        return training.update(start, observations, batches, **settings)

    clean = training.one_hot(theta, batches)
    state, metrics = learned(clean)
    step, step_mean, dirty = (
        after.policy["kernel_0"] - theta
        for after in (state, learned(clean, "step")[0], learned(clean + JUNK * (1 - batches.mask[..., None]))[0])
    )
    ascent = mdp.estimates(theta, batches, weights) + ENT_COEF * entropy_gradients(theta, batches)
    losses = [compute(loss, theta, batches, weights, ent_coef) for ent_coef in (0.0, ENT_COEF)]
    return (
        exact("the trainer's step: -∇L, by the tape, whatever the batch", step, -tape(per_step=False)),
        exact("and by hand: ĝ + c_H ∇H", step, ascent),
        exact("mean over steps: -∇L of the mean", step_mean, -tape(per_step=True)),
        exact("junk in rows that were not played changes no step", dirty, step),
        exact("the trainer's losses: L without and with the bonus",
              [metrics.policy_loss, metrics.policy_loss + ENT_COEF * metrics.entropy_loss], losses),
        exact("its entropy: the mean of H over all steps", metrics.entropy, mean_entropy(theta, batches)),
        exact("its KL: the mean of (r-1) - ln r over the first episode", metrics.approx_kl,
              first_divergence(theta, state, batches)),
    )  # fmt: skip


def _value_rows(batches: Batches, seed: int, gamma: float) -> tuple[Comparison, ...]:
    """Compare the step of a value network, here a table, with its loss's slope."""
    num_states = int(batches.states.max()) + 1
    theta, values = mdp.random_policy(num_states, seed), np.random.default_rng([seed, 5]).normal(size=num_states)
    returns = compute(maths.discounted_returns, batches.rewards, gamma)
    value = training.table(values[:, None])
    start = training.start(training.table(theta), batches.mask.shape[1], value)
    observations = training.one_hot(theta, batches)
    state, metrics = training.update(start, observations, batches, gamma=gamma, baseline="value")
    by_hand, step = value_step(values, batches, returns)
    spread, rest = (variance_over_steps(x, batches.mask) for x in (returns, returns - values[batches.states]))
    varies = spread > 1e-12  # and not by rounding
    return (
        exact("L_V = ½ Σ (V - G)² / ΣT", metrics.value_loss, by_hand),
        exact("the step of V: -Σ (V - G) ∇V / ΣT", state.value["kernel_0"][..., 0] - values, step),
        exact(
            "its explained variance: 1 - Var(G - V) / Var(G)",
            metrics.explained_variance[varies],
            1 - rest[varies] / spread[varies],
        ),
    )


def _bonus_rows(process: Mdp, theta: Array, episodes: Batches, right: Array, gamma: float) -> tuple[Comparison, ...]:
    """Compare the mean of the trainer's steps, with a bonus for entropy, with what they climb."""
    taken = training.steps(theta, episodes, gamma=gamma, ent_coef=ENT_COEF)
    entropies = ENT_COEF * entropy_gradients(theta, episodes)
    mean, bonus = (mdp.expectation(theta, episodes, x) for x in (taken, entropies))
    whole = ENT_COEF * compute(_slope_of_entropy, process, theta, horizon=len(episodes.mask))
    return (
        exact("the trainer's step with a bonus: its mean is ∇J + c_H E[Σₜ ∇H(sₜ)]", mean, right + bonus),
        # How the policy changes which states come is left out.
        exact("the whole bonus: ∇(J + c_H E[Σₜ H(sₜ)])", mean, right + whole, wrong=len(episodes.mask) > 1),
    )


def _mean_rows(
    theta: Array, episodes: Batches, weights: Array, discounts: Array, right: Array
) -> tuple[Comparison, ...]:
    """Compare E[∇L] with -∇J."""
    chances = mdp.probabilities(theta, episodes)
    plain, constant, held, unstopped, per_step, opposite = compute(
        mean_gradients, theta, chances, episodes, weights, discounts
    )
    return (
        exact("E[∇L] = -∇J", plain, -right),
        exact("with a constant baseline", constant, -right),
        exact("with a baseline of the same parameters, held constant", held, -right),
        exact("with a gradient through that baseline", unstopped, -right, wrong=True),
        exact("the mean over steps: E[∇L] = -∇J", per_step, -right, wrong=len(weights) > 1),
        exact("without its minus sign", opposite, -right, wrong=True),
    )


def _fall_row(process: Mdp, theta: Array, episodes: Batches, weights: Array) -> Comparison:
    """Compare the mean of the loss itself, with and without a baseline that changes no gradient."""
    high, low = (compute(loss, theta, episodes, weights - baseline) for baseline in (0.0, CONSTANT))
    fall = mdp.expectation(theta, episodes, high - low)
    entropy = compute(summed_entropy, process, theta, horizon=len(weights))
    return exact("a constant baseline b lowers E[L] by b E[Σₜ H(sₜ)]", fall, CONSTANT * entropy)
