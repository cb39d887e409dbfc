"""The frame around every screen: which screens there are, language, theme.

Streamlit runs this file on every visit and every click; the screen itself is a file in `pages/`.
"""

from pathlib import Path

import streamlit as st

from drpo.dashboard import navigation
from drpo.dashboard.components import sign_in, theme_switch
from drpo.dashboard.components.notices import show_problem
from drpo.dashboard.state import url_state
from drpo.dashboard.state.language import LANGUAGE_KEY, browser_language
from drpo.i18n import LANGUAGES, language, spoken, t

# An icon of our own: Streamlit would fetch a named one from the network for the browser's tab.
ICON = str(Path(__file__).parent / "assets" / "icon.svg")
st.set_page_config(page_icon=ICON, layout="wide", initial_sidebar_state="auto")
screen = st.navigation(navigation.screens(), expanded=True)
st.set_page_config(page_title=f"{screen.title} – DR-PO", page_icon=ICON)

# The primary colour is made for white text on it; as text of its own it is too faint.
# HTML, because only a style sheet reaches it; there is no value in it.
st.html(
    "<style>button[aria-checked='true'][data-variant] p, button[aria-pressed='true'] p, "
    "[role='tab'][aria-selected='true'] p, "
    "[data-testid='stSliderThumbValue'], [data-testid='stSliderThumbValue'] p "
    "{ color: var(--drpo-learned-ink) }"
    # Large enough to be hit with a thumb.
    "@media (max-width: 640px) { [data-testid='stMain'] [data-testid^='stBaseButton-'] "
    "{ min-height: 44px } }</style>"
)
with st.sidebar:
    url_state.recall(LANGUAGE_KEY, LANGUAGES, language())
    chosen = st.segmented_control(
        t("frame.language"),
        LANGUAGES,
        key=LANGUAGE_KEY,
        required=True,
        width="stretch",
        format_func=lambda code: {"en": "English", "ja": "日本語"}[code],
    )
    url_state.record(LANGUAGE_KEY, str(chosen), browser_language())
    theme_switch.theme_switch(
        navigation.paths(), charts=screen.url_path in navigation.FULL_OF_CHARTS
    )

try:
    # Found once: a screen asks for a thousand words, and each would look for the language again.
    with spoken(language()):
        if sign_in.let_in():
            with st.sidebar:
                sign_in.show_who()
            if not navigation.opens(screen.url_path or "home"):
                st.switch_page(navigation.path("review"))
            screen.run()
except Exception as error:
    show_problem(error)
