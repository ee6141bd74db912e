"""A trajectory's probability: the chain rule, shortened by the Markov property; all of them sum to 1."""

import numpy as np
import tensorflow as tf

from pg_core import maths
from pg_core.proofs import mdp
from pg_core.proofs.mdp import Array, Batches, Mdp, softmax
from pg_core.proofs.verdicts import Check, Picture, Series, exact


def path(batches: Batches, end: int) -> Array:
    """Return s₀ … s_T₋₁ of each trajectory, with its end as one more state, `[T, N]`."""
    return np.where(batches.mask > 0, batches.states, end)[..., 0]


def product(process: Mdp, theta: Array, batches: Batches) -> Array:
    """Multiply ρ₀(s₀) ∏ₜ π(aₜ|sₜ) P(sₜ₊₁|sₜ,aₜ) out, `[N]`; what would follow the time limit has no factor."""
    states, actions, mask = batches.states[..., 0], batches.actions[..., 0], batches.mask[..., 0] > 0
    ahead = path(batches, end=len(process.start))[1:]
    chosen = np.where(mask, softmax(theta)[states, actions], 1.0)
    moved = np.where(mask[:-1], process.transitions[states[:-1], actions[:-1], ahead], 1.0)
    result: Array = process.start[states[0]] * chosen.prod(axis=0) * moved.prod(axis=0)
    return result


def marginal(rows: Array, probabilities: Array) -> Array:
    """Sum the probabilities of all trajectories that agree in `rows` `[K, N]`, `[N]`."""
    same = np.unique(rows, axis=1, return_inverse=True)[1].ravel()
    total: Array = np.bincount(same, probabilities)[same]
    return total


def next_state(seen: Array, actions: Array, playing: Array, probabilities: Array, memory: int) -> Array:
    """Calculate P(s₀), then P(sₜ₊₁ | the last `memory` steps) wherever step t is played, from P(τ) alone, `[...]`."""
    result = [marginal(seen[:1], probabilities)]
    for t in range(len(seen) - 1):
        known = slice(max(0, t + 1 - memory), t + 1)
        past = np.vstack([seen[known], actions[known]])
        both = marginal(np.vstack([past, seen[t + 1]]), probabilities)
        result.append((both / marginal(past, probabilities))[playing[t]])
    return np.concatenate(result)


def of_the_process(process: Mdp, seen: Array, actions: Array, playing: Array) -> Array:
    """Return ρ₀(s₀), then P(sₜ₊₁ | sₜ, aₜ) wherever step t is played, `[...]`."""
    moves = [process.transitions[s, a, s_next] for s, a, s_next in zip(
        np.minimum(seen[:-1], len(process.start) - 1), actions[:-1], seen[1:], strict=True
    )]  # fmt: skip
    return np.concatenate([process.start[seen[0]], *(move[row] for move, row in zip(moves, playing, strict=False))])


def visits(seen: Array, probabilities: Array, states: int) -> Array:
    """Calculate P(sₜ = s), `[T, S]`."""
    return np.stack([np.bincount(row, probabilities, states + 1)[:states] for row in seen])


def check(horizon: int = 3, states: int = 2, seed: int = 0) -> Check:
    """Compare P(τ) with its factors, sum it up, and look at what of it depends on the policy."""
    process, theta = mdp.random_mdp(states, seed), mdp.random_policy(states, seed)
    batches = mdp.every_batch(process, horizon)
    ours, mirrored = (mdp.probabilities(table, batches) for table in (theta, -theta))
    seen, actions, playing = path(batches, states), batches.actions[..., 0], batches.mask[..., 0] > 0
    hidden = np.where(playing, 0, states)  # whoever looks sees only that the episode goes on
    here, there = visits(seen, ours, states), visits(seen, mirrored, states)
    every_row = maths.Categorical(tf.gather(theta, batches.states)).log_prob(batches.actions)
    unmasked = batches.dynamics * tf.exp(tf.reduce_sum(every_row, axis=(0, 2)))

    lengths = playing.sum(axis=0)
    bars = [
        Series(name, tuple(range(1, horizon + 1)), tuple(np.bincount(lengths, p, horizon + 1)[1:].tolist()))
        for name, p in (("π", ours), ("its mirror image", mirrored))
    ]
    return Check(
        (
            exact("P(τ) = ρ₀(s₀) ∏ₜ π(aₜ|sₜ) P(sₜ₊₁|sₜ,aₜ)", ours, product(process, theta, batches)),
            exact("Σ P(τ) = 1", ours.sum(), 1.0),
            exact(
                "P(sₜ₊₁ | s₀, a₀, …, sₜ, aₜ) = P(sₜ₊₁ | sₜ, aₜ)",
                next_state(seen, actions, playing, ours, memory=horizon),
                of_the_process(process, seen, actions, playing),
            ),
            exact("P(s₀) = ρ₀(s₀), whatever the policy", [here[0], there[0]], process.start),
            exact("P(sₜ) does not depend on the policy either", here, there, wrong=horizon > 1),
            exact(
                "state hidden: P(oₜ₊₁ | o₀, a₀, …, oₜ, aₜ) = P(oₜ₊₁ | oₜ, aₜ)",
                next_state(hidden, actions, playing, ours, memory=horizon),
                next_state(hidden, actions, playing, ours, memory=1),
                wrong=states > 1 and horizon > 2,
            ),
            exact("rows after the end counted as steps: Σ P(τ) = 1", tf.reduce_sum(unmasked), 1.0, wrong=horizon > 1),
            exact("early ends left out: Σ P(τ) = 1", ours[lengths == horizon].sum(), 1.0, wrong=horizon > 1),
        ),
        (Picture("How long an episode lasts", "Steps", "Probability", tuple(bars), kind="bars"),),
    )
