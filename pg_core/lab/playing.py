"""Games of CartPole that visitors play against policies of a run."""

from typing import Any

from pg_core.config import ConfigError
from pg_core.lab import access, state
from pg_core.learning import games
from pg_core.runs.store import scores
from pg_core.runs.store.records import Run, Score

SHOWN_SCORES = 5


def game_limit(run: Run) -> int | None:
    """Return after how many steps a game against a policy of a run ends; None: its environment is not CartPole."""
    spec = run.config.environment
    return min(spec.max_episode_steps, games.MAX_STEPS) if spec.compiled == "cart_pole" else None


def best_scores(run_id: str) -> list[Score]:
    """Return the best scores of visitors against policies of a run, the best first."""
    return scores.best(state.store(), access.visible(run_id).id, SHOWN_SCORES)


def keep_game(run_id: str, message: Any) -> Score:
    """Play a game again from what a browser tells of it, and keep its score with the run, as anybody may who sees it.

    Args:
        run_id: of the run.
        message: see `games.Game`.

    Raises:
        ConfigError: the message is not of a game that can have been played.
    """
    run, game = access.visible(run_id), games.game_of(message)
    if (limit := game_limit(run)) is None:
        raise ConfigError(f"Games are played on CartPole: run {run.name} is of {run.config.env_id}.")
    for name, value, most in (("update", game.update, run.updates), ("agent", game.agent, run.config.num_agents - 1)):
        if value > most:
            raise ConfigError(f"`{name}` must be in [0, {most}], got {value}.")
    lengths = (games.length(game.start, actions, limit) for actions in (game.visitor, game.opponent))
    score = Score(game.update, game.agent, *lengths)
    scores.add(state.store(), run_id, score)
    return score
