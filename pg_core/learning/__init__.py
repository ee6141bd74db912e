"""How agents learn, from trajectories to a trainer, and how well they then act."""
