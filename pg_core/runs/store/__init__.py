"""The database of runs: tables, transactions, and what people and workers do to a run."""
