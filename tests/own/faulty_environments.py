"""Environments that go wrong at step 7 in one way each; tests register them as `faulty_environments:…`.

No test imports this module itself. A comment marks the line that is to be named.
"""

import ctypes
import os
import sys
import time

import gymnasium as gym
import numpy as np


class Plain(gym.Env):
    """Ten steps in which nothing happens."""

    observation_space = gym.spaces.Box(-1, 1, (2,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 7:
            self.go_wrong()
        return np.zeros(2, np.float32), float(action), self.steps == 10, False, {}

    def go_wrong(self):
        pass


class Raises(Plain):
    def go_wrong(self):
        raise ValueError("bad shape")  # Raises


class Hangs(Plain):
    def go_wrong(self):
        while True:
            time.sleep(1)  # Hangs


class Exits(Plain):
    def go_wrong(self):
        os._exit(3)


class Quits(Plain):
    def go_wrong(self):
        sys.exit("no licence")  # Quits


class Interrupts(Plain):
    def go_wrong(self):
        raise KeyboardInterrupt("no licence")  # Interrupts


class Leaves(Plain):
    def go_wrong(self):
        raise GeneratorExit("no licence")  # Leaves


class Crashes(Plain):
    def go_wrong(self):
        ctypes.string_at(0)  # Crashes


class Prints(Plain):
    def go_wrong(self):
        while True:
            os.write(1, bytes(2**16))  # Prints


class Asks(Plain):
    def go_wrong(self):
        input()  # Asks


class Hoards(Plain):
    def go_wrong(self):
        self.memory = np.ones(2**40, np.uint8)  # Hoards


class HangsWhenMade(Plain):
    def __init__(self):
        time.sleep(10**6)  # HangsWhenMade
