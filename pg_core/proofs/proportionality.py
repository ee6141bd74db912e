"""Sutton and Barto's "∝": the constant is the mean length of an episode; and their update after every step."""

from typing import Any

import numpy as np
import tensorflow as tf

from pg_core.proofs import mdp, training
from pg_core.proofs.discounting import two_gates
from pg_core.proofs.mdp import Array, Batches, Mdp, softmax
from pg_core.proofs.policy_gradient_theorem import objective, state_values, theorem, visits
from pg_core.proofs.reward_to_go import discounted_reward_to_go
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact

GAMMA, ALPHA = 0.9, 0.1
SMALL = 1e-3  # learning rates from which a limit is extrapolated
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
STAYS = np.array([0.98, 0.8])  # how likely a careful and a careless step do not end the episode
CHANCES = np.linspace(0.05, 0.95, 19)


def weighed_states(process: Mdp, theta: Array, gamma: float, horizon: int) -> tuple[Array, Array]:
    """Calculate Σₜ γᵗ P(n > t) and Σₜₛ μ(t,s) Σₐ ∇π(a|s) Qₜ(s,a), where μ(t,s) is γᵗ P(sₜ = s) over that sum."""
    counts = gamma ** np.arange(horizon)[:, None] * mdp.state_distributions(process, theta, horizon)
    total, worth = counts.sum(), mdp.action_values(process, theta, gamma, horizon)
    return total, theorem(theta, counts / total, worth).sum(axis=0)


def survival() -> Mdp:
    """Return a process of one state that pays 1 a step and that a careful action rarely ends."""
    return Mdp(np.ones(1), np.stack([STAYS, 1 - STAYS], axis=1)[None], np.ones((1, 2)))


def logits(chances: Array) -> Array:
    """Return the logits of policies that are careful with these probabilities, `[..., 1, 2]`."""
    log_odds = np.log(chances / (1 - chances))
    return np.stack([log_odds, np.zeros_like(log_odds)], axis=-1)[..., None, :]


def within_episode(theta: Array, batches: Batches, weights: Array, alpha: float) -> Array:
    """Calculate what θ ← θ + α wₜ ∇log π_θ(aₜ|sₜ) after each step of an episode adds up to, `[N, S, A]`."""
    tables = np.tile(theta, (weights.shape[1], 1, 1))
    episodes = np.arange(len(tables))
    for state, action, weight in zip(batches.states[..., 0], batches.actions[..., 0], weights[..., 0], strict=True):
        score = np.eye(theta.shape[1])[action] - softmax(tables[episodes, state])
        tables[episodes, state] += alpha * weight[:, None] * score
    return tables - theta


def trainers_within_episode(theta: Array, batches: Batches, weights: Array) -> Array:
    """Have the trainer take a step after each step of an episode, as if that were an episode with the return wₜ."""
    state, observations = training.start(training.table(theta), weights.shape[1]), training.one_hot(theta, batches)
    for t in range(len(weights)):
        row = slice(t, t + 1)
        step = Batches(batches.states[row], batches.actions[row], weights[row], batches.mask[row], batches.dynamics)
        state, _ = training.update(state, observations[row], step, gamma=1.0, learning_rate=ALPHA)
        # The bias is a parameter of its own, which a table does without.
        state = state._replace(policy={**state.policy, "bias_0": np.zeros_like(state.policy["bias_0"])})
    result: Array = state.policy["kernel_0"] - theta
    return result


def second_order(theta: Array, batches: Batches, weights: Array) -> Array:
    """Calculate -Σ_{k<t, sₖ=sₜ} wₜ wₖ F(sₜ) ∇log π(aₖ|sₖ) with F = diag π - π πᵀ, `[N, S, A]`."""
    policy, episodes = softmax(theta), np.arange(weights.shape[1])
    fisher = policy[:, :, None] * (np.eye(policy.shape[1]) - policy[:, None])  # [S, A, A]
    so_far, result = (np.zeros((len(episodes), *policy.shape)) for _ in range(2))
    for state, action, weight in zip(batches.states[..., 0], batches.actions[..., 0], weights[..., 0], strict=True):
        earlier = np.einsum("nab,nb->na", fisher[state], so_far[episodes, state])
        result[episodes, state] -= weight[:, None] * earlier
        so_far[episodes, state] += weight[:, None] * (np.eye(policy.shape[1])[action] - policy[state])
    return result


def _constants(process: Mdp, theta: Array, batches: Batches, horizon: int) -> list[Comparison]:
    """Compare ∇J with the mean over the states that are met, times the mean length or not."""
    length, mean = weighed_states(process, theta, 1.0, horizon)
    steps = mdp.expectation(theta, batches, batches.mask.sum(axis=(0, 2)))
    discounted_length, discounted_mean = weighed_states(process, theta, GAMMA, horizon)
    several = horizon > 1
    counts, values = visits(process, theta, 1.0), state_values(process, theta, 1.0)
    lengths = state_values(process._replace(rewards=np.ones_like(process.rewards)), theta, 1.0)  # r = 1 counts steps
    no_limit = theorem(theta, counts / counts.sum(), mdp.worth(process, values, 1.0))
    grown = mdp.gradient(lambda tables: tf.reduce_sum(objective(survival(), tables, 1.0)), logits(CHANCES))[:, 0, 0]
    by_hand = (STAYS[0] - STAYS[1]) * CHANCES * (1 - CHANCES) * mean_lengths() ** 2

    def trainers(claim: str, right: Array, **settings: Any) -> Comparison:
        return training.compare(claim, theta, batches, right, **settings)

    return [
        exact("Σₜₛ P(sₜ = s) = E[n], the mean length", length, steps),
        trainers("the trainer, γ = 1: E[Δθ] = E[n] Σ μ Σₐ ∇π Q", steps * mean, gamma=1.0),
        trainers('"∝" read as "=": E[Δθ] = Σ μ Σₐ ∇π Q', mean, gamma=1.0, wrong=several),
        exact("no time limit: E[n] Σₛ μ(s) Σₐ ∇π(a|s) Q(s,a) = ∇J",
              process.start @ lengths * no_limit,
              mdp.gradient(lambda table: objective(process, table, 1.0), theta)),
        trainers("γ = 0.9: E[Δθ] = E[1 + γ + … + γⁿ⁻¹] Σ μ Σₐ ∇π Q, with γᵗ in μ, too",
                 discounted_length * discounted_mean, gamma=GAMMA),
        trainers("γ = 0.9: the constant is E[n]", steps * discounted_mean, gamma=GAMMA, wrong=several),
        trainers("the trainer's mean over steps of one episode: E[Δθ] = ∇J / E[n]", mean, gamma=1.0, reduction="step",
                 wrong=several),
        exact("one state: ∂J/∂z = 0.18 p (1-p) E[n]²", grown, by_hand),
    ]  # fmt: skip


def mean_lengths() -> Array:
    """Calculate E[n] = 1 / P(end) of the survival process for each chance to be careful."""
    lengths: Array = 1 / (CHANCES * (1 - STAYS[0]) + (1 - CHANCES) * (1 - STAYS[1]))
    return lengths


def _updates(process: Mdp, theta: Array, batches: Batches, horizon: int) -> list[Comparison]:
    """Compare the update after each step with that after each episode."""
    weights = credit(batches)
    ours, whole = trainers_within_episode(theta, batches, weights), training.steps(theta, batches, gamma=GAMMA)
    right = mdp.objective_gradient(process, theta, GAMMA, horizon)

    def slope(alpha: float) -> Array:
        return within_episode(theta, batches, weights, alpha) / alpha

    bend = [(slope(alpha) - whole) / alpha for alpha in (SMALL, SMALL / 2)]
    first = 2 * slope(SMALL / 2) - slope(SMALL)
    gates = mdp.every_batch(two_gates(), 2)
    passing, paid = mdp.random_policy(2, 1), credit(gates)
    apart = within_episode(passing, gates, paid, ALPHA)
    at_once = ALPHA * mdp.estimates(passing, gates, paid)
    limits = {
        "α → 0: the difference over α² is -Σ_{k<t, sₖ=sₜ} wₜ wₖ F ∇log π(aₖ|sₖ)": (
            2 * bend[1] - bend[0], second_order(theta, batches, weights)
        ),
        "α → 0: its mean over α is ∇J": (mdp.expectation(theta, batches, first), right),
    }  # fmt: skip
    return [
        exact("the trainer, step after step: θ ← θ + α γᵗ Gₜ ∇log π(aₜ|sₜ) with each new θ", ours,
              within_episode(theta, batches, weights, ALPHA)),
        exact("the same as one update by the whole episode", ours, ALPHA * whole, wrong=horizon > 1),
        exact("its mean is α ∇J, α = 0.1", mdp.expectation(theta, batches, ours), ALPHA * right, wrong=horizon > 1),
        exact("the update by whole episodes: its mean is α ∇J", mdp.expectation(theta, batches, ALPHA * whole),
              ALPHA * right),
        exact("two gates, no state twice: both updates are the same", apart, at_once),
        *(exact(claim, found, limit, bound=1e-4 * max(1.0, np.abs(limit).max()))
          for claim, (found, limit) in limits.items()),
    ]  # fmt: skip


def credit(batches: Batches) -> Array:
    """Calculate wₜ = γᵗ Gₜ, `[T, N, B]`."""
    return discounted_reward_to_go(batches.rewards, GAMMA)


def check(horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare ∇J with what it is proportional to, and two ways to learn from an episode with each other."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    batches = mdp.every_batch(process, horizon)
    rows = *_constants(process, theta, batches, horizon), *_updates(process, theta, batches, horizon)
    return Check(rows, (_growth(), _bias(process, theta, batches, horizon)))


def _growth() -> Picture:
    """Draw what the constant does while a policy learns to survive."""
    lengths, x = mean_lengths(), tuple(CHANCES.tolist())
    without = (STAYS[0] - STAYS[1]) * CHANCES * (1 - CHANCES) * lengths
    lines = {"E[n]": lengths, "∂J/∂z": without * lengths, "without E[n]: Σ μ Σₐ ∂π/∂z Q": without}
    series = tuple(Series(name, x, tuple(line.tolist())) for name, line in lines.items())
    return Picture("The constant is not constant: it grows as the policy learns", "probability p of the careful action",
                   "steps, slopes", series)  # fmt: skip


def _bias(process: Mdp, theta: Array, batches: Batches, horizon: int) -> Picture:
    """Draw how far the mean of the update after each step is from ∇J."""
    right, weights = mdp.objective_gradient(process, theta, GAMMA, horizon), credit(batches)
    found = [
        float(np.linalg.norm(mdp.expectation(theta, batches, within_episode(theta, batches, weights, a) / a) - right))
        for a in RATES
    ]
    line = Series("after each step; after each episode it is 0", RATES, tuple(found))
    return Picture("The bias of updates within the episode", "learning rate α", "‖E[Δθ]/α - ∇J‖", (line,), log=True)
