"""The statements that the trainer implements: each with its setting, and where the code uses it."""

from pathlib import Path

import streamlit as st

from pg_core.config import HYPERPARAMETERS

STATEMENTS = Path(__file__).parents[1] / "assets" / "derivations"

# What the formulas name and no control sets; the hyperparameters follow from `Config`.
QUANTITIES = [
    (r"$s_t$", "observation, the state as the policy sees it", "`observations`"),
    (r"$a_t$", "action", "`actions`"),
    (r"$r_t$", "reward that follows $a_t$", "`rewards`"),
    (r"$T$", "steps of an episode, at most the time limit", "`max_episode_steps`"),
    (r"$\tau$", "trajectory, a whole episode", "`Trajectories`"),
    (r"$\theta$", "the policy's parameters", "`policy`"),
    (r"$\pi_\theta(a \mid s)$", "probability of an action", "`action_probs`"),
    (r"$J(\theta)$", "objective, the expected return", "`mean_return` estimates it"),
    (r"$A_t$", "advantage, return minus baseline", "`advantages`"),
    (r"$w_t$", "what multiplies a score", "`weights`"),
    (r"$V(s_t)$", "value network", "`values`"),
    (r"$L(\theta)$", "surrogate loss", "`policy_loss`"),
    (r"$\mathcal{H}$", "entropy of the policy, in nats", "`entropy`"),
]


def table(head: str, rows: list[tuple[str, str, str]]) -> str:
    """Return a Markdown table of three columns."""
    return "\n".join([head, "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])


st.set_page_config(page_title="Derivations · Policy Gradient Lab")
statements = []
for path in sorted(STATEMENTS.glob("*.md")):
    heading, text = path.read_text(encoding="utf-8").split("\n", 1)
    statements.append((heading.removeprefix("# "), path.stem.partition("-")[2], text))

with st.container(width=760):
    st.title("Derivations", anchor=False)
    st.markdown(
        "What the trainer calculates, as mathematics: each result with its setting, its statement and the code that "
        "uses it. The statements are not proved on this page. *Source text* marks where the text that this lab grew "
        "from says something else."
    )
    st.markdown("\n".join(f"{i}. [{title}](#{anchor})" for i, (title, anchor, _) in enumerate(statements, 1)))
    st.header("Symbols", anchor="symbols")
    st.markdown(table("| symbol | meaning | in the code |", QUANTITIES))
    controls = [(p.symbol, p.label, f"`{p.name}`") for p in HYPERPARAMETERS.values() if p.symbol]
    st.markdown(table("| symbol | control on the Train page | in the code |", controls))
    for title, anchor, text in statements:
        st.header(title, anchor=anchor)
        st.markdown(text)
