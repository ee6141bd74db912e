"""Whose policies can be compared with those of a run."""

from pg_core import lab

MAX_RIVALS = 50


def rivals(run_id: str, wanted: str = "", asker: lab.Visitor | None = None) -> list[lab.Run]:
    """Return the run itself and the newest others of its environment that have learned; `wanted`, if it is one, before.

    Raises:
        UnknownRun: there is no such run for who asks, by default who looks at the page that is being drawn.
    """
    own = lab.run(run_id, asker)
    spec = own.config.environment
    others = [run for run in lab.runs() if run.id != own.id and run.updates and run.config.environment == spec]
    return [own, *sorted(others, key=lambda run: run.id != wanted)][:MAX_RIVALS]
