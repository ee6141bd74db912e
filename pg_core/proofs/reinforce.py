"""REINFORCE: the whole return times the sum of the scores estimates ∇J, and needs no model of the environment."""

from typing import Any

import numpy as np

from pg_core import maths
from pg_core.proofs import mdp, training
from pg_core.proofs.expected_score import gauss_hermite
from pg_core.proofs.mdp import Array, Batches, softmax
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, exact


def trainers_gaussian_estimate(mean: Array, log_std: Array, target: float) -> Array:
    """Let the trainer take a step from each of the actions, and calculate the mean of its steps, `[2, 1]`."""
    nodes, weights = gauss_hermite()
    actions = (mean + np.exp(log_std) * nodes[:, None])[None, :, None]  # [1, K, 1, 1]
    ones = np.ones(actions.shape[:3])
    batches = Batches(ones, actions, -((actions[..., 0] - target) ** 2), ones, weights)
    policy = {**training.table(mean[None]), "log_std": log_std[None]}
    state, _ = training.update(training.start(policy, len(nodes)), ones[..., None], batches, env_id="Pendulum-v1")
    steps = [state.policy["kernel_0"] - mean, state.policy["log_std"] - log_std]
    result: Array = np.einsum("k,pka->pa", weights, np.stack(steps)[:, :, 0])
    return result


def whole_returns(batches: Batches, gamma: float) -> Array:
    """Return G₀ = Σₖ γᵏ rₖ on every played step, `[T, N, B]`."""
    whole: Array = compute(maths.episode_returns, batches.rewards, gamma) * batches.mask
    return whole


def probability_gradients(theta: Array, batches: Batches) -> Array:
    """Calculate ∇P(τ) = ρ₀ ∏ₜ P Σₜ ∇π(aₜ|sₜ) ∏_{k≠t} π(aₖ|sₖ), the product rule, for batches of one, `[N, S, A]`."""
    policy, (num_states, num_actions) = softmax(theta), theta.shape
    slopes = policy[..., None] * (np.eye(num_actions) - policy[:, None])  # [S, A, A] ∂π(a|s)/∂θ[s]
    states, actions, mask = (array[:, :, 0] for array in (batches.states, batches.actions, batches.mask))
    factors = np.where(mask > 0, policy[states, actions], 1.0)  # [T, N]
    episodes = np.arange(factors.shape[1])
    result = np.zeros((len(episodes), num_states, num_actions))
    for t in range(len(factors)):
        others = batches.dynamics * np.delete(factors, t, axis=0).prod(axis=0) * mask[t]
        result[episodes, states[t]] += others[:, None] * slopes[states[t], actions[t]]
    return result


def gaussian_estimate(mean: Array, log_std: Array, target: float) -> Array:
    """Calculate E[r(a) ∇log π(a)] of one Gaussian step with r(a) = -(a - c)², `[2, 1]`: for μ and for log σ."""
    nodes, weights = gauss_hermite()
    actions = mean + np.exp(log_std) * nodes[:, None]  # [K, 1]
    means = np.broadcast_to(mean, actions.shape)
    scores = np.moveaxis(maths.Gaussian.of(means, log_std).score(actions).numpy(), -1, 0)[..., None]  # [2, K, 1]
    result: Array = np.einsum("k,ka,pka->pa", weights, -((actions - target) ** 2), scores)
    return result


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare ∇J with E[G₀ Σₜ ∇log π(aₜ|sₜ)], for one episode and for the mean of two, and with slips of the pen."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    batches = mdp.every_batch(process, horizon)
    whole = whole_returns(batches, gamma)
    right = mdp.objective_gradient(process, theta, gamma, horizon)
    exchanged = np.einsum("nsa,n->sa", probability_gradients(theta, batches), whole[0, :, 0])
    one = mdp.compare("E[G₀ Σₜ ∇log π(aₜ|sₜ)] = ∇J", theta, batches, whole, right)
    settings: dict[str, Any] = {"weights": "episode_return", "gamma": gamma}

    short = min(horizon, 2)  # there are too many pairs of longer episodes
    pairs, singles = (mdp.every_batch(process, short, num_episodes) for num_episodes in (2, 1))
    returns = whole_returns(pairs, gamma)
    short_right = mdp.objective_gradient(process, theta, gamma, short)
    two = mdp.compare("two episodes (T ≤ 2): the mean of both", theta, pairs, returns, short_right)
    half = mdp.total_variance(theta, singles, mdp.estimates(theta, singles, whole_returns(singles, gamma))) / 2
    mean_return = returns[:1].mean(axis=2, keepdims=True)

    mean, log_std, target = np.random.default_rng([seed, 2]).normal(size=(3, 1))
    slope = [-2 * (mean - target), -2 * np.exp(2 * log_std)]
    return Check(
        (
            exact("Σ G₀(τ) ∇P(τ) = ∇ Σ G₀(τ) P(τ)", exchanged, right),
            one,
            training.compare("the trainer's own step, α = 1: E[Δθ] = ∇J", theta, batches, right, **settings),
            training.compare("states hidden: the trainer's E[Δθ] = ∇J of a policy that sees none", theta[:1],
                             mdp.hide(batches), mdp.hidden_gradient(process, theta[:1], gamma, horizon), **settings),
            two,
            training.compare("the trainer's step from two: E[Δθ] = ∇J", theta, pairs, short_right, **settings),
            exact("two episodes: half the variance of one", two.variance or 0.0, half),
            exact("Gaussian: E[-(a-c)² ∇log π(a)] = -∇((μ-c)² + σ²)", gaussian_estimate(mean, log_std, target), slope),
            exact("Gaussian: the trainer's step, its mean", trainers_gaussian_estimate(mean, log_std, target), slope),
            mdp.compare("descent: the sign of a loss", theta, batches, -whole, right, wrong=True),
            mdp.compare(
                "∇π in place of ∇log π", theta, batches, whole * np.exp(mdp.log_probs(theta, batches)), right,
                wrong=True,
            ),
            mdp.compare(
                "γᵗ G₀: discounted twice", theta, batches, whole * compute(maths.discounts, whole, gamma), right,
                wrong=gamma * (1 - gamma) * (horizon > 1),
            ),
            mdp.compare(
                "two episodes: the mean return times the mean score", theta, pairs, mean_return * pairs.mask,
                short_right, wrong=True,
            ),
            mdp.compare("that leaves half of ∇J", theta, pairs, mean_return * pairs.mask, short_right / 2),
        )
    )  # fmt: skip
