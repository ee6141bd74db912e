"""Who looks at the page: the person who is logged in, else the browser's session; and the way in and out."""

import functools
import hashlib
import json
import os
import uuid
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.requests import Request
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.runtime import get_instance
from streamlit.web.server.server_util import AUTH_COOKIE_NAME, get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value

from pages.widgets.text import plain
from pg_core import lab

MAX_ENDED = 10_000  # log-ins; their cookies are valid for 30 days

_ended: deque[bytes] = deque(maxlen=MAX_ENDED)  # their digests, once they are ended: copies of cookies are left


@functools.cache  # a file that is edited or gone for a moment must not open the lab to everyone
def has_login() -> bool:
    """Return whether secrets.toml had a log-in when the lab started.

    Raises:
        StreamlitSecretNotFoundError: it cannot be read.
    """
    return any(Path(path).exists() for path in st.get_option("secrets.files")) and "auth" in st.secrets


def present() -> lab.Visitor:
    """Return who looks at the page that is being drawn."""
    return _visitor(st.user.to_dict(), st.session_state.setdefault("visitor", uuid.uuid4().hex))


def _visitor(claims: Mapping[str, Any], session: str | None) -> lab.Visitor:
    """Return whom a provider's claims are about, where there is a log-in.

    A person is known by what never changes, the provider's name for them. An administrator can also be named by an
    e-mail address, if the provider has verified it.
    """
    if not has_login():
        return lab.Visitor(None, session, admin=True)
    if (person := _person(claims)) is None:
        return lab.Visitor(None, session, admin=False)
    names = {person, claims.get("email") if claims.get("email_verified") is True else None}
    admins = {entry.strip() for entry in os.environ.get("PG_LAB_ADMINS", "").split(",")} - {""}
    return lab.Visitor(person, session, admin=not names.isdisjoint(admins))


def asking(request: Request) -> lab.Visitor:
    """Return who asks, by the cookie of their log-in."""
    login = _login(request.cookies)
    return _visitor(json.loads(login) if login else {}, None)


def may_enter(session_id: str) -> bool:
    """Return whether a session of Streamlit's is open and, where there is a log-in, a person's."""
    session = get_instance().get_app_session(session_id)
    return session is not None and (not has_login() or _person(session._user_info) is not None)


def log_out(cookies: Mapping[str, str]) -> None:
    """End the log-in that a browser has these cookies of, in every session; each draws the way in.

    By itself Streamlit looks at a session's cookies once, when it begins.
    """
    if (login := _login(cookies)) is None:
        return
    _ended.append(_digest(login))
    runtime = get_instance()
    for found in runtime._session_mgr.list_active_sessions():
        context = found.client.client_context
        if context and _login(context.cookies) == login:
            runtime.clear_user_info_for_session(found.session.id)
            # All of its script: what is asked of a fragment would draw that fragment alone.
            found.session.request_rerun(found.session._client_state)


def has_ended(cookies: Mapping[str, str]) -> bool:
    """Return whether these are cookies, or copies of them, of a log-in that was ended since the server started."""
    login = _login(cookies)
    return login is not None and _digest(login) in _ended


def without_login(cookies: bytes) -> bytes:
    """Return a `Cookie` header without those of a log-in."""
    login = AUTH_COOKIE_NAME.encode()
    return b";".join(part for part in cookies.split(b";") if not part.strip().startswith(login))


def _login(cookies: Mapping[str, str]) -> bytes | None:
    """Return what the provider has said of a log-in, which it says of no other; a long one is in several cookies."""

    def read(name: str) -> bytes | None:
        return decode_signed_value(get_cookie_secret(), name, cookies.get(name, ""))

    return get_cookie_with_chunks(read, AUTH_COOKIE_NAME) if has_login() else None


def _digest(login: bytes) -> bytes:
    return hashlib.sha256(login).digest()


def _person(claims: Mapping[str, Any]) -> str | None:
    """Return the id of who is logged in with a provider's claims, None for nobody."""
    if claims.get("is_logged_in") is not True or not claims.get("iss") or not claims.get("sub"):
        return None
    return f"{claims['iss']} {claims['sub']}"


def require_login() -> None:
    """Draw who is logged in; who is not gets the way in, and nothing else of the lab."""
    if not has_login():
        return
    visitor = present()
    if visitor.id is None:
        st.title("Policy Gradient Lab", anchor=False)
        st.text("Log in to see runs and to train.")
        for name in _providers():
            st.button(f"Log in{f' with {name}' if name else ''}", on_click=st.login, args=(name,), type="primary")
        st.stop()
    with st.container(horizontal=True, horizontal_alignment="right", key="account"):
        who = str(st.user.get("name") or st.user.get("email") or st.user["sub"])
        with st.popover(plain(who), icon=":material/person:", type="tertiary"):
            st.text(f"Administrator {visitor.id}" if visitor.admin else visitor.id)
            st.button("Log out", icon=":material/logout:", on_click=st.logout)


def _providers() -> list[str | None]:
    """Return the names of the providers in secrets.toml; None is the one that has no name."""
    sections = st.secrets["auth"].items()
    named: list[str | None] = [key for key, value in sections if isinstance(value, Mapping) and "client_id" in value]
    return named or [None]
