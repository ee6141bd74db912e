"""Causality: an action has no part in rewards that came before it, nor in those of another episode."""

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp, training
from pg_core.proofs.mdp import Array, Batches, Mdp
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, Comparison, Picture, Series, exact


def products_with_the_past(theta: Array, batches: Batches) -> Array:
    """Calculate E[rₖ ∇log π(aₜ|sₜ)] for all k < t, `[pairs, S, A]`."""
    scores = mdp.scores(theta, batches)[:, :, 0]  # [T, N, S, A]
    pairs = [(k, t) for t in range(len(scores)) for k in range(t)]
    rewards = batches.rewards[:, :, 0, None, None]
    return np.stack([mdp.expectation(theta, batches, rewards[k] * scores[t]) for k, t in pairs] or [0 * scores[0, 0]])


def discounted_reward_to_go(rewards: Array, gamma: float) -> Array:
    """Calculate γᵗ Gₜ, `[T, N, B]`."""
    weights: Array = compute(_discounted_reward_to_go, rewards, gamma)
    return weights


def _discounted_reward_to_go(rewards: tf.Tensor, gamma: tf.Tensor) -> tf.Tensor:
    return maths.discounts(rewards, gamma) * maths.discounted_returns(rewards, gamma)


def with_autoreset(process: Mdp) -> Mdp:
    """Return the process as a vector environment plays it: the end is one more state.

    The row after an end has reward 0 and an action that is ignored; then the next episode begins.
    """
    again = np.append(process.start, 0.0)
    transitions = np.concatenate([process.transitions, np.broadcast_to(again, (1, mdp.ACTIONS, len(again)))])
    never = np.zeros((*transitions.shape[:2], 1))
    return Mdp(again, np.append(transitions, never, axis=2), np.pad(process.rewards, [(0, 1), (0, 0)]))


def first_episode(streams: Batches, end: int) -> Array:
    """Return 1 on the rows of each stream's first episode, `[T, N, B]`."""
    ended: Array = np.cumsum(streams.states == end, axis=0) > 0
    return 1.0 - ended


def biases(estimators: dict[str, Comparison]) -> Picture:
    """Show ‖E[ĝ] - ∇J‖ of each estimator, by its name."""
    lengths = tuple(float(np.linalg.norm(np.subtract(row.left, row.right))) for row in estimators.values())
    series = Series("bias", tuple(estimators), lengths)
    return Picture("Bias by what multiplies a score", "", "‖E[ĝ] - ∇J‖", (series,), kind="bars")


def check(gamma: float = 0.9, horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare ∇J with E[Σₜ γᵗ Gₜ ∇log π(aₜ|sₜ)], and with what is taken for it by mistake."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    batches = mdp.every_batch(process, horizon)
    right = mdp.objective_gradient(process, theta, gamma, horizon)
    to_go = discounted_reward_to_go(batches.rewards, gamma)
    whole = compute(maths.episode_returns, batches.rewards, gamma) * batches.mask
    past = products_with_the_past(theta, batches)

    streams = mdp.every_batch(with_autoreset(process), horizon)
    first = first_episode(streams, end=states)
    longer = np.concatenate([theta, mdp.random_policy(1, seed)])  # says something in the end, too
    target = np.concatenate([right, np.zeros_like(longer[states:])])
    own = discounted_reward_to_go(streams.rewards * first, gamma)
    following = discounted_reward_to_go(streams.rewards * (1 - first), gamma)
    run_on = discounted_reward_to_go(streams.rewards, gamma)
    # Two rows are lost between an episode's last reward and the next one's first: the last itself, and the ignored one.
    reaches_the_next = gamma**2 * (horizon >= 3)
    rows = (
        exact("E[rₖ ∇log π(aₜ|sₜ)] = 0 for all k < t", past, 0.0),
        mdp.compare("E[Σₜ γᵗ Gₜ ∇log π(aₜ|sₜ)] = ∇J", theta, batches, to_go, right),
        training.compare("the trainer's step, α = 1: E[Δθ] = ∇J", theta, batches, right, gamma=gamma),
        mdp.compare("looks wrong: E[Σₜ G₀ ∇log π(aₜ|sₜ)] = ∇J", theta, batches, whole, right),
        training.compare("the trainer's step with G₀", theta, batches, right, gamma=gamma, weights="episode_return"),
        training.compare("states hidden: the trainer's E[Δθ] = ∇J of a policy that sees none", theta[:1],
                         mdp.hide(batches), mdp.hidden_gradient(process, theta[:1], gamma, horizon), gamma=gamma),
        mdp.compare("only the rewards of the past", theta, batches, whole - to_go, right, wrong=True),
        mdp.compare("rows after an automatic reset, masked", longer, streams, own * first, target),
        mdp.compare(
            "junk rows after an automatic reset", longer, streams, own * first + following * (1 - first), target,
            wrong=reaches_the_next,
        ),
        mdp.compare(
            "returns that run on across an episode's end", longer, streams, run_on * first, target,
            wrong=reaches_the_next,
        ),
    )  # fmt: skip
    shown = {"Gₜ": 1, "G₀": 3, "only the past": 6, "junk rows, too": 8, "Gₜ that runs on": 9}
    return Check(rows, (biases({name: rows[index] for name, index in shown.items()}),))
