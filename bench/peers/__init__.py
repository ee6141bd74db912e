"""Other implementations of policy gradients, to measure beside the lab's; each runs in an environment of its own."""
