"""Environments that are plainer than any of Gymnasium's."""

import gymnasium as gym
import numpy as np


class Line(gym.Env):
    """A corridor that gives a reward of 1 a step."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), 1.0, False, False, {}


class One(Line):
    """One whose episodes are a single step."""

    def step(self, action):
        return np.zeros(1, np.float32), 1.0, True, False, {}
