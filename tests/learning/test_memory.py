"""The memory that training takes is linear in its sizes, and too much is refused with them."""

from types import SimpleNamespace

import pytest

from pg_core import lab
from pg_core.config import Config, ConfigError
from pg_core.learning import memory
from pg_core.runs.paths import data_folder

GIBIBYTE = 2**30


def test_needed_memory_by_hand():
    config = Config(num_agents=3, episodes_per_update=2, hidden_layers=(8,), engine="gymnasium")
    # 4·8 + 8 + 8·2 + 2 = 58 parameters; 5·4 + 25 = 45 numbers a step; 500 steps.
    assert (config.parameters, config.numbers_of_a_step) == (58, 45)
    assert memory.needed(config) == memory.PROGRAM_BYTES + 4 * (3 * 2 * (500 * 45 + memory.COPIES * 58))


def test_it_grows_linearly_with_agents_and_episodes():
    def variable(**values) -> int:
        return memory.needed(Config(**values, engine="gymnasium")) - memory.PROGRAM_BYTES

    one = variable(num_agents=1, episodes_per_update=1)
    assert variable(num_agents=7, episodes_per_update=1) == 7 * one
    assert variable(num_agents=7, episodes_per_update=5) == 35 * one


def test_the_compiled_engine_needs_no_more_than_its_threads_hold(monkeypatch):
    monkeypatch.setattr(memory, "THREADS", 2)
    few, many = (Config(num_agents=n, episodes_per_update=16) for n in (16, 512))
    assert memory.shard_size(few) == memory.shard_size(many) == 8
    assert memory.needed(few) == memory.needed(many)


@pytest.mark.parametrize(
    ("num_agents", "episodes", "size"),
    [(1, 16, 1), (8, 16, 8), (9, 16, 5), (64, 16, 8), (5, 3, 5), (67, 16, 8), (3, 256, 1)],
)
def test_shares_are_nearly_equal_and_hold_about_128_episodes(num_agents, episodes, size):
    assert memory.shard_size(Config(num_agents=num_agents, episodes_per_update=episodes)) == size


def test_a_container_may_have_less_than_its_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=GIBIBYTE))
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.free() == GIBIBYTE
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 700\ninactive_file 200\n")
    for limit, free in (("1000", 300), ("max", GIBIBYTE), (str(2 * GIBIBYTE), GIBIBYTE)):
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        assert memory.free() == free


def test_what_does_not_fit_is_refused_with_the_sizes_before_it_starts(monkeypatch, tmp_path):
    monkeypatch.setenv("PG_LAB_DATA", str(tmp_path))
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=GIBIBYTE))
    big = Config(num_agents=64, episodes_per_update=128, engine="gymnasium")
    # 0.4 GiB + 4 · 64 · 128 · (500 · 45 + 4 · 450) bytes = 1.1 GiB
    told = (
        r"^Training needs 1\.1 GiB for 64 agents × 128 episodes × \(500 steps × 45 numbers \+ 4 × 450 parameters\), "
        r"and 1\.0 GiB are free: make one of these smaller, or end other runs\.$"
    )
    for start in (memory.check, lab.start, lab.train):
        with pytest.raises(ConfigError, match=told):
            start(big)
    assert lab.runs() == []
    assert data_folder() == tmp_path
    memory.check(Config())
