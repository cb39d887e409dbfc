"""Where sign-in is configured: nobody sees a screen before it, and only those who are listed."""

from __future__ import annotations

import streamlit as st

from drpo.dashboard import reach
from drpo.dashboard.components.notices import notice
from drpo.i18n import t


def let_in() -> bool:
    """Say whether the visitor may see screens; otherwise show how to sign in."""
    allowed = reach.users()
    if not allowed:
        return True
    if not st.user.get("is_logged_in"):
        st.title(t("frame.sign_in_title"), anchor=False)
        st.button(t("frame.sign_in"), key="sign_in", type="primary", on_click=st.login)
        return False
    mail = str(st.user.get("email") or "")
    # A provider that says nothing of it has no addresses that it has not verified.
    if st.user.get("email_verified", True) and reach.may_enter(mail, allowed):
        return True
    notice("problem", t("frame.not_listed", mail=mail))
    st.button(t("frame.sign_out"), key="sign_out", on_click=st.logout)
    return False
