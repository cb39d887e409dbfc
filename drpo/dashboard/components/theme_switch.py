"""The light and dark switch in the sidebar.

Streamlit keeps a visitor's theme in the browser, one entry for each path, and offers no call to
change it. The switch writes that entry for all our paths and loads the page again; as every
state is in the URL, the same screen comes back in the other colours.

As the one component that every screen has, it also tells the browser which language the page
speaks, hands the colours of our meanings (`--drpo-learned` and so on, see `drpo.charts.palette`) to
the page, where `st.html` can use them, and loads the chart library ahead of the charts.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from drpo.charts.palette import COLOURS
from drpo.dashboard.assets import PLOTLY_URL, read_assets
from drpo.i18n import language, t

_SWITCH = st.components.v2.component(
    "drpo_theme_switch",
    js=read_assets("common.js", "theme_switch.js"),
    css=read_assets("theme_switch.css"),
)


def theme_switch(paths: Sequence[str], *, charts: bool) -> None:
    """Show the switch.

    Args:
        paths: The URL paths of all screens.
        charts: Whether this screen draws charts at once, so that their library is wanted now.
    """
    names = {name: t(f"frame.theme_{name}") for name in ("System", "Light", "Dark")}
    _SWITCH(
        data={
            "label": t("frame.theme"),
            "language": language(),
            "names": names,
            "paths": list(paths),
            "colours": COLOURS,
            "library": PLOTLY_URL,
            "charts": charts,
        },
        key="theme_switch",
    )
