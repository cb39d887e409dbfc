"""Style sheets, scripts and the icon that pages are made with."""

from pathlib import Path

import plotly

ASSETS = Path(__file__).parent
PLOTLY_URL = f"/assets/plotly-{plotly.__version__}.min.js"
"""The version is in the name, so that a browser may keep the file for good."""


def read_assets(*names: str) -> str:
    """The text of some of our assets, one after the other: what comes first is shared."""
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in names)
