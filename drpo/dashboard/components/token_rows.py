"""Texts token by token: what is given, cut, special, or an end is told by its look and a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from drpo.charts.palette import COLOURS
from drpo.dashboard.assets import read_assets
from drpo.i18n import t

KINDS = ("special", "given", "cut", "end")
"""What a part of a text may be; the legend names those asked for."""
_ROWS = st.components.v2.component(
    "drpo_token_rows",
    html='<div class="token-rows"></div>',
    js=read_assets("common.js", "token_rows.js"),
    css=read_assets("token_rows.css"),
)


def show_token_rows(
    rows: Sequence[Mapping[str, Any]],
    *,
    key: str,
    kinds: Sequence[str] = KINDS,
    given: str = "",
) -> None:
    """Draw rows, each a title and texts made of parts.

    Args:
        rows: `title` and `texts`, of which each has `title`, `note` and `parts`; a part has `text`,
            the `ids` of its tokens where they are known, and true under the kinds that it is.
        key: The component's identity on this screen.
        kinds: What the legend names.
        given: What it calls the given parts, where not what a reset may keep.
    """
    words = {name: t(f"tokens.{name}") for name in ("left_out", "hover")}
    words |= {f"legend_{kind}": t(f"tokens.legend_{kind}") for kind in kinds}
    if given:
        words["legend_given"] = given
    _ROWS(data={"rows": rows, "kinds": kinds, "colours": COLOURS, "words": words}, key=key)
