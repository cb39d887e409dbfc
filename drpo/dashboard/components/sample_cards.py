"""Prompts and answers as text: who wrote what is told by colour, mark and label.

The texts come from models and uploads, so the browser gets them as data and puts them into text
nodes; nothing in them can become markup. With the switch for Markdown our own script makes
headings, lists, bold and code of them, of elements without address: a link or an image in a text
stays the signs that it is written with.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import streamlit as st

from drpo.charts.palette import COLOURS
from drpo.dashboard.assets import read_assets
from drpo.dashboard.state import url_state
from drpo.i18n import t
from drpo.report.cards import PromptCard

MARKDOWN = "markdown"
"""The switch's key, and its name in the URL."""
WORDS = ("prompt", "from_data", "unfinished", "more", "more_answer", "less", "empty_answer")
_ANSWERS = st.components.v2.component(
    "drpo_answers",
    html='<div class="answers"></div>',
    js=read_assets("common.js", "passages.js", "answers.js"),
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


def markdown_switch() -> bool:
    """Ask whether Markdown in texts is drawn, and return the answer; it stands in the URL."""
    url_state.recall_flag(MARKDOWN)
    drawn = st.toggle(t("answers.markdown"), key=MARKDOWN, help=t("answers.markdown_help"))
    url_state.record_flag(MARKDOWN, drawn)
    return drawn


def show_cards(cards: Sequence[PromptCard], *, key: str, max_height: int | None = None) -> None:
    """Draw cards of prompts and answers; what is open stays open when texts change.

    Args:
        cards: In the order to show them.
        key: The component's identity on this screen.
        max_height: Pixels after which the list scrolls by itself.
    """
    drawn = bool(st.session_state.get(MARKDOWN))
    show_told(told_of(cards, max_height, markdown=drawn), key=key)


def show_told(told: bytes, *, key: str) -> None:
    """Draw what `told_of` made of cards, maybe for somebody else."""
    _ANSWERS(data=told, key=key)


def told_of(
    cards: Sequence[PromptCard], max_height: int | None = None, *, markdown: bool = False
) -> bytes:
    """Cards as the browser gets them, with Markdown drawn or not; see `show_cards`."""
    data: dict[str, Any] = {
        "cards": [asdict(card) for card in cards],
        "colours": COLOURS,
        "maxHeight": max_height,
        "markdown": markdown,
        "words": {name: t(f"answers.{name}") for name in WORDS},
    }
    return json.dumps(data).encode("ascii")
