"""Whose modules are imported, and whose are not, whatever a stranger writes."""

import sys

import gymnasium as gym
import pytest

from pg_core.environments import UnsupportedEnvironmentError, registration
from pg_core.environments.registration import check_named, registered

MODULE = "import gymnasium as gym\ngym.register('Mine-v0', 'gymnasium.envs.classic_control.cartpole:CartPoleEnv')\n"


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder of somebody's own, in which this was started, with a module `mine_for_tests`."""
    (tmp_path / "mine_for_tests.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.setattr(registration, "_serves_strangers", False)
    yield tmp_path
    sys.modules.pop("mine_for_tests", None)
    gym.registry.pop("Mine-v0", None)


def test_a_module_in_this_folder_is_found_and_registers_its_environment(mine):
    assert registered("mine_for_tests:Mine-v0").id == "Mine-v0"
    with pytest.raises(UnsupportedEnvironmentError, match=r"Mein-v0'; did you mean 'mine_for_tests:Mine-v0'\?$"):
        registered("mine_for_tests:Mein-v0")


@pytest.mark.parametrize("allowed", [None, "", "other", "mine_for", "mine_for_tests.deeper", "*"])
def test_who_serves_strangers_imports_nothing_that_its_owner_has_not_named(mine, monkeypatch, allowed):
    monkeypatch.delenv(registration.NAMED, raising=False)
    if allowed is not None:
        monkeypatch.setenv(registration.NAMED, allowed)
    registration.serve_strangers()
    for env_id in ("mine_for_tests:Mine-v0", "os:Mine-v0", " mine_for_tests:Mine-v0", "a:mine_for_tests:Mine-v0"):
        with pytest.raises(UnsupportedEnvironmentError, match="must not name a module that the lab's owner has not"):
            registered(env_id)
    assert "mine_for_tests" not in sys.modules
    assert registered("CartPole-v1").id == "CartPole-v1"


def test_what_the_owner_has_named_is_imported_for_anyone(mine, monkeypatch):
    monkeypatch.setenv(registration.NAMED, "other, mine_for_tests")
    registration.serve_strangers()
    assert registered("mine_for_tests:Mine-v0").id == "Mine-v0"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("raise ValueError('no luck.\\nmore')", r": ValueError: no luck\. more \(mine_for_tests\.py:1\)\.$"),
        ("import sys; sys.exit(3)", r": SystemExit: 3 \(mine_for_tests\.py:1\)\.$"),
        ("import no_such_thing", r": ModuleNotFoundError: .*'no_such_thing' \(mine_for_tests\.py:1\)\.$"),
        ("def", r": SyntaxError: invalid syntax .*\(mine_for_tests\.py:1\)\.$"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(mine, text, sentence):
    (mine / "mine_for_tests.py").write_text(text)
    with pytest.raises(UnsupportedEnvironmentError, match=f"must name a module that can be imported, got .*{sentence}"):
        registered("mine_for_tests:Mine-v0")


@pytest.mark.parametrize("env_id", ["no_such_module:X-v0", ".:X-v0", "..:X-v0", "a b:X-v0", "😀:X-v0"])
def test_a_module_that_is_not_there_is_a_sentence(mine, env_id):
    with pytest.raises(UnsupportedEnvironmentError, match=r"^`env_id` must name a module that can be imported, got "):
        registered(env_id)


def test_what_comes_from_elsewhere_is_checked_in_every_process(mine, monkeypatch):
    with pytest.raises(UnsupportedEnvironmentError, match="PG_LAB_ENVIRONMENTS"):
        check_named("mine_for_tests:Mine-v0")
    monkeypatch.setenv(registration.NAMED, "mine_for_tests")
    check_named("mine_for_tests:Mine-v0")
    check_named("CartPole-v1")
