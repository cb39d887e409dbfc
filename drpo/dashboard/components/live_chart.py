"""A chart that takes new points without losing zoom, hidden lines or scroll.

`st.plotly_chart` is mounted anew whenever its figure changes. This component stays mounted and
hands the figure to `Plotly.react`; what the visitor did to it is kept while `revision` stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from drpo.charts.palette import COLOURS
from drpo.dashboard.assets import PLOTLY_URL, read_assets
from drpo.dashboard.state.shared import shared
from drpo.i18n import language, t

_CHART = st.components.v2.component(
    "drpo_live_chart",
    html='<div class="drpo-chart"></div>',
    js=read_assets("common.js", "live_chart.js"),
    css=read_assets("live_chart.css"),
    # The library writes its own style sheet into the page's head, where a shadow root is blind.
    isolate_styles=False,
)


def live_chart(
    figure: dict[str, Any] | Callable[[], dict[str, Any]],
    *,
    key: str,
    revision: str,
    alt: str,
    group: str = "",
    height: int = 320,
    on_pick: Callable[[Any], None] | None = None,
    version: Hashable = None,
) -> None:
    """Draw a figure of `drpo.charts.figures`.

    Args:
        figure: `data` and `layout`, colours as names of meanings; or what makes it.
        key: The chart's identity on this screen.
        revision: Zoom and hidden lines are kept until this changes; the run's id.
        alt: What the chart shows, for those who cannot see it.
        group: Charts of one group zoom together on their step axis.
        height: Pixels; fixed, so that nothing jumps when points arrive.
        on_pick: Called with the `customdata` of a point that was clicked, before the next run.
        version: What the figure depends on beside `key` and `revision`. All viewers of the same
            version are given the same figure, made once.
    """

    def picked() -> None:
        picked = st.session_state[key].get("picked")
        if picked and on_pick is not None:
            on_pick(picked["point"])

    def told() -> bytes:
        made = {
            "figure": figure() if callable(figure) else figure,
            "revision": revision,
            "alt": alt,
            "group": group,
            "height": height,
            "library": PLOTLY_URL,
            "colours": COLOURS,
            "pickable": on_pick is not None,
            "words": {
                "loading": t("charts.loading"),
                "failed": t("charts.failed"),
                "reset": t("charts.reset_zoom"),
                "download": t("charts.download"),
            },
        }
        # Streamlit would write a mapping twice, once only to compare it.
        return json.dumps(made).encode("ascii")

    kept = (key, revision, version, language(), alt, group, height, on_pick is None)
    _CHART(
        data=told() if version is None else shared(kept, told),
        key=key,
        height=height,
        on_picked_change=picked,
    )
