"""Ten environments of somebody's own, four good and six bad, for tests: `ten_environments:Ten/Corridor-v0` and so on.

No test imports this module itself: it is on the path of the processes that are to find it.
"""

import os
import time

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Corridor(gym.Env):
    """Seven places in a row: 1 for arriving at the last within 12 steps; it begins at `start`."""

    observation_space = spaces.Dict({"place": spaces.Discrete(7), "steps": spaces.Box(0, 12, (1,))})
    action_space = spaces.Discrete(2, start=5)

    def __init__(self, start: int = 0):
        self.start = start

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.steps = self.start, 0
        return self.observation(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.place, self.steps = max(0, self.place + (1 if action == 6 else -1)), self.steps + 1
        arrived = self.place == 6
        return self.observation(), float(arrived), arrived, self.steps == 12, {}

    def observation(self):
        return {"place": self.place, "steps": np.array([self.steps], np.float32)}


class Switches(gym.Env):
    """Four lamps; 1 for each switch that is set as its lamp is, for 5 steps."""

    observation_space = spaces.MultiBinary((2, 2))
    action_space = spaces.MultiBinary((2, 2))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.lamps = 0, self.np_random.integers(2, size=(2, 2), dtype=np.int8)
        return self.lamps, {}

    def step(self, action):
        assert self.action_space.contains(action), action
        reward, self.steps = float((action == self.lamps).sum()), self.steps + 1
        self.lamps = self.np_random.integers(2, size=(2, 2), dtype=np.int8)
        return self.lamps, reward, self.steps == 5, False, {}


class Dials(gym.Env):
    """Two dials, of 3 and of 4 positions; 1 for each that points to what is asked for, for 5 steps."""

    observation_space = spaces.Tuple((spaces.MultiDiscrete([3, 4], start=[-1, 10]), spaces.Box(-1, 1, (2, 2))))
    action_space = spaces.MultiDiscrete([3, 4], start=[-1, 10])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.ask(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        reward, self.steps = float((action == self.asked).sum()), self.steps + 1
        return self.ask(), reward, self.steps == 5, False, {}

    def ask(self):
        self.asked = self.np_random.integers([3, 4]) + np.array([-1, 10])
        return self.asked, np.zeros((2, 2), np.float32)


class Long(gym.Env):
    """Pays 1 a step and truncates itself after 5,000; its registration says nothing of that."""

    observation_space = spaces.Box(0, 5_000, ())
    action_space = spaces.Box(-1, 1, (1, 2))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.array(0, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.steps += 1
        return np.array(self.steps, np.float32), 1.0, False, self.steps == 5_000, {}


class Plain(gym.Env):
    """Ten steps in which nothing happens: what the bad ones are like until they are bad."""

    observation_space = spaces.Box(-1, 1, (3,))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.observation(), {}

    def step(self, action):
        self.steps += 1
        return self.observation(), 1.0, self.steps == 10, False, {}

    def observation(self):
        return np.zeros(3, np.float32)


class Raises(Plain):
    """Raises an error at its step 7."""

    def step(self, action):
        if self.steps == 6:
            raise ValueError("bad shape")
        return super().step(action)


class Floats(Plain):
    """Declares whole numbers and returns others."""

    observation_space = spaces.Box(-1, 1, (3,), np.int32)

    def observation(self):
        return np.full(3, 0.5)


class NotANumber(Plain):
    """Pays NaN at its step 4."""

    def step(self, action):
        observation, reward, *ends = super().step(action)
        return observation, float("nan") if self.steps == 4 else reward, *ends


class Pixels(Plain):
    """Shows pictures."""

    observation_space = spaces.Box(0, 255, (8, 8, 3), np.uint8)

    def observation(self):
        return np.zeros((8, 8, 3), np.uint8)


class Hangs(Plain):
    """Never comes back from its step 3."""

    def step(self, action):
        while self.steps == 2:
            time.sleep(1)
        return super().step(action)


class Exits(Plain):
    """Ends its process at its step 5."""

    def step(self, action):
        if self.steps == 4:
            os._exit(3)
        return super().step(action)


gym.register("Ten/Corridor-v0", Corridor, reward_threshold=0.9)
gym.register("Ten/Switches-v0", Switches, reward_threshold=19)
gym.register("Ten/Dials-v0", Dials, reward_threshold=9.5)
gym.register("Ten/Long-v0", Long)
for bad in (Raises, Floats, NotANumber, Pixels, Hangs, Exits):
    gym.register(f"Ten/{bad.__name__}-v0", bad, max_episode_steps=10)
