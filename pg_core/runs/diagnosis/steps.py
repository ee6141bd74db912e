"""Rules of what steps have done to the policy: too long, too certain, out of bounds, lost again."""

import math

import numpy as np

from pg_core.runs.diagnosis.cause import (
    Cause,
    digits,
    done_at_last,
    longer_steps,
    mean_of,
    more_entropy,
    most,
    percent,
    rounded,
    setting,
    shorter_steps,
)
from pg_core.runs.diagnosis.measured import Measured
from pg_core.runs.store.records import Array

MOSTLY = 0.5  # of the actions' components, at an edge
MUCH_KL, GOOD_KL = 0.1, 0.01  # nats of a step, which rise with the square of the learning rate
EXPLODED = 100.0  # times the norm with which gradients began
LITTLE_KL, LEAST_KL = 1e-7, 1e-4  # next to nothing, and what a careful step has
MAX_KL = 100.0  # that one step counts, and a single one may have been without bounds
ALWAYS = 0.95  # of the updates


def collapse(seen: Measured) -> Cause | None:
    """Find agents that have lost what they had learned."""
    if not most(seen.collapsed):
        return None
    rows, heights = (values[seen.collapsed] for values in seen.peak)
    at = int(seen.update[int(np.median(rows))])
    return Cause(
        "collapse", "What was learned has been lost again: a step along a noisy gradient went too far.",
        f"The mean return was {digits(heights.mean())} at update {at + 1:,} and is now "
        f"{digits(seen.now[seen.collapsed].mean())}{mean_of(seen.collapsed)}.",
        "trust_region", "Go on from the best policy with shorter steps.", shorter_steps(seen.config, 3), at,
    )  # fmt: skip


def long_step(seen: Measured) -> Cause | None:
    """Find steps that change the policy by much, at first or now."""
    early, late = (window("approx_kl").clip(max=MAX_KL).mean(axis=0) for window in (seen.first, seen.last))
    if not most(np.maximum(early, late) > MUCH_KL):
        return None
    at_first = most(early > MUCH_KL)
    kl, when = (float(early.mean()), "first") if at_first else (float(late.mean()), "last")
    return Cause(
        "long_step", "Steps are too long: the episodes say little of a policy that is so far away.",
        f"A step moved the policies by a KL divergence of {digits(kl)} nats, the mean of the {when} {seen.window} "
        f"updates; {MUCH_KL:g} is much.",
        "trust_region", "Shorter steps; the divergence rises with the square of their length.",
        shorter_steps(seen.config, math.sqrt(kl / GOOD_KL)), 0 if at_first else None,
    )  # fmt: skip


def short_step(seen: Measured) -> Cause | None:
    """Find steps that change next to nothing, where nothing else keeps them short."""
    steps, moved = seen.last("approx_kl"), seen.last("grad_norm") > 0
    if not most((steps.max(axis=0) < LITTLE_KL) & moved.all(axis=0) & ~seen.risen & ~seen.certain) or limited(seen):
        return None
    kl = max(float(steps.mean()), 1e-12)
    return Cause(
        "short_step", "Steps are too short: the policy is nearly what it was, and learns next to nothing from a batch.",
        f"A step moved the policies by a KL divergence of {digits(kl)} nats, the mean of the last {seen.window} "
        f"updates, with {setting(seen.config, 'learning_rate')}.",
        "ascent", "Longer steps; the divergence rises with the square of their length.",
        longer_steps(seen.config, math.sqrt(LEAST_KL / kl)),
    )  # fmt: skip


def no_entropy(seen: Measured) -> Cause | None:
    """Find policies that are certain of their actions."""
    gone = seen.certain
    if not most(gone):
        return None
    entropy = seen.columns["entropy"][:, gone].mean(axis=1)
    return Cause(
        "no_entropy", "The policy is certain of its actions: it tries nothing else, and its scores are nearly 0.",
        f"The entropy fell from {digits(entropy[0])} to {digits(entropy[-seen.window :].mean())} nats{mean_of(gone)}.",
        "entropy", "Go on from where it still explored, with an entropy bonus and shorter steps.",
        {"ent_coef": more_entropy(seen.config), **shorter_steps(seen.config, 3)}, _half_way(seen, entropy),
    )  # fmt: skip


def at_bounds(seen: Measured) -> Cause | None:
    """Find actions that mostly lie at an edge of their box."""
    share = np.median(seen.last("at_bounds"), axis=0)
    if not seen.bounded or not most(share > MOSTLY):
        return None
    config, all_shares = seen.config, seen.columns["at_bounds"].mean(axis=1)
    bonus = config.ent_coef > 0
    advice = "Without the entropy bonus, which widens the Gaussian," if bonus else "With shorter steps,"
    return Cause(
        "at_bounds", "Most actions lie at an edge of their box: those beyond it act alike, but have different scores.",
        f"{percent(share.mean())} of the actions' components were cut in the last {seen.window} updates, "
        f"{percent(all_shares[0])} in the first update.",
        "scores", f"{advice} from where most actions were still inside.",
        {"ent_coef": 0.0} if bonus else shorter_steps(config, 3), done_at_last(seen, all_shares <= MOSTLY / 2),
    )  # fmt: skip


def exploding(seen: Measured) -> Cause | None:
    """Find gradients that grow and grow."""
    early, late = (np.median(window("grad_norm"), axis=0) for window in (seen.first, seen.last))
    if not most((late > EXPLODED * early) & (early > 0)):
        return None
    return Cause(
        "exploding", "The gradient explodes: a single batch decides where the policy goes.",
        f"Its norm was {digits(np.median(early))} in the first {seen.window} updates and is {digits(np.median(late))} "
        f"in the last, medians; {setting(seen.config, 'max_grad_norm')}.",
        "gradient_clipping", "Go on from the beginning with a limit at what was usual there.",
        {"max_grad_norm": rounded(min(1000, max(float(np.median(early)), 0.01)))}, 0,
    )  # fmt: skip


def limited(seen: Measured) -> Cause | None:
    """Find gradients of which the limit shortens every one, of agents that earn no more than at first."""
    limit, norms = seen.config.max_grad_norm, seen.last("grad_norm")
    if not limit or not most(((norms > limit).mean(axis=0) >= ALWAYS) & ~seen.risen):
        return None
    usual = float(np.quantile(norms, 0.9))
    return Cause(
        "limited", "The gradient-norm limit is reached all the time: every step has the same length, however clear the "
        "direction is, and the mean direction is another.",
        f"The norm was above the limit of {digits(limit)} in {percent((norms > limit).mean())} of the last "
        f"{seen.window} updates, with a median of {digits(np.median(norms))}.",
        "gradient_clipping", "A limit that only the longest tenth of the gradients reach.",
        {"max_grad_norm": rounded(usual) if usual <= 1000 else 0.0},
    )  # fmt: skip


def _half_way(seen: Measured, entropy: Array) -> int:
    """Return the updates done where the entropy was half way down for the last time."""
    return done_at_last(seen, entropy >= (entropy[0] + entropy[-1]) / 2)
