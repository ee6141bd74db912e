"""The statements that the trainer rests on: each proved, and checked by the code that trains."""

import streamlit as st

from pages.widgets import proof
from pages.widgets.words import plain
from pg_core import lab
from pg_core.config import HYPERPARAMETERS
from pg_core.proofs import STATEMENTS

REFRESH_SECONDS = 0.5  # while a check runs

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


def table(head: str, rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    return "\n".join([head, "|---" * len(rows[0]) + "|", *(f"| {' | '.join(row)} |" for row in rows)])


def run_all() -> None:
    """Have every check run with what its controls hold."""
    for name in STATEMENTS:
        lab.ask_check(name, **proof.parameters(name))


def contents(verdicts: dict[str, str]) -> None:
    """List the statements with their verdicts; draw the page again when one of them changes."""
    if {name: proof.verdict(name) for name in STATEMENTS} != verdicts:
        st.rerun()
    rows = [
        (str(index), f"[{proof.text_of(name).title}](#{name})", plain(verdicts[name]))
        for index, name in enumerate(STATEMENTS, 1)
    ]
    st.markdown(table("| | statement | check |", rows))


st.set_page_config(page_title="Derivations · Policy Gradient Lab")
lab.prepare_checks()

with st.container(width=860, key="derivations"):
    st.title("Derivations", anchor=False)
    st.markdown(
        "What the agent rests on, proved line by line, each statement on those before it. Every proof ends in a check: "
        "one side is computed by the code that trains, the other without it, in small processes where an expectation "
        "is a finite sum. Beside what is right stand wrong estimators that people really write, which the check must "
        "find out, and estimators that look wrong and are right. *The source text* is what this lab grew from."
    )
    verdicts = {name: proof.verdict(name) for name in STATEMENTS}
    running = any(verdict.startswith("…") for verdict in verdicts.values())
    st.button("Run all", type="primary", icon=":material/function:", on_click=run_all, disabled=running)
    st.fragment(contents, run_every=REFRESH_SECONDS if running else None)(verdicts)
    st.header("Symbols", anchor="symbols")
    st.markdown(table("| symbol | meaning | in the code |", QUANTITIES))
    controls = [
        (p.symbol, f"[{p.label}](#{p.statement})" if p.statement else p.label, f"`{p.name}`")
        for p in HYPERPARAMETERS.values()
        if p.symbol
    ]
    st.markdown(table("| symbol | control on the Train page | in the code |", controls))
    for name in STATEMENTS:
        proof.statement(name)
