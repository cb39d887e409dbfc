"""Which language a visitor reads: the one chosen on the page, else the browser's."""

from __future__ import annotations

from typing import cast

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from drpo.dashboard.state import url_state
from drpo.i18n import LANGUAGES, Language, language

LANGUAGE_KEY = "lang"
"""The language switch's key, in the session and in the URL."""


def visitors_language() -> Language | None:
    """The visitor's language; None where there is no visitor (reports, tests, other threads)."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return None
    # On a visit's first run the switch has not been drawn yet, but the URL may already say.
    asked = st.session_state.get(LANGUAGE_KEY) or url_state.asked(LANGUAGE_KEY)
    return cast("Language", asked) if asked in LANGUAGES else browser_language()


def browser_language() -> Language:
    """The language the visitor's browser asks for, if it is one of ours."""
    asked = (st.context.locale or "en").partition("-")[0]
    return "ja" if asked == "ja" else "en"


def moment() -> str:
    """How a table writes a moment: Streamlit says "5 minutes ago" in English only."""
    return "distance" if language() == "en" else "YYYY-MM-DD HH:mm"
