"""What a report is made of, before it is a page: sections of blocks, in the report's language.

All text in a block is plain text of unknown origin; whoever renders it escapes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from drpo.charts.figures import Figure
from drpo.report.cards import PromptCard

Weight = Literal["plain", "lead", "note", "warning"]


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str
    weight: Weight = "plain"


@dataclass(frozen=True, slots=True)
class Facts:
    """A few figures that count: label, value, and what to know about it."""

    rows: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under heads; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    folded: bool = False
    """Closed at first where the page allows it; the caption opens it."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with what it shows in words; `numbers` stands for it where nothing can be drawn."""

    figure: Figure
    alt: str
    numbers: Table
    height: int = 380


@dataclass(frozen=True, slots=True)
class PromptCards:
    """Prompts with the answers to them."""

    cards: Sequence[PromptCard]


Block = Text | Facts | Table | Chart | PromptCards


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it."""

    name: str
    """Its anchor, the same in every language."""
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Report:
    """One document."""

    lang: str
    title: str
    subtitle: str
    sections: Sequence[Section] = field(default_factory=tuple)
