"""Given tokens one by one: what episodes did not choose, and no loss of the policy learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from drpo.dashboard.client.store import SampleRow
from drpo.dashboard.components.token_rows import show_token_rows
from drpo.i18n import t

MOST = 8
"""Episodes that are shown."""


def show(episodes: Sequence[SampleRow]) -> None:
    """Show the first episodes that were given something.

    Args:
        episodes: In the order in which they are shown above.
    """
    rows = [
        _row(place, episode) for place, episode in enumerate(episodes, 1) if episode.prefix_pieces
    ][:MOST]
    if not rows:
        st.caption(t("resets.no_given_tokens"))
        return
    st.caption(t("resets.given_tokens_help"))
    show_token_rows(rows, key="given_tokens", kinds=("given",), given=t("resets.given_legend"))


def _row(place: int, episode: SampleRow) -> dict[str, Any]:
    given = [
        {"text": piece, "ids": [], "given": True, "place": True}
        for piece in episode.prefix_pieces or ()
    ]
    parts = [*given, {"text": episode.response, "ids": []}]
    return {
        "title": t("resets.given_tokens", place=place, tokens=episode.prefix_tokens),
        "texts": [{"title": "", "note": "", "parts": parts}],
    }
