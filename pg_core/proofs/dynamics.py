"""No model needed: the dynamics drop out of ∇log P(τ), but not out of the probability of τ."""

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp
from pg_core.proofs.log_derivative import trajectory_scores
from pg_core.proofs.mdp import Array, Batches
from pg_core.proofs.programs import compute
from pg_core.proofs.verdicts import Check, exact


def sum_of_scores(theta: Array, batches: Batches) -> Array:
    """Calculate Σₜ ∇log π(aₜ|sₜ) over the played steps, `[N, S, A]`."""
    total: Array = mdp.scores(theta, batches).sum(axis=(0, 2))
    return total


def last_score(theta: Array, batches: Batches) -> Array:
    """Calculate ∇log π(aₜ|sₜ) of each episode's last step alone, `[N, S, A]`."""
    after = np.concatenate([batches.mask[1:], np.zeros_like(batches.mask[:1])])
    return sum_of_scores(theta, batches._replace(mask=batches.mask - after))


def check(horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare ∇log P(τ) with the sum of the scores, in two processes that share policy and rewards."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    other = mdp.random_mdp(states, seed + 1)._replace(rewards=process.rewards)
    batches, others = mdp.every_batch(process, horizon), mdp.every_batch(other, horizon)
    total, through = sum_of_scores(theta, batches), trajectory_scores(theta, batches)
    padded = sum_of_scores(theta, batches._replace(mask=np.ones_like(batches.mask)))

    def by_start(table: tf.Tensor) -> tf.Tensor:
        return mdp.objective(process._replace(start=tf.nn.softmax(table[:, 0])), table, 1.0, horizon)

    # A first state that the parameters choose has a score of its own, which REINFORCE leaves out.
    chosen = mdp.every_batch(process._replace(start=mdp.softmax(theta[:, 0])), horizon)
    whole = compute(maths.episode_returns, chosen.rewards, 1.0) * chosen.mask
    with_start = mdp.gradient(by_start, theta)
    row, hidden = theta[:1], mdp.hide(batches)  # one row of logits for all states
    by_state = trajectory_scores(np.repeat(row, states, axis=0), batches)
    differ = horizon > 1 or states > 1  # else nothing is left to the environment
    return Check(
        (
            exact("∇log P(τ) = Σₜ ∇log π(aₜ|sₜ)", through, total),
            exact("states hidden, one observation for all: ∇log P(τ) = Σₜ ∇log π(aₜ|oₜ)",
                  by_state.sum(axis=1), sum_of_scores(row, hidden)[:, 0]),
            exact("∇log P(τ) is the same in another process", through, trajectory_scores(theta, others)),
            exact(
                "∇J is the same in another process",
                mdp.objective_gradient(process, theta, 1.0, horizon),
                mdp.objective_gradient(other, theta, 1.0, horizon),
                wrong=differ,
            ),
            exact("the last step's score alone", last_score(theta, batches), through, wrong=horizon > 1),
            exact("rows after the end have a score, too", padded, through, wrong=horizon > 1),
            mdp.compare("if ρ₀ did depend on θ: E[Σₖ rₖ Σₜ ∇log π(aₜ|sₜ)] = ∇J", theta, chosen, whole, with_start,
                        wrong=states > 1),
        )
    )  # fmt: skip
