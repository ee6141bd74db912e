"""What makes a run durable: its store, the processes that work on it, its curves, and its way out and in."""
