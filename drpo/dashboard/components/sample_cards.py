"""Prompts and answers as text: who wrote what is told by colour, mark and label.

The texts come from models and uploads, so the browser gets them as data and puts them into text
nodes; nothing in them can become markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import streamlit as st

from drpo.charts.palette import COLOURS
from drpo.dashboard.assets import read_assets
from drpo.i18n import t
from drpo.report.cards import PromptCard

_ANSWERS = st.components.v2.component(
    "drpo_answers",
    html='<div class="answers"></div>',
    js=read_assets("common.js", "answers.js"),
    css=read_assets("answers.css"),
)


def page(key: str, count: int, per_page: int) -> range:
    """Let the visitor leaf through a list; the page is in the URL.

    Args:
        key: The widget's key, and the name in the URL.
        count: How many things there are.
        per_page: How many a page holds.

    Returns:
        The places of those on the page that is shown; all where one page holds them.
    """
    pages = max(1, -(-count // per_page))
    shown = st.pagination(pages, key=key, bind="query-params") if pages > 1 else 1
    return range((shown - 1) * per_page, min(count, shown * per_page))


def show_cards(cards: Sequence[PromptCard], *, key: str, max_height: int | None = None) -> None:
    """Draw cards of prompts and answers; what is open stays open when texts change.

    Args:
        cards: In the order to show them.
        key: The component's identity on this screen.
        max_height: Pixels after which the list scrolls by itself.
    """
    data: dict[str, Any] = {
        "cards": [asdict(card) for card in cards],
        "colours": COLOURS,
        "maxHeight": max_height,
        "words": {
            name: t(f"answers.{name}")
            for name in ("prompt", "from_data", "unfinished", "more", "less", "empty_answer")
        },
    }
    _ANSWERS(data=data, key=key)
