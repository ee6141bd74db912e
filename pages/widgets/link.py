"""The page's address: every control, the open run and what is chosen to be seen; a link shows the same again."""

import reprlib
from dataclasses import dataclass
from typing import Any, get_args

import streamlit as st

from pages.widgets import controls, declaration
from pages.widgets.beside import MAX_BESIDE
from pages.widgets.comparison import MEASURES
from pages.widgets.figure import DEFAULT_PANELS, PANELS, X
from pages.widgets.run_table import SORTS
from pages.widgets.text import STATES
from pg_core import lab
from pg_core.config import HYPERPARAMETERS, Config, ConfigError, parsed

RUN = "run"  # the link's name for the open run


@dataclass(frozen=True)
class Choice:
    """What a person chooses to see: a text, one of some options, or several of them.

    Attributes:
        page: on which its widget is.
        default: as the widget holds it; a list if there may be several.
        options: what may be chosen; anything if there are none.
    """

    page: str
    default: Any = ""
    options: tuple[str, ...] = ()

    def read(self, name: str, texts: list[str]) -> Any:
        """Return what a link's texts choose.

        Raises:
            ConfigError: one of them is no option.
        """
        for text in texts:
            if self.options and text not in self.options:
                raise ConfigError(f"`{name}` must be one of {', '.join(self.options)}, got {reprlib.repr(text)}")
        return texts if isinstance(self.default, list) else texts[-1]


CHOICES = {  # by name in the link, which is the widget's key
    "view": Choice("train", list(DEFAULT_PANELS), tuple(PANELS)),
    "over": Choice("train", "episodes", get_args(X)),
    "beside": Choice("train", []),
    "update": Choice("policy"),
    "agent": Choice("policy"),
    "episode": Choice("policy"),
    "play": Choice("policy", "", ("sampled", "greedy")),
    "play_seed": Choice("policy"),
    "versus": Choice("policy"),
    "versus_update": Choice("policy"),
    "versus_agent": Choice("policy"),
    "race": Choice("policy", []),
    "sweep": Choice("sweeps"),
    "sweep_by": Choice("sweeps", "env_steps_to_solve", tuple(lab.TITLES)),
    "axis": Choice("declaration", declaration.DEFAULTS["axis"]),
    "seeds": Choice("declaration", declaration.DEFAULTS["seeds"]),
    "sampler": Choice("declaration", declaration.DEFAULTS["sampler"], tuple(declaration.SAMPLERS)),
    "trials": Choice("declaration", declaration.DEFAULTS["trials"]),
    "prune": Choice("declaration", declaration.DEFAULTS["prune"], ("false", "true")),
    "search": Choice("runs"),
    "state": Choice("runs", [], (*STATES, "deleted")),
    "environment": Choice("runs", []),
    "tag": Choice("runs", []),
    "sort": Choice("runs", "newest", tuple(SORTS)),
    "selected": Choice("runs", []),
    "measure": Choice("runs", "mean_return", tuple(MEASURES)),
    "compare_by": Choice("runs", "env_steps", get_args(lab.Along)),
    "group_by": Choice("runs", [], tuple(HYPERPARAMETERS)),
}
DRAWN = ("runs", "declaration")  # pages whose widgets begin with what the link chose, once they are drawn


def load() -> None:
    """Fill the widgets from the link on a session's first visit; what makes no sense is named and left out."""
    if "link_loaded" in st.session_state:
        return
    st.session_state.link_loaded = True
    link = _now()
    link.pop("statement", None)  # which the page of derivations reads by itself
    complaints = _load_choices({name: link.pop(name) for name in CHOICES if name in link})
    run, config, more = read({name: texts[-1] for name, texts in link.items()})
    st.session_state.complaint = " ".join([*complaints, *more])
    controls.open_run(run, config)


def read(link: dict[str, str]) -> tuple[lab.Run | None, Config, list[str]]:
    """Return the run and the config that a link asks for, with a sentence for everything in it that cannot be."""
    run, config, complaints = None, Config(), []
    settings = {name: text for name, text in link.items() if name != RUN}
    if link.get(RUN):
        try:
            run = lab.run(link[RUN])
            config = run.current
            # What may change live, the run itself knows.
            settings = {n: text for n, text in settings.items() if not getattr(HYPERPARAMETERS.get(n), "live", False)}
        except (LookupError, ConfigError) as error:
            complaints.append(str(error))
    for texts in _groups(settings):
        try:
            config = Config(**{**dict(config), **parsed(texts)})
        except ConfigError as error:
            complaints.append(_sentence(error))
    return run, config, complaints


def _groups(settings: dict[str, str]) -> list[dict[str, str]]:
    """Return what of a link is valid or not by itself: another environment does not know the arguments of the last."""
    settings = dict(settings)
    if settings.pop("sutton_barto_reward", "").lower() == "true":  # as links of earlier labs have it
        settings["env_kwargs"] = "sutton_barto_reward=true"
    together = {name: settings.pop(name) for name in ("env_id", "env_kwargs") if name in settings}
    if "env_id" in together:
        together.setdefault("env_kwargs", "")
    return [*filter(None, [together]), *({name: text} for name, text in settings.items())]


def write(page: str) -> None:
    """Put what a page's widgets hold into its address, but for what is at its default."""
    link: dict[str, str | list[str]] = {}
    if page == "train":
        link |= controls.link()
    if page == "sweeps":
        link |= declaration.link()
    if page in ("train", "policy") and st.session_state.run_id:
        link[RUN] = st.session_state.run_id
    for name, choice in CHOICES.items():
        value = st.session_state.get(name)
        value = st.session_state.choices[name] if value is None else value  # not drawn yet
        if choice.page == page and value != choice.default:
            link[name] = value
    if _now() != {name: [texts] if isinstance(texts, str) else texts for name, texts in link.items()}:
        st.query_params.from_dict(link)


def _load_choices(link: dict[str, list[str]]) -> list[str]:
    """Put what every choice begins with into the session; return a sentence for each that cannot be."""
    choices, complaints = {name: choice.default for name, choice in CHOICES.items()}, []
    for name, texts in link.items():
        try:
            choices[name] = CHOICES[name].read(name, texts)
        except ConfigError as error:
            complaints.append(_sentence(error))
    if asked := [*choices["selected"], *choices["beside"]]:
        known = {run.id for run in lab.runs(deleted=True)}
        unknown = [run_id for run_id in asked if run_id not in known]
        complaints += [str(lab.UnknownRun(run_id)) for run_id in unknown[:1]]
        choices["beside"] = [run_id for run_id in choices["beside"] if run_id in known][:MAX_BESIDE]
    choices["race"] = list(dict.fromkeys(choices["race"]))[: lab.MOST]
    choices["view"] = list(dict.fromkeys([*choices["view"], *DEFAULT_PANELS]))[: len(DEFAULT_PANELS)]
    st.session_state.update({name: choices[name] for name, choice in CHOICES.items() if choice.page not in DRAWN})
    st.session_state.choices = choices
    return complaints


def _now() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def _sentence(error: ConfigError) -> str:
    return f"The link asked for what cannot be: {str(error).rstrip('.')}."
