"""Rules of what there is to learn from: rewards, advantages, the gradient's signal, the ends of episodes."""

import math
from typing import Any

import numpy as np

from pg_core.config import HYPERPARAMETERS, Config
from pg_core.runs.diagnosis.cause import Cause, count, digits, more_entropy, most, percent, setting
from pg_core.runs.diagnosis.measured import Measured
from pg_core.runs.diagnosis.steps import short_step
from pg_core.runs.store.records import Array

ALWAYS = 0.95  # of the updates
FLOOR = 1.2  # signal-to-noise: pure noise gives about 1
MIN_ROWS = 20  # of signal-to-noise ratios
UNIFORM = 0.95  # of the entropy with which a policy began, that it still has


def unreachable(seen: Measured) -> Cause | None:
    """Find a threshold above all that the highest reward seen, in every step of an episode, would add up to."""
    config, spec = seen.config, seen.config.environment
    highest, returns = float(np.nanmax(seen.columns["max_reward"], initial=-np.inf)), seen.columns["episodic_returns"]
    # A reward that is not positive is earned once at least; whether a goal that was never met gives more is not known.
    most = highest * spec.max_episode_steps if highest > 0 else highest
    ended = seen.columns["cut"].min() < 1 and np.ptp(returns) > 0
    if spec.reward_threshold is None or not math.isfinite(most) or most >= spec.reward_threshold:
        return None
    if highest <= 0 and not ended:
        return None
    return Cause(
        "unreachable", "No return that these rewards can add up to counts as solved.",
        f"The highest reward of a step was {digits(highest)}: an episode of at most {spec.max_episode_steps:,} steps "
        f"gives at most {digits(most)}, and {config.env_id} is solved at {digits(spec.reward_threshold)}.",
        "returns", "Register the environment with a threshold that can be reached, or with a longer time limit; the "
        "agents are none the worse for it: look at the curve.",
    )  # fmt: skip


def no_signal(seen: Measured) -> Cause | None:
    """Find returns that are all equal."""
    if not most(_same(seen)):
        return None
    cut, value = bool((seen.last("cut") == 1).all()), float(seen.last("episodic_returns").flat[0])
    limit = f", cut by the time limit of {seen.config.environment.max_episode_steps:,} steps" if cut else ""
    return Cause(
        "no_signal", "All returns are equal, so no action looks better than another: the mean gradient is zero.",
        f"Each of the last {seen.last('episodic_returns').size:,} episodes earned {digits(value)}{limit}.",
        "expected_score", "No estimator finds a difference that is not there: the environment must reward something on "
        "the way, or give chance the time to find the goal.",
        _longer(seen.config) if cut else {},
    )  # fmt: skip


def _same(seen: Measured) -> Array:
    """Return which agents earned the same in all late episodes, discounted as they are, too."""
    late, lengths = seen.last("episodic_returns"), seen.last("episodic_lengths")
    nothing = (late == 0).all(axis=(0, 2)) & (seen.last("max_reward") == 0).all(axis=0)
    alike = (np.ptp(lengths, axis=(0, 2)) == 0) | (seen.config.gamma == 1)
    return np.asarray((np.ptp(late, axis=(0, 2)) == 0) & (alike | nothing))


def _longer(config: Config) -> dict[str, Any]:
    """Return a time limit five times as long, for environments that take one."""
    if "max_episode_steps" not in HYPERPARAMETERS:
        return {}
    return {"max_episode_steps": 5 * config.environment.max_episode_steps}


def no_advantage(seen: Measured) -> Cause | None:
    """Find losses of exactly 0, which weights of exactly 0 give, or policies that are certain and are not meant."""
    config, share = seen.config, (seen.last("policy_loss") == 0).mean(axis=0)
    if not most((share >= ALWAYS) & ~seen.certain & ~_same(seen)):
        return None
    alone = config.episodes_per_update == 1
    why = "one episode is compared with nothing but itself" if alone else "the episodes of a batch are all alike"
    steps = int(seen.last("episodic_lengths").max())
    remedy: dict[str, Any] = {}
    if alone and config.baseline in ("batch_mean", "step_mean"):
        remedy["baseline"] = "none"
    if alone and steps == 1 and config.normalize_advantages:
        remedy["normalize_advantages"] = False
    advice = "Nothing is subtracted any more; better still, a new run with several episodes an update has something to "
    return Cause(
        "no_advantage", f"All advantages are 0, and so is the gradient: {why}.",
        f"The surrogate loss was exactly 0 in {percent(share.mean())} of the last {seen.window} updates, with "
        f"{count(config.episodes_per_update, 'episode')} an update of at most {count(steps, 'step')}, "
        f"{setting(config, 'baseline')}, {setting(config, 'normalize_advantages')}.",
        "normalization" if config.normalize_advantages else "baselines",
        advice + "compare with." if remedy else "More exploration makes the episodes of a batch differ.",
        remedy or {"ent_coef": more_entropy(config)},
    )  # fmt: skip


def noise(seen: Measured) -> Cause | None:
    """Find gradients whose signal-to-noise ratio is that of noise, of agents that earn no more than at first.

    Where they do, it is as low: it falls as the policy nears what it can reach.
    """
    ratios, config, batch = seen.last("grad_snr"), seen.config, seen.config.episodes_per_update
    remedy: dict[str, Any]
    flat = ~seen.risen & ~seen.certain
    if len(seen.update) < MIN_ROWS or not most(flat) or short_step(seen) or not _at_floor(ratios):
        return None
    if config.ent_coef and seen.last("entropy").mean() > UNIFORM * seen.columns["entropy"][0].mean():
        remedy, advice = (
            {"ent_coef": 0.0},
            "The entropy bonus holds the policy as it began: go without.",
        )
    elif config.weights == "episode_return":
        remedy, advice = {"weights": "reward_to_go"}, "An action is weighed only by what it may have caused."
    elif config.baseline == "none":
        remedy, advice = {"baseline": "leave_one_out"}, "A baseline takes noise away, and leaves the mean as it is."
    else:
        remedy, advice = {"episodes_per_update": min(256, 4 * batch)}, "Four times the episodes halve the noise."
    return Cause(
        "noise", "The gradient is noise: its direction says nothing of where the return rises.",
        f"Its signal-to-noise ratio had a median of {np.nanmedian(ratios):.2f} in the last {seen.window} updates, with "
        f"{count(batch, 'episode')} an update; pure noise gives about 1.",
        "variance", advice, remedy,
    )  # fmt: skip


def _at_floor(ratios: Array) -> bool:
    """Return whether signal-to-noise ratios are those of noise; there are none with one episode an update."""
    return bool(np.isfinite(ratios).any() and np.nanmedian(ratios) <= FLOOR)


def time_limit(seen: Measured) -> Cause | None:
    """Find episodes of which the time limit ends every one, though their returns differ."""
    shares = seen.last("cut").mean(axis=0)
    if not most(shares == 1) or most(_same(seen)):
        return None
    config, limit = seen.config, seen.config.environment.max_episode_steps
    remedy = _longer(config) or ({"gamma": 0.99} if config.gamma > 0.99 else {})
    return Cause(
        "time_limit", "The time limit ends every episode: what would have come after it is credited to no action.",
        f"All of the last {seen.last('episodic_returns').size:,} episodes were cut after {limit:,} steps, with "
        f"{setting(config, 'gamma')}.",
        "discounting", "Episodes that may end by themselves; or less weight for rewards that are far away.", remedy,
    )  # fmt: skip
