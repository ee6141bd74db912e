"""What is measured: the lab's engines beside their peers, and how the compiled engine's cost grows."""

from collections.abc import Iterator
from dataclasses import replace

from bench.measure import QUICK, SLOW, Row

COMPILED, GYMNASIUM, JAX = "the lab, compiled engine", "the lab, Gymnasium engine", "JAX, gymnax"
PPO, A2C = "Stable-Baselines3 PPO", "Stable-Baselines3 A2C"
TF_EXAMPLE, TF_FASTEST = "TF-Agents, one environment", "TF-Agents, a batch of 16 environments"
PEERS = ("stable_baselines3", "tf_agents", "jax")

# Numbers of updates: most often all agents solve, or, with Gymnasium, it takes less than twenty seconds.
COMPILED_UPDATES = {1: 100, 8: 100, 64: 100, 512: 30}
GYMNASIUM_UPDATES = {1: 100, 8: 40, 64: 8, 512: 3}
GROWTH_UPDATES = 16
SLOW_AGENTS = 512

Size = tuple[int, int, str]  # agents, episodes per update, hidden layers
GROWTH: dict[str, list[Size]] = {
    "agents P": [(agents, 16, "64") for agents in (1, 4, 16, 64, 256)],
    "episodes per update B": [(8, episodes, "64") for episodes in (1, 4, 16, 64, 256)],
    "hidden layers H": [(8, 16, layers) for layers in ("16", "64", "256", "64,64")],
}


def ours(engine: str, size: Size, updates: int) -> Row:
    """Return the row of one of the lab's engines."""
    agents, episodes, layers = size
    command = ["-m", "bench.ours", "--engine", engine, "--num-agents", str(agents), "--updates", str(updates)]
    command += ["--episodes-per-update", str(episodes), "--hidden-layers", layers]
    label = COMPILED if engine == "compiled" else GYMNASIUM
    return Row(label, tuple(command), f"{updates} updates", agents, episodes, layers, repeats=_repeats(agents))


def speed_rows() -> list[Row]:
    """Return the rows of the first table."""
    compiled = [ours("compiled", (agents, 16, "64"), updates) for agents, updates in COMPILED_UPDATES.items()]
    gymnasium = [ours("gymnasium", (agents, 16, "64"), updates) for agents, updates in GYMNASIUM_UPDATES.items()]
    jax = [_jax(agents, updates) for agents, updates in COMPILED_UPDATES.items()]
    return [*compiled, *gymnasium, *jax, *_stable_baselines3(), *_tf_agents()]


def growth_rows() -> dict[Size, Row]:
    """Return the rows of the tables that show how cost grows; those have some sizes in common."""
    sizes = dict.fromkeys(size for sizes in GROWTH.values() for size in sizes)
    return {size: replace(ours("compiled", size, GROWTH_UPDATES), repeats=1) for size in sizes}


def _jax(agents: int, updates: int) -> Row:
    command = ("bench/peers/run_jax.py", "--num-agents", str(agents), "--updates", str(updates))
    return Row(JAX, command, f"{updates} updates", agents, 16, peer="jax", repeats=_repeats(agents))


def _repeats(agents: int) -> int:
    return SLOW if agents == SLOW_AGENTS else QUICK


def _stable_baselines3() -> Iterator[Row]:
    for label, algo, steps, repeats in ((PPO, "ppo", "100,000", SLOW), (A2C, "a2c", "500,000", SLOW)):
        command = ("bench/peers/run_sb3.py", "--algo", algo, "--solve")
        trained = f"until solved, at most {steps} steps"
        yield Row(label, command, trained, peer="stable_baselines3", repeats=repeats)


def _tf_agents() -> Iterator[Row]:
    for label, environments, updates, repeats in ((TF_EXAMPLE, 1, 30, SLOW), (TF_FASTEST, 16, 150, SLOW)):
        # With the example's own learning rate, a tenth of this one, it takes minutes to solve.
        command = ("--environments", str(environments), "--updates", str(updates), "--learning-rate", "0.01", "--solve")
        trained = f"until solved, at most {updates} updates"
        yield Row(label, ("bench/peers/run_tf_agents.py", *command), trained, 1, 16, peer="tf_agents", repeats=repeats)
