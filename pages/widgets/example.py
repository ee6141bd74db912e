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


@st.fragment
def running_example(name: str) -> None:
    """Draw the three episodes in numbers, if they say something about the statement."""
    if name not in SAYS:
        return
    with st.container(border=True, key="example"):
        st.caption("The running example: action 0 stays and earns 1, action 1 ends it and earns 2; T ≤ 2, γ = 1.")
        stay = st.slider(
            "π(0), the probability of staying", 0.05, 0.95, 0.25, 0.05, key="stay", persist_state="session"
        )
        rows = [_row(episode) for episode in example.episodes(stay)]
        moments = example.moments(stay)
        estimates = ("Σ G₀ · score", "Σ Gₜ · score", "Σ (Gₜ - V) · score")
        rows += [
            {"τ": word, **dict(zip(estimates, (f"{pair[k]:.3f}" for pair in moments), strict=True))}
            for k, word in enumerate(("mean", "variance"))
        ]
        st.table([{key: row.get(key, "") for key in rows[0]} for row in rows], border="horizontal")
        st.markdown(f"J = {example.values(stay)[0]:.4f} and dJ/dz = {example.gradient(stay):.5f}. {SAYS[name]}")


def _row(episode: example.Episode) -> dict[str, str]:
    return {
        "τ": " ".join(map(str, episode.actions)), "P(τ)": f"{episode.probability:.4g}",
        "returns": ", ".join(f"{g:g}" for g in episode.returns),
        "scores": ", ".join(f"{s:.3g}" for s in episode.scores),
        "Σ G₀ · score": f"{episode.estimates[0]:.3f}", "Σ Gₜ · score": f"{episode.estimates[1]:.3f}",
        "Σ (Gₜ - V) · score": f"{episode.estimates[2]:.3f}",
    }  # fmt: skip
