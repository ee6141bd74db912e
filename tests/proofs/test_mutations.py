"""The checks stand guard over the code that trains: whoever breaks it, in however small a way, is found out."""

import inspect
import sys

import pytest

from pg_core import maths, proofs

# What is broken, how, and a statement whose check must notice.
MUTATIONS = [
    ("returns", "return 2 * shift, returns + gamma", "return 2 * shift, returns - gamma", "returns"),  # a sign
    ("returns", "steps + shift < num_steps", "steps + shift <= num_steps", "returns"),  # a return runs around the end
    ("returns", "(tf.constant(1), rewards)", "(tf.constant(2), rewards)", "returns"),  # an index is off by one
    ("returns", "gamma)[:1]", "gamma)[-1:]", "reinforce"),  # the last return for the first
    ("returns", "gamma ** tf.cast(_steps_like(rewards)", "gamma ** tf.cast(1 + _steps_like(rewards)", "reward_to_go"),
    ("advantages", "keepdims=True) - rest\n", "keepdims=True)\n", "leave_one_out"),  # the own return is left in
    ("advantages", "keepdims=True) - mask\n", "keepdims=True)\n", "leave_one_out"),
    ("advantages", "[:, None]) * mask", "[:, None])", "normalization"),  # a missing mask
    ("advantages", "(std + EPSILON)", "(std**2 + EPSILON)", "normalization"),
    ("losses", "tf.stop_gradient(weights)", "weights", "surrogate_loss"),  # the gradient flows through the baseline
    ("losses", "policy_loss = -reduce", "policy_loss = reduce", "surrogate_loss"),  # descent on the objective
    ("losses", "entropy_loss = -reduce", "entropy_loss = reduce", "surrogate_loss"),
    ("losses", "reduce_sum(terms * mask", "reduce_sum(terms", "surrogate_loss"),
    ("losses", "tf.stop_gradient(returns)", "returns", "surrogate_loss"),
    ("distributions", "return -tf.nn.sparse", "return tf.nn.sparse", "trajectory"),
    ("distributions", "dtype=logits.dtype) - tf.nn.softmax", "dtype=logits.dtype) + tf.nn.softmax", "expected_score"),
    ("distributions", "return -tf.reduce_sum(tf.nn.softmax", "return tf.reduce_sum(tf.nn.softmax", "entropy"),
    ("distributions", "standardized**2 - 1", "standardized**2", "scores"),
    ("distributions", "uniform[..., None] >= cumulative", "uniform[..., None] <= cumulative", "scores"),
    ("statistics", "(log_ratio) - log_ratio", "(log_ratio) + log_ratio", "entropy"),
    ("statistics", "num_episodes * (num_episodes - 1)", "num_episodes * num_episodes", "variance"),  # ddof
    ("optimizers", "first / (1 - 0.9**step)", "first", "ascent"),  # Adam without its correction
]  # fmt: skip


@pytest.mark.parametrize(("module", "old", "new", "statement"), MUTATIONS)
def test_a_small_mistake_is_found_out(module, old, new, statement, monkeypatch):
    assert proofs.run(statement).passed
    _break(monkeypatch, module, old, new)
    assert not proofs.run(statement).passed


def _break(monkeypatch: pytest.MonkeyPatch, module: str, old: str, new: str) -> None:
    """Run a module's text with a change, and put its functions in the place of the right ones, wherever these are."""
    name = f"pg_core.maths.{module}"
    text = inspect.getsource(sys.modules[name])
    assert text.count(old) == 1, f"{text.count(old)} times in {name}: {old}"
    broken = {"__name__": name}
    exec(compile(text.replace(old, new), f"<{name}, broken>", "exec"), broken)
    for attribute, right in vars(sys.modules[name]).copy().items():
        if not inspect.isfunction(right) or right.__module__ != name:
            continue
        for holder in (m for n, m in sys.modules.items() if n.startswith("pg_core")):
            if getattr(holder, attribute, None) is right:
                monkeypatch.setattr(holder, attribute, broken[attribute])
    if module == "optimizers":
        monkeypatch.setattr(maths, "OPTIMIZERS", broken["OPTIMIZERS"])
