"""Makes a film of what a run has learned, from policies that it has kept."""

from collections.abc import Sequence
from pathlib import Path

from pg_core.learning import film
from pg_core.runs.store.store import Store


def make(
    store: Store, run_id: str, updates: Sequence[int], agent: int, path: Path, in_turn: bool = False
) -> dict[int, float]:
    """Write a film, and return what each policy in it earned, by the number of updates it had done.

    Args:
        store: that has the run.
        run_id: of the run.
        updates: after which the policies were kept; for one that was thinned meanwhile comes the last before it.
        agent: whose policies, in [0, P-1].
        path: see `learning.film.save`, which raises what this raises.
        in_turn: one policy after the other, else beside each other.
    """
    policies = dict(found for update in updates if (found := store.policy(run_id, update)))
    return dict(zip(policies, film.save(store.run(run_id).config, policies, agent, path, in_turn), strict=True))
