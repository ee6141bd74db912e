"""Every estimator of the policy gradient on the same batches of one policy: how it points, its noise and its bias.

Where a trainer has P agents, there are N batches here, all of one agent. The entropy bonus is left out: it is another
objective.
"""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import orjson
import tensorflow as tf

from pg_core.config import HYPERPARAMETERS, Config
from pg_core.engines import Trajectories
from pg_core.environments import Array
from pg_core.learning import memory, reinforce
from pg_core.learning.gradients import policy_gradients
from pg_core.learning.learners import make_learner
from pg_core.learning.noise import Measured, measure
from pg_core.learning.reinforce import Hyperparameters, State, as_seen, assign_credit
from pg_core.policies.in_tensorflow import Choices
from pg_core.randomness import Stream, generator

# Unbiased for ∇J of the discounted J = E[Σₜ γᵗ rₜ], see statements "discounting" and "leave_one_out".
REFERENCE = {
    "weights": "reward_to_go", "gamma_t": True, "baseline": "leave_one_out", "normalize_advantages": False,
    "reduction": "episode",
}  # fmt: skip


class Estimator(NamedTuple):
    """One way to estimate ∇J, and what it has shown."""

    name: str
    settings: dict[str, Any]  # of `Config`
    biases: dict[str, str]  # why it is biased, by the setting that is the reason; empty for one that is not
    measured: Measured


def compare(config: Config, state: State, agent: int, update: int, num_batches: int) -> list[Estimator]:
    """Measure all estimators on the same fresh batches, those first of which a single estimate points best.

    ∇J is that of J = E[Σₜ γᵗ rₜ], with the run's γ and reward scale, up to the time limit. What it is compared with is
    the mean of an unbiased estimator, `REFERENCE`, see `measure`.

    Args:
        config: in force.
        state: of the population.
        agent: whose policy plays, in [0, P-1].
        update: number of updates done: with the agent, the counter of the random numbers, which are not those of
            training.
        num_batches: N, at least 3.

    Raises:
        ConfigError: so many batches do not fit into the memory that is free.
    """
    seed = int(generator(config.seed, Stream.BATCHES, agent, update).integers(2**31))
    many = Config(**{**dict(config), "num_agents": num_batches, "seed": seed})
    memory.check(many)
    copies = tf.nest.map_structure(
        lambda x: tf.repeat(x[agent : agent + 1], num_batches, axis=0) if x.shape.rank else x, state
    )
    with contextlib.closing(make_learner(many, copies)) as learner:
        played = learner.play(many, 0)
    found = estimates(config, copies, played, memory.shard_size(many))
    _, reference = next(found)
    measured = [
        Estimator(name_of(each), each, biases_of({**dict(config), **each}), measure(gradients, reference))
        for each, gradients in found
    ]
    return sorted(measured, key=lambda each: -np.nan_to_num(each.measured.cosine[0], nan=-np.inf))


def settings_of(config: Config) -> list[dict[str, Any]]:
    """Return what distinguishes the estimators that a run can have; γᵗ only where it makes a difference."""
    names = tuple(REFERENCE)
    discounts = {"reward_to_go": (False, True) if config.gamma < 1 else (False,), "episode_return": (False,)}
    baselines = [name for name in HYPERPARAMETERS["baseline"].choices if name != "value" or config.baseline == "value"]
    reductions = HYPERPARAMETERS["reduction"].choices
    return [
        dict(zip(names, (weights, *rest), strict=True))
        for weights in discounts
        for rest in itertools.product(discounts[weights], baselines, (False, True), reductions)
    ]


def name_of(settings: dict[str, Any]) -> str:
    """Return an estimator's name, in the words of the settings."""
    weights, baseline, reduction = (
        HYPERPARAMETERS[name].choices[settings[name]] for name in ("weights", "baseline", "reduction")
    )
    baseline = "no baseline" if settings["baseline"] == "none" else baseline
    normalized = ["normalised"] if settings["normalize_advantages"] else []
    return ", ".join([weights + " × γᵗ" * settings["gamma_t"], baseline, *normalized, reduction])


def biases_of(settings: dict[str, Any]) -> dict[str, str]:
    """Return why an estimator is biased, by the setting that is the reason.

    The whole-episode return, leave-one-out and a value network are no such reasons: what they add has mean 0.
    """
    forgets = settings["weights"] == "reward_to_go" and settings["gamma"] < 1 and not settings["gamma_t"]
    reasons = {
        "baseline": (settings["baseline"] in ("batch_mean", "step_mean"), "the own return is part of the baseline"),
        "normalize_advantages": (settings["normalize_advantages"], "divided by a deviation that it is part of"),
        "reduction": (settings["reduction"] == "step", "divided by a length that it is part of"),
        "gamma_t": (forgets, "without γᵗ it is no gradient of the discounted return"),
    }
    return {name: reason for name, (holds, reason) in reasons.items() if holds}


def estimates(
    config: Config, state: State, played: Trajectories, shard_size: int
) -> Iterator[tuple[dict[str, Any], Array]]:
    """Calculate the reference's estimates of ∇J, and then every estimator's, with the code that trains.

    Args:
        config: in force.
        state: N copies of an agent's.
        played: N batches, `[T, N, B, ...]`.
        shard_size: batches whose gradients are calculated at once.

    Yields:
        Settings, and ĝ of each batch, `[N, D]` float64.
    """
    shards = [slice(first, first + shard_size) for first in range(0, played.mask.shape[1], shard_size)]
    mine = [tf.nest.map_structure(lambda x, rows=rows: x[rows] if x.shape.rank else x, state) for rows in shards]
    batches = [
        Trajectories(*(tf.constant(x[:, rows]) for x in played[:4]), *(tf.constant(x[rows]) for x in played[4:]))
        for rows in shards
    ]
    program, dtype = None, batches[0].mask.dtype
    for settings in (REFERENCE, *settings_of(config)):
        alone = Config(**{**dict(config), "num_agents": 1, **settings})  # hyperparameters are broadcast to all batches
        hyper = reinforce.hyperparameters(alone, dtype)
        program = program or _traced(mine[0], batches[0], hyper, config.environment.choices)
        each = [program(*shard, hyper) for shard in zip(mine, batches, strict=True)]
        yield settings, np.concatenate(each).astype(np.float64)


def _traced(state: State, played: Trajectories, hyper: Hyperparameters, choices: Choices) -> Any:
    """Return `_gradients`, traced for any number of batches: a slice has all of them, and XLA compiles nothing."""

    def spec(array: tf.Tensor, batches: int = 0) -> tf.TensorSpec:
        return tf.TensorSpec([None if i == batches else size for i, size in enumerate(array.shape)], array.dtype)

    steps = (spec(array, batches=1) for array in played[:4])
    signature = tf.nest.map_structure(spec, state), Trajectories(*steps, *map(spec, played[4:]))
    program = tf.function(lambda state, played, hyper: _gradients(state, played, hyper, choices), autograph=False)
    return program.get_concrete_function(*signature, hyper)


def _gradients(state: State, played: Trajectories, hyper: Hyperparameters, choices: Choices) -> tf.Tensor:
    """Calculate ĝ = 1/n Σₜᵦ wₜᵦ ∇log π(aₜᵦ|sₜᵦ) of every batch, `[N, D]`."""
    seen = as_seen(state.policy, played)
    credit, _ = assign_credit(state, seen, hyper)
    weights = credit.share * credit.weights
    actor = policy_gradients(state.policy, seen, weights, tf.zeros_like(weights), hyper.activation, choices)
    sums = [tf.reduce_sum(each, axis=1) for each in actor.gradients.values()]
    return -tf.concat([tf.reshape(each, [tf.shape(each)[0], -1]) for each in sums], axis=1)  # they are of the loss


def to_json(config: Config, agent: int, update: int, num_batches: int, estimators: list[Estimator]) -> bytes:
    """Return a comparison as a JSON object: null is what is undefined, "unbounded" an interval's end that is none.

    Args:
        config: in force.
        agent: as for `compare`.
        update: likewise.
        num_batches: likewise.
        estimators: from it.
    """
    own = {name: getattr(config, name) for name in REFERENCE}
    own["gamma_t"] = own["gamma_t"] and own["weights"] == "reward_to_go" and config.gamma < 1
    found = {
        "update": update,
        "agent": agent,
        "batches": num_batches,
        "own": name_of(own),  # what the run learns with
        "estimators": [{**each._asdict(), "measured": _in_words(each.measured)} for each in estimators],
    }
    return orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY)


def _in_words(measured: Measured) -> dict[str, list[Any]]:
    return {
        name: ["unbounded" if np.isinf(each) else each for each in found] for name, found in measured._asdict().items()
    }
