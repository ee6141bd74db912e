"""The text of a statement: what it says, and its proof."""

import re
from dataclasses import dataclass

import streamlit as st

from pages.widgets import ASSETS
from pg_core.proofs import STATEMENTS

TEXTS = ASSETS / "derivations"
OPEN_STEPS = 2  # of a proof; the others unfold
FOLDED = {"For the careful", "References"}


@dataclass(frozen=True)
class Text:
    """A statement as its file has it: the title, one sentence, and what follows each heading."""

    title: str
    gist: str
    sections: dict[str, str]

    @property
    def steps(self) -> list[str]:
        """The steps of the proof, numbered as Markdown has it."""
        return re.split(r"^(?=\d+\. )", self.sections["Proof"], flags=re.MULTILINE)[1:]

    @property
    def rests_on(self) -> list[str]:
        """Which statements the proof uses, in their order."""
        used = set(re.findall(r"\]\(#(\w+)\)", self.sections["Proof"]))
        return [name for name in STATEMENTS if name in used]


@st.cache_data(show_spinner=False)
def text_of(name: str) -> Text:
    """Read a statement's file."""
    content = (TEXTS / f"{name}.md").read_text(encoding="utf-8")
    head, *parts = re.split(r"^## ", content, flags=re.MULTILINE)
    title, gist = head.removeprefix("# ").split("\n", 1)
    return Text(title, gist.strip(), {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip() for part in parts})


def number(name: str) -> int:
    """Return the place of a statement among all."""
    return list(STATEMENTS).index(name) + 1


def linked(body: str) -> str:
    """Turn links between texts, which name a statement, into addresses of its view."""
    return re.sub(r"\]\(#(\w+)\)", r"](derivations?statement=\1)", body)


def head(name: str) -> None:
    """Draw the title, the sentence and the formula."""
    text = text_of(name)
    st.header(f"{number(name)}. {text.title}", anchor=False)
    st.markdown(f"*{linked(text.gist)}*")
    with st.container(key="claim"):
        st.markdown(linked(text.sections["Statement"]))


def body(name: str) -> None:
    """Draw the setting, the proof, of which the first steps are open, and what follows it."""
    text = text_of(name)
    for heading, content in text.sections.items():
        if heading == "Statement":
            continue
        if heading == "Proof":
            _proof(text)
        elif heading in FOLDED:
            with st.expander(heading):
                st.markdown(linked(content))
        elif heading == "Source text":
            st.info(f"**The text that this lab grew from.** {linked(content)}", icon=":material/history_edu:")
        else:
            st.markdown(f"**{heading}**\n\n{linked(content)}")


def _proof(text: Text) -> None:
    shown, folded = text.steps[:OPEN_STEPS], text.steps[OPEN_STEPS:]
    with st.container(key="proof"):
        st.markdown("**Proof**\n\n" + linked("".join(shown)))
        if folded:
            count = "one more step" if len(folded) == 1 else f"{len(folded)} more steps"
            with st.expander(f"The proof goes on: {count}", key=f"steps-{text.title}"):
                st.markdown(linked("".join(folded)))
