"""The frame around every screen: which screens there are, language, theme.

Streamlit runs this file on every visit and every click; the screen itself is a file in `pages/`.
"""

import streamlit as st

from drpo.dashboard import navigation, theme_switch
from drpo.dashboard.notices import show_problem
from drpo.dashboard.words import LANGUAGE_KEY, LANGUAGES, browser_language, t

st.set_page_config(
    page_title="DR-PO", page_icon=":material/restart_alt:", layout="wide",
    initial_sidebar_state="auto",
)  # fmt: skip
screen = st.navigation(navigation.screens(), expanded=True)
st.set_page_config(page_title=f"{screen.title} – DR-PO")

with st.sidebar:
    st.segmented_control(
        t("frame.language"),
        LANGUAGES,
        default=browser_language(),
        format_func=lambda code: {"en": "English", "ja": "日本語"}[code],
        key=LANGUAGE_KEY,
        required=True,
        bind="query-params",
        width="stretch",
    )
    theme_switch.theme_switch(navigation.paths())

try:
    screen.run()
except Exception as error:
    show_problem(error)
