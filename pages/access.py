"""Access: who has which role, and who did what."""

import streamlit as st

from drpo.dashboard.screens.access import view
from drpo.i18n import t

st.title(t("access.title"))
view.show_people()
view.show_audit()
