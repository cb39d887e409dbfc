"""Home: what this is, and the first step."""

import streamlit as st

from drpo.dashboard.words import t

st.title(t("frame.home"))
