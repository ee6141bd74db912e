"""The running example in numbers, with the policy under a slider."""

import streamlit as st

from pg_core.proofs import example

SAYS = {
    "trajectory": "P(τ) is the product of the probabilities along the row; the three of them add up to 1.",
    "returns": "Gₜ adds what is earned from step t on: the returns of step 0, and of step 1 where there is one.",
    "objective": "J is the mean of G₀, each episode weighted by P(τ).",
    "log_derivative": "A score is the derivative of log π in z, the log-odds of staying: π(1) where the agent stayed, "
    "-π(0) where it did not.",
    "dynamics": "The environment is nowhere in the scores: they are those of the actions alone.",
    "reinforce": "Each episode's G₀ · Σ score is an estimate of dJ/dz; their mean is dJ/dz exactly.",
    "expected_score": "π(0) · π(1) + π(1) · (-π(0)) = 0: at each step the mean of the scores is 0.",
    "reward_to_go": "Gₜ in the place of G₀ leaves the mean as it is and lowers the variance here.",
    "discounting": "Here γ = 1, so no factor γᵗ is lost; with γ < 1 the second step would count less.",
    "baselines": "Gₜ - V in the place of Gₜ leaves the mean as it is; what is left of the variance is a small part.",
    "variance": "Three estimates of one number: the mean is the same, the variance is not.",
}


ESTIMATES = ("Σ G₀ · score", "Σ Gₜ · score", "Σ (Gₜ - V) · score")
# How many columns a statement shows: those that it, or one before it, has explained.
COLUMNS = {
    "trajectory": 2, "returns": 3, "objective": 3, "log_derivative": 4, "dynamics": 4, "reinforce": 5,
    "expected_score": 5, "reward_to_go": 6, "discounting": 6, "baselines": 7, "variance": 7,
}  # fmt: skip


@st.fragment
def running_example(name: str) -> None:
    """Draw the three episodes in numbers, if they say something about the statement."""
    if name not in SAYS:
        return
    with st.container(border=True, key="example"):
        st.caption("The running example: action 0 stays and earns 1, action 1 ends it and earns 2. After two "
                   "steps it ends anyway, and rewards are just added up.")  # fmt: skip
        stay = st.slider(
            "π(0), the probability of staying", 0.05, 0.95, 0.25, 0.05, key="stay", persist_state="session"
        )
        rows = [_row(episode) for episode in example.episodes(stay)]
        shown = list(rows[0])[: COLUMNS[name]]
        if ESTIMATES[0] in shown:
            rows += [_moments(stay, k, word) for k, word in enumerate(("mean", "variance"))]
        st.table([{key: row.get(key, "") for key in shown} for row in rows], border="horizontal")
        st.markdown(f"{_values(name, stay)}{SAYS[name]}")


def _values(name: str, stay: float) -> str:
    """Say what J and its derivative are, each once it has been explained."""
    value, slope = f"J = {example.values(stay)[0]:.4f}", f"dJ/dz = {example.gradient(stay):.5f}"
    if name in ("trajectory", "returns"):
        return ""
    return f"{value}. " if name == "objective" else f"{value} and {slope}. "


def _moments(stay: float, which: int, word: str) -> dict[str, str]:
    of_each = zip(ESTIMATES, example.moments(stay), strict=True)
    return {"τ": word} | {estimate: f"{moments[which]:.3f}" for estimate, moments in of_each}


def _row(episode: example.Episode) -> dict[str, str]:
    return {
        "τ": " ".join(map(str, episode.actions)), "P(τ)": f"{episode.probability:.4g}",
        "returns": ", ".join(f"{g:g}" for g in episode.returns),
        "scores": ", ".join(f"{s:.3g}" for s in episode.scores),
        **{key: f"{estimate:.3f}" for key, estimate in zip(ESTIMATES, episode.estimates, strict=True)},
    }  # fmt: skip
