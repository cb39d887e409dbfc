"""The parts of the overview: the verdict large, three numbers, risk and cost, and the table.

What is drawn as HTML here is made of our own words and of numbers, escaped all the same.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from drpo.dashboard.assets import ASSETS
from drpo.dashboard.client.analysis import Comparison, Interval, Verdict
from drpo.dashboard.client.analysis import verdict_words as say
from drpo.dashboard.components.notices import notice
from drpo.dashboard.components.run_status import updates_of
from drpo.i18n import LANGUAGES, language, spoken, t
from drpo.i18n.format import count, number

STYLE = f"<style>{(ASSETS / 'overview.css').read_text('utf-8')}</style>"

_CALL_MEANING = {"better": "gold", "worse": "alarm", "open": "start", None: "start"}


@dataclass(frozen=True, slots=True)
class Card:
    """One of the three numbers."""

    label: str
    value: str
    note: str
    meaning: str = ""
    """Whose colour it is written in; empty for plain ink."""
    sure: bool = True
    """Whether it has an interval; a number without one is set lighter."""


def stage() -> None:
    """Leave nothing on the screen but what is shown to the room."""
    # A style of ours without any value in it.
    st.html(
        "<style>[data-testid='stSidebar'], [data-testid='stHeader'],"
        "[data-testid='stExpandSidebarButton'] { display: none }"
        # The screen before this one stays until the new one is whole; its replay is another.
        "[data-testid='stElementContainer'][data-stale='true'] { display: none }"
        "[data-testid='stMainBlockContainer'] { max-width: none; padding: 1rem 2rem }</style>"
    )


def state(verdict: Verdict) -> None:
    """Say that a verdict is early, or on a run that broke off."""
    run = verdict.run
    if run.status == "finished":
        return
    planned = updates_of(run)
    if planned is None:
        notice("note", t("overview.still_running" if verdict.live else "overview.broke_off"))
        return
    key = "overview.so_far" if verdict.live else "overview.ended_early"
    notice("note", t(key, step=count(run.step), updates=count(planned)))


def hero(verdict: Verdict) -> None:
    """The verdict in one large sentence, the same in the other language, and its interval."""
    call = verdict.main.call if verdict.main else None
    meaning = _CALL_MEANING[call]
    parts = [
        f'<p class="call"><span aria-hidden="true">{say.SYMBOL[call]}</span> '
        f"{html.escape(say.headline(verdict))}</p>",
        f'<p class="said">{html.escape(say.sentence(verdict))}</p>',
        *(_in_other_language(verdict, lang) for lang in LANGUAGES if lang != language()),
    ]
    if verdict.main is not None:
        parts += [
            f'<p class="by">{html.escape(say.judged_by(verdict))} '
            f"{html.escape(say.tally(verdict.main))}</p>",
            gauge(verdict.main),
        ]
    draw_hero(meaning, parts)


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


def _in_other_language(verdict: Verdict, lang: str) -> str:
    with spoken(lang):  # type: ignore[arg-type]
        return f'<p class="other" lang="{lang}">{html.escape(say.sentence(verdict))}</p>'


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
    told = t(
        "overview.gauge_alt",
        rate=say.percent(rate.value),
        low=say.percent(rate.low),
        high=say.percent(rate.high),
    )
    return (
        f'<div class="drpo-gauge"><div class="bar" role="img" aria-label="{html.escape(told)}">'
        f'<div class="half"></div><div class="band" style="left:{low:.1f}%;'
        f'width:{high - low:.1f}%"></div><div class="dot" style="left:{value:.1f}%"></div></div>'
        f'<div class="ends" aria-hidden="true"><span>0 % {at_left}'
        f"</span><span>50 %</span><span>{at_right} 100 %</span></div>"
        "</div>"
    )


def cards(verdict: Verdict) -> list[Card]:
    """The three numbers: how often preferred, how much better, how far it went."""
    found = []
    if verdict.main:
        rate = verdict.main.rate
        found.append(
            Card(
                t("overview.number_rate"),
                say.percent(rate.value),
                say.between_shares(rate),
            )
        )
    if verdict.change:
        change = verdict.change
        gold = change.source == "gold"
        found.append(
            Card(
                t("overview.number_gold" if gold else "overview.number_reward_model"),
                number(change.gain.value, sign=True),
                f"{say.changed(change)}; {say.between(change.gain, sign=True)}",
                meaning="gold" if gold else "learned",
                sure=change.gain.low is not None,
            )
        )
    if verdict.risk.kl is not None:
        found.append(
            Card(
                t("overview.number_kl"),
                number(verdict.risk.kl),
                say.kl_told(verdict.risk),
                meaning="alarm" if verdict.risk.over_budget else "kl",
            )
        )
    return found


def numbers(shown: list[Card]) -> None:
    """Draw numbers side by side, or under each other where it is narrow."""
    boxes = []
    for card in shown:
        ink = f"color:var(--drpo-{card.meaning}-ink)" if card.meaning else ""
        light = "" if card.sure else " light"
        boxes.append(
            f'<div><div class="label">{html.escape(card.label)}</div>'
            f'<div class="value{light}" style="{ink}">{html.escape(card.value)}</div>'
            f'<div class="note">{html.escape(card.note)}</div></div>'
        )
    # Each text is escaped above.
    st.html(f'{STYLE}<div class="drpo-numbers">{"".join(boxes)}</div>')


def risk_lines(verdict: Verdict) -> list[tuple[str, bool]]:
    """What was risked, line by line; True where a person should look."""
    risk = verdict.risk
    if risk.kl is None:
        lines = [(t("overview.risk_kl_unknown"), False)]
    else:
        key = "overview.risk_kl_over" if risk.over_budget else "overview.risk_kl"
        told = t(
            key, kl=number(risk.kl), highest=number(risk.kl_highest), budget=number(risk.kl_budget)
        )
        lines = [(told, risk.over_budget)]
    lines += [(text, True) for text in say.warnings(verdict)]
    for raised in risk.alarms:
        alarm = raised.alarm
        lines.append((f"{alarm.say('title')}: {alarm.say('what')}", True))
    if not risk.alarms:
        lines.append((t("verdict.alarms_none"), False))
    return lines


def listed(lines: list[tuple[str, bool]]) -> None:
    """Draw sentences as a list; those to look at carry a mark."""
    items = "".join(
        f'<li class="{"alarm" if alarm else ""}" data-mark="{"▲" if alarm else "·"}">'
        f"{html.escape(text)}</li>"
        for text, alarm in lines
    )
    st.html(f'{STYLE}<ul class="drpo-list">{items}</ul>')


def cost_lines(verdict: Verdict) -> list[tuple[str, bool]]:
    """What it cost, line by line."""
    return [(say.cost_told(verdict.cost), False)]


def table(verdict: Verdict) -> pd.DataFrame:
    """Every figure of the verdict with its interval."""
    rows = [_row(t(f"overview.row_{one.source}"), one.rate) for one in verdict.comparisons]
    if verdict.change:
        rows.append(_row(t("overview.row_gain"), verdict.change.gain))
    plain = {
        "row_kl": verdict.risk.kl,
        "row_alarms": float(len(verdict.risk.alarms)),
        "row_seconds": verdict.cost.seconds,
        "row_episodes": float(verdict.cost.episodes),
    }
    rows += [(t(f"overview.{key}"), value, None, None, None) for key, value in plain.items()]
    names = [t(f"overview.col_{name}") for name in ("figure", "value", "low", "high", "n")]
    return pd.DataFrame(rows, columns=names)


def _row(
    name: str, interval: Interval
) -> tuple[str, float | None, float | None, float | None, int | None]:
    return name, interval.value, interval.low, interval.high, interval.n
