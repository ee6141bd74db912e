"""REINFORCE from scratch in TensorFlow: maths, policies, engines, trainer, runs."""
