"""Prompts and answers as text: who wrote what is told by colour, mark and label.

The texts come from models and uploads, so the browser gets them as data and puts them into text
nodes; nothing in them can become markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import streamlit as st

from drpo.dashboard.assets import read_assets
from drpo.dashboard.charts.palette import COLOURS
from drpo.dashboard.client.store import SampleRow
from drpo.i18n import t
from drpo.i18n.format import number

_ANSWERS = st.components.v2.component(
    "drpo_answers",
    html='<div class="answers"></div>',
    js=read_assets("drawing.js", "answers.js"),
    css=read_assets("answers.css"),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A small number beside an answer."""

    label: str
    value: str
    meaning: str = "muted"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: what came from the data, what the policy wrote, and its figures."""

    id: str
    response: str
    prefix: str = ""
    title: str = ""
    finished: bool = True
    from_data: bool = False
    """The whole answer is the data's own, shown for comparison."""
    figures: Sequence[Figure] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Card:
    """One prompt with the answers to it."""

    id: str
    title: str
    prompt: str
    answers: Sequence[Answer]


def figures_of(sample: SampleRow) -> list[Figure]:
    """Score, gold score and KL of a sample, as far as they are known."""
    return [
        *_scores(sample.score, sample.gold),
        *([] if sample.kl is None else [Figure(t("answers.kl"), number(sample.kl), "kl-ink")]),
    ]


def _scores(score: float | None, gold: float | None) -> list[Figure]:
    # A policy that is trained on the true score is given that for a score, and no other.
    learned = None if score == gold else score
    known = [
        (t("answers.learned"), learned, "learned-ink"),
        (t("answers.gold"), gold, "gold-ink"),
    ]
    return [Figure(label, number(value), ink) for label, value, ink in known if value is not None]


def written(sample: SampleRow, title: str = "") -> Answer:
    """What the policy made of a prompt."""
    return Answer(
        # Two runs may be called the same, and one run may stand here with two of its steps.
        id=f"{sample.run_id}-{title}-{sample.item}",
        title=title,
        prefix=sample.prefix,
        response=sample.response,
        finished=sample.finished,
        figures=figures_of(sample),
    )


def offline(sample: SampleRow) -> Answer | None:
    """The data's own answer to the same prompt."""
    if not sample.offline:
        return None
    return Answer(
        id=f"data{sample.item}",
        title=t("answers.data_answer"),
        response=sample.offline,
        from_data=True,
        figures=_scores(sample.offline_score, sample.offline_gold),
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


def show_answers(cards: Sequence[Card], *, key: str, max_height: int | None = None) -> None:
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
