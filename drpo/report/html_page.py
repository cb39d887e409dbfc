"""A report as one HTML file: its pictures are drawn by the script inside it, nothing is fetched."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from drpo.charts.palette import COLOURS
from drpo.i18n import t
from drpo.report.blocks import Block, Chart, Facts, PromptCards, Report, Section, Table, Text
from drpo.report.cards import Answer, PromptCard

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
"""The file is opened from disk, mailed, put on shares: it may not fetch or send anything."""


def to_html(report: Report) -> str:
    """Render a report."""
    page = _Page()
    body = "\n".join(page.section(section) for section in report.sections)
    links = "".join(
        f'<li><a href="#{section.name}">{esc(section.title)}</a></li>'
        for section in report.sections
    )
    head = (
        f'<!doctype html>\n<html lang="{report.lang}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{esc(report.title)} – DR-PO</title>\n<style>\n{_colours()}{_asset('page.css')}"
        "</style>\n</head>\n<body>\n"
    )
    top = (
        f'<header><p class="kind">{esc(t("report.kind"))}</p><h1>{esc(report.title)}</h1>'
        f'<p class="note">{esc(report.subtitle)}</p></header>\n'
        f'<nav aria-label="{esc(t("report.contents"))}"><ul>{links}</ul></nav>\n'
    )
    tail = ""
    if page.figures:
        tail = (
            f"<noscript><p>{esc(t('report.noscript'))}</p></noscript>\n"
            f"<script>{get_plotlyjs()}</script>\n"
            f'<script type="application/json" id="figures">{_data(page.figures)}</script>\n'
            f'<script type="application/json" id="colours">{_data(COLOURS)}</script>\n'
            f"<script>\n{_asset('page.js')}</script>\n"
        )
    return f"{head}{top}<main>\n{body}\n</main>\n{tail}</body>\n</html>\n"


def esc(text: str) -> str:
    """Text of any origin as text."""
    return html.escape(text, quote=True)


def _asset(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _data(value: Any) -> str:  # noqa: ANN401 - any JSON
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("&", "\\u0026")


def _colours() -> str:
    def block(theme: str) -> str:
        codes = COLOURS[theme].items()  # type: ignore[index]
        return "".join(f"--{name}:{code};" for name, code in codes)

    return (
        f":root{{{block('light')}}}\n"
        f"@media (prefers-color-scheme: dark){{:root{{{block('dark')}}}}}\n"
        f"@media print{{:root{{{block('light')}}}}}\n"
    )


class _Page:
    """Renders blocks and collects the figures that the script at the end draws."""

    def __init__(self) -> None:
        self.figures: list[dict[str, Any]] = []

    def section(self, section: Section) -> str:
        inner = "\n".join(self.block(block) for block in section.blocks)
        return (
            f'<section aria-labelledby="{section.name}"><h2 id="{section.name}">'
            f"{esc(section.title)}</h2>\n{inner}\n</section>"
        )

    def block(self, block: Block) -> str:
        match block:
            case Text(text, weight):
                return f'<p class="{weight}">{esc(text)}</p>'
            case Facts(rows):
                return _facts(rows)
            case Table():
                return _table(block)
            case Chart():
                return self.picture(block)
            case PromptCards(cards):
                return "\n".join(map(_card, cards))

    def picture(self, picture: Chart) -> str:
        name = f"figure-{len(self.figures) + 1}"
        self.figures.append({"id": name, "height": picture.height, **picture.figure})
        return (
            f'<figure><div id="{name}" class="plot" role="img" aria-label="{esc(picture.alt)}" '
            f'style="min-height:{picture.height}px"></div></figure>'
        )


def _facts(rows: Any) -> str:  # noqa: ANN401 - as in Facts
    boxes = "".join(
        f"<div><dt>{esc(label)}</dt><dd><strong>{esc(value)}</strong>"
        f'<span class="note">{esc(note)}</span></dd></div>'
        for label, value, note in rows
    )
    return f'<dl class="facts">{boxes}</dl>'


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{esc(cell)}</th>' for cell in table.head)
    rows = "".join(
        f'<tr><th scope="row">{esc(row[0])}</th>'
        f"{''.join(f'<td>{esc(cell)}</td>' for cell in row[1:])}</tr>"
        for row in table.rows
    )
    inner = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    # A wide table scrolls by itself; what scrolls must be reachable by keyboard.
    label = esc(table.caption or t("report.table"))
    boxed = f'<div class="wide" role="region" tabindex="0" aria-label="{label}">{inner}</div>'
    if table.folded:
        return f"<details><summary>{esc(table.caption)}</summary>{boxed}</details>"
    return (f"<h3>{esc(table.caption)}</h3>" if table.caption else "") + boxed


def _card(card: PromptCard) -> str:
    answers = "".join(map(_answer, card.answers))
    return (
        f'<article><h3>{esc(card.title)}</h3><p class="prompt">{esc(card.prompt)}</p>'
        f'<div class="answers">{answers}</div></article>'
    )


def _answer(answer: Answer) -> str:
    figures = "".join(
        f'<span style="color:var(--{figure.meaning})">{esc(figure.label)} {esc(figure.value)}'
        "</span>"
        for figure in answer.figures
    )
    title = f"<h4>{esc(answer.title)}</h4>" if answer.title else ""
    head = f'<div class="answerhead">{title}<span class="figures">{figures}</span></div>'
    taken = answer.response if answer.from_data else answer.prefix
    prefix = ""
    if taken:
        prefix = (
            f'<p class="prefix"><span class="label">{esc(t("answers.from_data"))}</span>'
            f"{esc(taken.strip())}</p>"
        )
    wrote = ""
    if not answer.from_data:
        text = answer.response.strip() or t("answers.empty_answer")
        wrote = f'<p class="wrote">{esc(text)}</p>'
        if not answer.finished:
            wrote += f'<p class="note">{esc(t("answers.unfinished"))}</p>'
    return f'<section class="answer">{head}{prefix}{wrote}</section>'
