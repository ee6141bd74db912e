"""Statements that can be felt: two runs with the same random numbers, with what a statement is about and without it."""

import uuid
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.widgets import bar
from pages.widgets.command import command
from pages.widgets.figure import DEFAULT_PANELS, Panel
from pages.widgets.text import plain
from pg_core.config import Config

Side = tuple[str, dict[str, Any]]  # the name of a run, and its hyperparameters where the other one differs
HELP = "Starts both runs and opens the Train page. A run that is open there is stopped, and kept."
# Both runs go on to the same update, solved or not, no faster than can be followed.
_COMMON: dict[str, Any] = {"num_updates": 100, "stop_when_solved": False, "pace": 5}
_PLAIN: dict[str, Any] = {
    "baseline": "none", "normalize_advantages": False, "reduction": "episode", "learning_rate": 0.01,
}  # fmt: skip
_SGD: dict[str, Any] = {"optimizer": "sgd", "momentum": 0.0}


@dataclass(frozen=True)
class Trial:
    """Two runs to compare.

    Attributes:
        says: what is to be seen; a test trains both runs and sees it.
        opened: the run that is opened.
        behind: the run that is drawn behind it.
        both: hyperparameters that the two share; the others are at their defaults.
        panels: the two curves below the returns.
    """

    says: str
    opened: Side
    behind: Side
    both: dict[str, Any]
    panels: tuple[Panel, Panel] = DEFAULT_PANELS

    @property
    def runs(self) -> tuple[tuple[str, Config], tuple[str, Config]]:
        """Name and config of the run that is opened, and of the one behind."""
        (first, values), (second, others) = self.opened, self.behind
        common = _COMMON | self.both
        return (first, Config(**common | values)), (second, Config(**common | others))


TRIALS = {
    "returns": Trial(
        "With γ = 0.5 a reward ten steps ahead counts a thousandth: what is done against a slow fall seems not to pay, "
        "and the return stays far below that with γ = 1.",
        ("γ = 1", {"gamma": 1.0}), ("γ = 0.5", {"gamma": 0.5}), {},
    ),
    "reinforce": Trial(
        "The estimate raises the return, and nobody has told it how a pole falls. The same agents with a learning rate "
        "of next to nothing stay at the 22 steps or so that chance gives.",
        ("REINFORCE", {"learning_rate": 0.01}), ("No learning", {"learning_rate": 1e-6}),
        _PLAIN | {"weights": "episode_return", "episodes_per_update": 16},
    ),
    "reward_to_go": Trial(
        "Both estimates have the same mean. But what an action is credited with, though it came before, is noise: "
        "without it the return after 100 updates is more than twice as high.",
        ("Reward-to-go", {"weights": "reward_to_go"}), ("Whole return", {"weights": "episode_return"}), _PLAIN,
    ),
    "discounting": Trial(
        "With γ = 0.9 the factor γᵗ is below 0.01 from step 44 on: where it is there, only the beginnings of episodes "
        "teach, and the return climbs more slowly than without it.",
        ("With γᵗ", {"gamma_t": True}), ("Without γᵗ", {"gamma_t": False}), {"gamma": 0.9},
    ),
    "surrogate_loss": Trial(
        "In the first update the gradients differ by a factor alone, the batch's mean episode length, about 20. Plain "
        "descent takes steps that much longer, which here is faster: see the gradient norm, too.",
        ("Per episode", {"reduction": "episode"}), ("Per step", {"reduction": "step"}), _SGD | {"learning_rate": 0.03},
    ),
    "baselines": Trial(
        "Both estimates have the same mean. With the baseline the return comes close to the most there is, 500; "
        "without, the noise keeps it lower.",
        ("Leave-one-out", {"baseline": "leave_one_out"}), ("No baseline", {"baseline": "none"}), _PLAIN,
    ),
    "leave_one_out": Trial(
        "What the others got at the same step is a far better guess than one mean for all steps, which forgets that "
        "less is left to earn at step 400 than at step 0.",
        ("Leave-one-out", {"baseline": "leave_one_out"}), ("Batch mean", {"baseline": "batch_mean"}),
        {"normalize_advantages": False, "num_agents": 40},  # of five, another processor's last bits may hide it
    ),
    "normalization": Trial(
        "Without a baseline all returns of CartPole are positive, and every action is pushed up. Normalised, half of "
        "them are pushed down, and the return climbs faster.",
        ("Normalised", {"normalize_advantages": True}), ("As they are", {"normalize_advantages": False}),
        {"baseline": "none"},
    ),
    "entropy": Trial(
        "With the bonus the entropy stays above 0.5 nats, without it falls below 0.45. CartPole asks for little "
        "exploration, so the bonus has a price here: the return is lower.",
        ("Entropy bonus 0.1", {"ent_coef": 0.1}), ("No bonus", {"ent_coef": 0.0}), {},
    ),
    "gradient_clipping": Trial(
        "The first gradients are about a hundred long. Without a limit one step makes the policy certain of one "
        "action, and the pole falls after ten steps for good; with the limit it learns.",
        ("Limit 0.5", {"max_grad_norm": 0.5}), ("No limit", {"max_grad_norm": 0.0}),
        _PLAIN | _SGD | {"learning_rate": 0.1},
    ),
    "variance": Trial(
        "With sixteen times the episodes there is more signal for the noise, and each of the 50 updates gets further. "
        "They are not for free: the horizontal axis counts the episodes.",
        ("48 episodes an update", {"episodes_per_update": 48}), ("3 episodes an update", {"episodes_per_update": 3}),
        _PLAIN | {"num_updates": 50}, ("noise", "entropy"),
    ),
    "ascent": Trial(
        "Small steps go up. Steps twelve times as long overshoot: the policy is soon certain, its entropy near 0, of "
        "what is not good, and the return stays low.",
        ("α = 0.025", {"learning_rate": 0.025}), ("α = 0.3", {"learning_rate": 0.3}), {},
    ),
}  # fmt: skip


def follow() -> None:
    """Have the browser open the Train page (assets/links.js) if a press has just started two runs.

    Before anything is drawn: a button that is drawn again would mean another two, and the press may come twice. With
    `st.switch_page` the server would be there first, and what the browser still asks of this page would lead back.
    """
    if st.session_state.run_id and st.session_state.run_id == st.session_state.get("next_run"):
        with st.container(key="going"):
            st.page_link("train.py", label="Go to the Train page", icon=":material/play_arrow:")
        st.stop()


def trial(name: str) -> None:
    """Draw what is to be seen of a statement on the Train page, and the button that starts it."""
    if name not in TRIALS:
        return
    with st.container(border=True, key="trial"):
        st.markdown(f"**Try it.** {TRIALS[name].says}")
        pressed = st.button(
            f"Train both: {TRIALS[name].opened[0]}, and {TRIALS[name].behind[0]}", icon=":material/play_arrow:",
            key="try", help=HELP, on_click=_start, args=(name, bar.next_run()),
        )  # fmt: skip
        if pressed:
            st.error(plain(st.session_state.complaint))  # or the Train page would be next
            st.session_state.complaint = ""


@command
def _start(name: str, run_id: str) -> None:
    other = uuid.uuid5(uuid.NAMESPACE_OID, run_id).hex  # a press that comes twice starts the same two
    st.session_state.view = list(TRIALS[name].panels)
    bar.start(dict(zip((run_id, other), TRIALS[name].runs, strict=True)))
