"""One update taken apart: what each step of its episodes was given credit for, and how much of the gradient it is."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import orjson
import tensorflow as tf

from pg_core.engines import Trajectories
from pg_core.environments import Array
from pg_core.learning import reinforce
from pg_core.learning.arrows import Arrows, arrows, plain_weights
from pg_core.learning.gradients import policy_gradients
from pg_core.learning.learners import TrainingError
from pg_core.learning.reinforce import Hyperparameters, State, as_seen, assign_credit
from pg_core.learning.trainer import Trainer, Update
from pg_core.policies.in_tensorflow import Choices, Params, distribution, forward, log_odds_networks

MAX_PROGRAMS = 8  # that are kept, of some tens of megabytes each

# Of an update's record, for one agent.
_MEASURED = (
    "episodic_returns", "episodic_lengths", "policy_loss", "entropy", "grad_norm", "grad_snr", "approx_kl",
    "explained_variance",
)  # fmt: skip


class Dissection(NamedTuple):
    """The update of one agent, step by step: `[T, B]` but for scores and arrows, 0 after an episode's end."""

    returns: Array  # G
    baseline: Array  # b
    advantages: Array  # A = G - b
    normalized: Array  # Â; A, unless advantages are normalised
    weights: Array  # w = Â, perhaps times γᵗ
    scores: Array  # ∂log π(aₜ|sₜ)/∂zₜ, [T, B, K]; of two actions z is the log-odds of the second
    log_probs: Array  # log π(aₜ|sₜ) before the update
    new_log_probs: Array  # and after it, for the same inputs: statistics of observations move by themselves
    losses: Array  # -w log π(aₜ|sₜ) / n: their sum is the policy's loss
    shares: Array  # of the gradient's squared length: their sum is 1, or 0 where the gradient is
    arrows: tuple[Arrows, Arrows]  # the episodes' gradients, and what they are without a baseline


def dissect_next(trainer: Trainer, agent: int) -> tuple[Update, Trajectories, Dissection]:
    """Do one more update, and take it apart for one agent.

    Raises:
        TrainingError: it diverges, or training is over.
    """

    def mine(tensors: Any) -> Any:
        return tf.nest.map_structure(lambda x: x[agent : agent + 1] if x.shape.rank else x, tensors)

    before, played = mine(trainer.state), trainer.play()
    played = Trajectories(*(x[:, agent : agent + 1] for x in played[:4]), *(x[agent : agent + 1] for x in played[4:]))
    hyper, choices = mine(reinforce.hyperparameters(trainer.config)), trainer.config.environment.choices
    if not (records := trainer.advance(1)):
        raise TrainingError("Training was over before this update.")
    apart = dissect(before, mine(trainer.state).policy, _padded(played), hyper, choices)
    length = len(played.mask)
    return records[0], played, Dissection._make([*(steps[:length] for steps in apart[:-1]), apart.arrows])


def _padded(played: Trajectories) -> Trajectories:
    """Return tensors with steps appended that nobody played, up to a power of two: many lengths share a trace."""
    more = 2 ** math.ceil(math.log2(len(played.mask))) - len(played.mask)
    steps = (np.pad(array, [(0, more), *[(0, 0)] * (array.ndim - 1)]) for array in played[:4])
    return Trajectories(*map(tf.constant, [*steps, *played[4:]]))


def dissect(
    before: State, after: Params, played: Trajectories, hyper: Hyperparameters, choices: Choices = ()
) -> Dissection:
    """Take the update of one agent apart.

    ĝ = Σₜᵦ gₜᵦ, gₜᵦ = (wₜᵦ ∇log π(aₜᵦ|sₜᵦ) + c_H ∇H(π(·|sₜᵦ))) / n, and the share of a step is ⟨gₜᵦ, ĝ⟩ / ‖ĝ‖²

    Args:
        before: of an agent, P = 1.
        after: the policy after the update.
        played: what the update learned from, tensors `[T, 1, B, ...]`.
        hyper: hyperparameters in force, of that agent.
        choices: between how many options each choice is, if an action is made of several.
    """
    shapes = tf.nest.map_structure(lambda x: tuple(x.shape), (before, after, played))
    steps, own, without = _program(repr(shapes))(before, after, played, hyper, choices)
    return Dissection._make([*(np.asarray(each)[:, 0] for each in steps), (arrows(own), arrows(without))])


def _dissect(
    before: State, after: Params, played: Trajectories, hyper: Hyperparameters, choices: Choices
) -> tuple[list[tf.Tensor], Params, Params]:
    """Return the steps' numbers, and the episodes' gradients, as they were and without a baseline."""
    seen, mask = as_seen(before.policy, played), played.mask
    credit, _ = assign_credit(before, seen, hyper)
    weights, bonus = credit.share * credit.weights, credit.share * hyper.ent_coef[:, None] * mask
    actor = policy_gradients(before.policy, seen, weights, bonus, hyper.activation, choices)
    plain = credit.share * plain_weights(credit.returns, mask, hyper)
    without = policy_gradients(before.policy, seen, plain, bonus, hyper.activation, choices)
    gradient = {name: tf.reduce_sum(each, axis=1) for name, each in actor.gradients.items()}
    pi, slopes = _outputs_along(before.policy, gradient, seen, hyper, choices)
    scores = pi.score(seen.actions) * mask[..., None]
    delta = weights[..., None] * scores + bonus[..., None] * pi.entropy_gradient()
    along = -tf.reduce_sum(delta * slopes, axis=-1)  # ⟨gₜᵦ, ĝ⟩: both have the sign of the loss
    shares = tf.math.divide_no_nan(along, tf.reduce_sum(along))
    new, _ = _outputs_along(after, {}, seen, hyper, choices)
    log_probs = actor.log_probs, new.log_prob(seen.actions)
    steps = (*credit[1:], scores, *log_probs, -weights * actor.log_probs, shares)
    masked = [each * mask if each.shape.rank == 3 else each for each in steps]
    return masked, actor.gradients, without.gradients


@functools.lru_cache(MAX_PROGRAMS)
def _program(_shapes: str) -> Any:
    """Return the program for tensors of some shapes: each is traced once, which takes longer than to run it."""
    return tf.function(_dissect, autograph=False)


def _outputs_along(
    policy: Params, direction: Params, seen: Trajectories, hyper: Hyperparameters, choices: Choices
) -> tuple[Any, tf.Tensor]:
    """Return the policy's distributions at all steps, and the slopes of their outputs along a direction of parameters.

    The product of a step's gradient with that direction is one number: no step's gradient is ever in memory.
    """
    networks = {name: array[0] for name, array in log_odds_networks(policy, choices).items()}
    along = {name: array[0] for name, array in log_odds_networks(direction, choices).items()} if direction else {}
    with tf.autodiff.ForwardAccumulator([networks[name] for name in along], list(along.values())) as accumulator:
        layers = forward(networks, seen.observations, hyper.activation)
        pi = distribution(policy, networks, layers, choices)
    return pi, accumulator.jvp(pi.outputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def to_json(record: Update, agent: int, played: Trajectories, dissection: Dissection, episode: int) -> bytes:
    """Return one episode of a dissection, step by step, and what is true of the whole update, as a JSON object.

    Args:
        record: of the update.
        agent: which was taken apart.
        played: what it learned from.
        dissection: of that.
        episode: in [0, B-1].

    Raises:
        LookupError: there is no such episode.
    """
    num_episodes = record.config.episodes_per_update
    if not 0 <= episode < num_episodes:
        raise LookupError(f"`episode` must be in [0, {num_episodes - 1}], got {episode}.")
    length = int(record.episodic_lengths[agent, episode])
    actions, rewards, observations = (
        np.ascontiguousarray(steps[:length, 0, episode])
        for steps in (played.actions, played.rewards, played.observations)
    )
    whole = dissection._asdict()
    own, without = (each._asdict() for each in whole.pop("arrows"))
    steps = {name: np.ascontiguousarray(array[:length, episode]) for name, array in whole.items()}
    found = {
        "update": record.index,
        "agent": agent,
        "episode": episode,
        "observations": observations,
        "steps": {"actions": actions, "rewards": rewards, **steps},
        "sums": {name: array.sum(axis=0) for name, array in whole.items()},  # of each episode
        "arrows": {"own": own, "without": without},
        "measured": {name: array[agent] for name, array in vars(record).items() if name in _MEASURED},
    }
    return orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY)
