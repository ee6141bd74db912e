"""Sweeps: one declaration, many settings, a run each; what they are, and what is to be tried next."""
