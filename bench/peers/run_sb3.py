"""Trains CartPole-v1 with Stable-Baselines3, with RL Baselines3 Zoo's settings, and prints what it measured as JSON.

The settings are those of `hyperparams/ppo.yml` and `hyperparams/a2c.yml` there; what they leave out is the library's.
"""
# ruff: noqa: E402  (the clock starts before the imports, which take seconds)

import time

START = time.perf_counter()

import argparse
import json
import resource
from collections import deque

import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv

NUM_ENVS, STEPS = 8, {"ppo": 100_000, "a2c": 500_000}
SOLVED_RETURN, SOLVED_WINDOW = 475, 100


class Measurement(BaseCallback):
    """Follows training: when the first update was done, and when the last 100 episodes reached the threshold."""

    def __init__(self, stop_when_solved: bool) -> None:
        super().__init__()
        self._stop_when_solved = stop_when_solved
        self._returns: deque[float] = deque(maxlen=SOLVED_WINDOW)
        self._rollouts = 0
        self.steps_to_solve: int | None = None
        self.seconds_to_solve: float | None = None

    def _on_training_start(self) -> None:
        self._start = time.perf_counter()

    def _on_rollout_start(self) -> None:
        self._rollouts += 1
        if self._rollouts == 2:  # the library says when it has begun to play, not when it has learned
            self._first_update, self._first_steps = time.perf_counter(), self.num_timesteps

    def _on_step(self) -> bool:
        ended = [info["episode"]["r"] for info in self.locals["infos"] if "episode" in info]
        self._returns.extend(ended)
        if ended and self.steps_to_solve is None and len(self._returns) == SOLVED_WINDOW:
            self._judge()
        return self.steps_to_solve is None or not self._stop_when_solved

    def _judge(self) -> None:
        if sum(self._returns) / SOLVED_WINDOW >= SOLVED_RETURN:
            self.steps_to_solve = self.num_timesteps
            self.seconds_to_solve = time.perf_counter() - self._start

    def _on_training_end(self) -> None:
        seconds = time.perf_counter() - self._first_update
        self.steps_per_second = (self.num_timesteps - self._first_steps) / seconds
        self.first_update_seconds = self._first_update - START


def make_model(algo: str, seed: int) -> BaseAlgorithm:
    """Make an untrained PPO or A2C with the zoo's settings."""
    envs = make_vec_env("CartPole-v1", n_envs=NUM_ENVS, seed=seed, vec_env_cls=DummyVecEnv)
    if algo == "a2c":
        return A2C("MlpPolicy", envs, ent_coef=0.0, seed=seed, device="cpu")
    return PPO(
        "MlpPolicy", envs, n_steps=32, batch_size=256, gae_lambda=0.8, gamma=0.98, n_epochs=20, ent_coef=0.0,
        learning_rate=lambda left: left * 0.001, clip_range=lambda left: left * 0.2, seed=seed, device="cpu",
    )  # fmt: skip


def main() -> None:
    """Train once and print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algo", choices=STEPS, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="steps at most, two updates' at least (default: the zoo's)")
    parser.add_argument("--solve", action="store_true", help="stop when solved")
    options = parser.parse_args()
    torch.set_num_threads(1)  # small networks: with two threads PPO took a quarter longer, A2C as long
    measured = Measurement(options.solve)
    model = make_model(options.algo, options.seed)
    model.learn(options.steps or STEPS[options.algo], callback=measured)
    result = {
        "peer": f"Stable-Baselines3 {options.algo.upper()}",
        "num_agents": 1,
        "episodes_per_update": None,  # it updates after a number of steps, not of episodes
        "steps_per_second": measured.steps_per_second,
        "env_steps_to_solve": [measured.steps_to_solve],
        "seconds_to_solve": measured.seconds_to_solve,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "first_update_seconds": measured.first_update_seconds,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
