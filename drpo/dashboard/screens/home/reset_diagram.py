"""The drawing of a reset on Home: an answer of the data, cut, and finished by the policy."""

from __future__ import annotations

import html
import unicodedata

import streamlit as st

from drpo.i18n import t

_ROW, _BOX, _GAP = 78, 30, 6
_WIDTH = 470


_DIAGRAM = st.components.v2.component(
    "drpo_drawing",
    # `st.html` drops drawings. Our own words are all that is in this one.
    js="""export default function ({ data, parentElement }) {
      const box = parentElement.querySelector("div") ?? document.createElement("div")
      if (!box.isConnected) parentElement.appendChild(box)
      if (box.dataset.drawn !== data.svg) box.innerHTML = box.dataset.drawn = data.svg
    }
    """,
)


def show_reset_diagram() -> None:
    """Draw it, in the visitor's language and theme."""
    _DIAGRAM(data={"svg": reset_diagram()}, key="drawing")


def reset_diagram() -> str:
    """The drawing as SVG. Colours come from the page, so that it follows the theme."""
    words = {name: t(f"home.draw_{name}").split("|") for name in ("data", "reset", "prompt")}
    kept = 3
    cut_at = _end_of(words["data"][:kept]) + _GAP / 2
    parts = [
        # The cut, and the way down from it; first, so that the labels lie over it.
        f'<path d="M{cut_at} 14 V{_ROW + 24 + _BOX}" stroke="var(--drpo-ink)" stroke-width="1.5" '
        'stroke-dasharray="4 4" fill="none"/>',
        f'<text x="{cut_at + 6}" y="11" class="small">{_safe(t("home.draw_cut"))}</text>',
        _row(0, t("home.draw_row_data"), words["data"], ["reset"] * kept + ["start"] * 9),
        _row(
            1,
            t("home.draw_row_reset"),
            [*words["data"][:kept], *words["reset"]],
            ["reset"] * kept + ["learned"] * 9,
            score=t("home.draw_score_reset"),
        ),
        _row(
            2,
            t("home.draw_row_prompt"),
            words["prompt"],
            ["learned"] * 12,
            score=t("home.draw_score_prompt"),
        ),
    ]
    return (
        f'<svg viewBox="0 0 {_WIDTH} {3 * _ROW - 10}" role="img" style="width:100%;height:auto" '
        f'aria-label="{_safe(t("home.draw_alt"))}"><style>'
        ".small{font:12.5px var(--st-font,inherit);fill:var(--drpo-muted);paint-order:stroke;"
        "stroke:var(--drpo-paper);stroke-width:5px}"
        ".word{font:13.5px var(--st-font,inherit);fill:var(--drpo-ink);text-anchor:middle}"
        ".reset{fill:var(--drpo-reset);fill-opacity:.28;stroke:var(--drpo-reset)}"
        ".learned{fill:var(--drpo-learned);fill-opacity:.2;stroke:var(--drpo-learned)}"
        ".start{fill:none;stroke:var(--drpo-start);stroke-dasharray:3 3}"
        f"</style>{''.join(parts)}</svg>"
    )


def _row(index: int, label: str, words: list[str], kinds: list[str], *, score: str = "") -> str:
    top = index * _ROW + 22
    shapes, left = [f'<text x="1" y="{top - 8}" class="small">{_safe(label)}</text>'], 0.0
    for word, kind in zip(words, kinds, strict=False):
        width = _width(word)
        shapes.append(
            f'<rect class="{kind}" x="{left + 0.5}" y="{top}" width="{width}" height="{_BOX}" '
            f'rx="5"/><text class="word" x="{left + width / 2}" y="{top + 20}">'
            f"{_safe(word)}</text>"
        )
        left += width + _GAP
    if score:
        shapes.append(f'<text class="small" x="{left + 4}" y="{top + 20}">{_safe(score)}</text>')
    return "".join(shapes)


def _end_of(words: list[str]) -> float:
    return sum(_width(word) + _GAP for word in words) - _GAP


def _width(word: str) -> float:
    """Room for a word; letters of East Asian scripts are about twice as wide."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in word)
    return 16 + 7.2 * (len(word) - wide) + 13.5 * wide


def _safe(text: str) -> str:
    return html.escape(text, quote=True)
