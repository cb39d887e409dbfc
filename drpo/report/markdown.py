"""A report as Markdown: the same words and numbers, with tables in place of pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence

from drpo.i18n import t
from drpo.report.blocks import Block, Chart, Facts, PromptCards, Report, Table, Text
from drpo.report.cards import Answer, PromptCard

_SPECIAL = re.compile(r"[\\`*_\[\]<>|~$&]|:(?=//)|^(?:[-+#=]|\d+(?=[.)]))")
"""Signs of Markdown anywhere, addresses that would become links, and what begins a list or head."""
_WEIGHT = {"plain": "", "lead": "**", "note": "*", "warning": ""}


def to_markdown(report: Report) -> str:
    """Render a report."""
    lines = [f"# {esc(report.title)}", "", esc(report.subtitle), ""]
    for section in report.sections:
        lines += [f"## {esc(section.title)}", ""]
        drawn: list[Table] = []
        for block in section.blocks:
            lines += _block(block, drawn)
    return "\n".join(lines).rstrip() + "\n"


def esc(text: str) -> str:
    """Text of any origin as text: no character of it can become a sign of Markdown."""
    return _SPECIAL.sub(_escaped, " ".join(text.split()))


def _escaped(found: re.Match[str]) -> str:
    sign = found[0]
    return f"{sign}\\" if sign.isdigit() else f"\\{sign}"


def _block(block: Block, drawn: list[Table]) -> list[str]:
    match block:
        case Text(text, weight):
            mark = _WEIGHT[weight]
            sign = "▲ " if weight == "warning" else ""
            return [f"{mark}{sign}{esc(text)}{mark}", ""]
        case Facts(rows):
            return [
                *(f"- {esc(label)}: **{esc(value)}** {esc(note)}" for label, value, note in rows),
                "",
            ]
        case Table():
            return _once(block, drawn)
        case Chart():
            return [f"*{esc(block.alt)}*", "", *_once(block.numbers, drawn)]
        case PromptCards(cards):
            return [line for card in cards for line in _card(card)]


def _once(table: Table, drawn: list[Table]) -> list[str]:
    """Several pictures of a section may stand on the same numbers; they are written once."""
    if table in drawn:
        return []
    drawn.append(table)
    lines = [f"### {esc(table.caption)}", ""] if table.caption else []
    lines += [_row(table.head), "|" + " --- |" * len(table.head)]
    return [*lines, *(_row(row) for row in table.rows), ""]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(esc(cell) for cell in cells)} |"


def _card(card: PromptCard) -> list[str]:
    lines = [f"### {esc(card.title)}", "", *fenced(card.prompt)]
    for answer in card.answers:
        lines += _answer(answer)
    return lines


def _answer(answer: Answer) -> list[str]:
    figures = ", ".join(f"{figure.label} {figure.value}" for figure in answer.figures)
    head = ": ".join(part for part in (answer.title, figures) if part)
    lines = [f"**{esc(head)}**", ""] if head else []
    taken = answer.response if answer.from_data else answer.prefix
    if taken:
        lines += [f"{esc(t('answers.from_data'))}:", "", *fenced(taken.strip())]
    if not answer.from_data:
        lines += fenced(answer.response.strip() or t("answers.empty_answer"))
        lines += [] if answer.finished else [f"*{esc(t('answers.unfinished'))}*", ""]
    return lines


def fenced(text: str) -> list[str]:
    """Text in a fence longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", text, fence, ""]
