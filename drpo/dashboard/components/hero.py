"""Large figures and sentences: one verdict, a few numbers, a list; for who reads from two metres.

What is drawn as HTML here is made of our own words and of numbers, escaped all the same.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from drpo.dashboard.assets import ASSETS
from drpo.dashboard.client.analysis import Comparison, KeyFigure
from drpo.dashboard.client.analysis import verdict_words as say
from drpo.i18n import t

STYLE = f"<style>{(ASSETS / 'overview.css').read_text('utf-8')}</style>"


def draw_hero(meaning: str, parts: Sequence[str]) -> None:
    """Draw paragraphs large beside a bar in the colour of what they mean.

    Args:
        meaning: A colour of `palette.COLOURS`.
        parts: HTML, already escaped.
    """
    # The caller has escaped the parts; the colour is a name of ours.
    st.html(
        f"{STYLE}<div class='drpo-hero' style='--drpo-call:var(--drpo-{meaning});"
        f"--drpo-call-ink:var(--drpo-{meaning}-ink)'>{''.join(parts)}</div>"
    )


def gauge(comparison: Comparison, left: str = "", right: str = "") -> str:
    """The win rate and its interval on a bar from 0 to 100 %, as HTML.

    Args:
        comparison: What is shown.
        left: What stands at 0 %; the start policy when empty.
        right: What stands at 100 %; the trained policy when empty.
    """
    at_left = html.escape(left or t("overview.gauge_left"))
    at_right = html.escape(right or t("overview.gauge_right"))
    rate = comparison.rate
    low, high, value = (100 * (part or 0.0) for part in (rate.low, rate.high, rate.value))
    text = t(
        "overview.gauge_alt",
        rate=say.percent(rate.value),
        low=say.percent(rate.low),
        high=say.percent(rate.high),
    )
    return (
        f'<div class="drpo-gauge"><div class="bar" role="img" aria-label="{html.escape(text)}">'
        f'<div class="half"></div><div class="band" style="left:{low:.1f}%;'
        f'width:{high - low:.1f}%"></div><div class="dot" style="left:{value:.1f}%"></div></div>'
        f'<div class="ends" aria-hidden="true"><span>0 % {at_left}'
        f"</span><span>50 %</span><span>{at_right} 100 %</span></div>"
        "</div>"
    )


def show_key_figures(shown: Sequence[KeyFigure]) -> None:
    """Draw numbers side by side, or under each other where it is narrow."""
    boxes = []
    for figure in shown:
        ink = f"color:var(--drpo-{figure.meaning}-ink)" if figure.meaning else ""
        light = "" if figure.sure else " light"
        boxes.append(
            f'<div><div class="label">{html.escape(figure.label)}</div>'
            f'<div class="value{light}" style="{ink}">{html.escape(figure.value)}</div>'
            f'<div class="note">{html.escape(figure.note)}</div></div>'
        )
    # Each text is escaped above.
    st.html(f'{STYLE}<div class="drpo-numbers">{"".join(boxes)}</div>')


def show_lines(lines: Sequence[tuple[str, bool]]) -> None:
    """Draw sentences as a list; those to look at carry a mark."""
    items = "".join(
        f'<li class="{"alarm" if alarm else ""}" data-mark="{"▲" if alarm else "·"}">'
        f"{html.escape(text)}</li>"
        for text, alarm in lines
    )
    st.html(f'{STYLE}<ul class="drpo-list">{items}</ul>')
