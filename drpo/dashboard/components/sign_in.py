"""Where sign-in is configured: nobody sees a screen before it, and only those who have a role."""

from __future__ import annotations

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.components.notices import notice
from drpo.i18n import t


def let_in() -> bool:
    """Say whether the visitor may see screens; otherwise show how to sign in.

    Raises:
        ConfigError: The owner's file of roles cannot be used.
    """
    if not client.access.signing_in():
        return True
    if not st.user.get("is_logged_in"):
        st.title(t("frame.sign_in_title"), anchor=False)
        st.button(t("frame.sign_in"), key="sign_in", type="primary", on_click=st.login)
        return False
    if client.access.person().role is not None:
        return True
    notice("problem", t("frame.not_listed", mail=str(st.user.get("email") or "")))
    _sign_out()
    return False


def show_who() -> None:
    """Say in the sidebar who is signed in, with which role, and how to leave."""
    if not client.access.signing_in() or not st.user.get("is_logged_in"):
        return
    visitor = client.access.person()
    if visitor.role is None:
        return  # said in the middle of the screen
    # Text: an address is what somebody wrote.
    st.text(visitor.name)
    st.caption(t(f"access.role_{visitor.role}"))
    _sign_out()


def _sign_out() -> None:
    st.button(t("frame.sign_out"), key="sign_out", on_click=st.logout, icon=":material/logout:")
