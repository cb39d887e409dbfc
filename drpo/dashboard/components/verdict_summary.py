"""A verdict in large: its sentence in both languages, its three numbers, what was risked."""

from __future__ import annotations

import html

from drpo.dashboard.client.analysis import Verdict
from drpo.dashboard.client.analysis import verdict_words as say
from drpo.dashboard.components.hero import KeyFigure, draw_hero, gauge
from drpo.i18n import LANGUAGES, language, spoken, t
from drpo.i18n.format import number

CALL_MEANING = {"better": "gold", "worse": "alarm", "open": "start", None: "start"}
"""The colour of what a verdict calls."""


def show_verdict(verdict: Verdict) -> None:
    """The verdict in one large sentence, the same in the other language, and its interval."""
    call = verdict.main.call if verdict.main else None
    meaning = CALL_MEANING[call]
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


def _in_other_language(verdict: Verdict, lang: str) -> str:
    with spoken(lang):  # type: ignore[arg-type]
        return f'<p class="other" lang="{lang}">{html.escape(say.sentence(verdict))}</p>'


def key_figures(verdict: Verdict) -> list[KeyFigure]:
    """The three numbers: how often preferred, how much better, how far it went."""
    found = []
    if verdict.main:
        rate = verdict.main.rate
        found.append(
            KeyFigure(
                t("overview.number_rate"),
                say.percent(rate.value),
                say.between_shares(rate),
            )
        )
    if verdict.change:
        change = verdict.change
        gold = change.source == "gold"
        found.append(
            KeyFigure(
                t("overview.number_gold" if gold else "overview.number_reward_model"),
                number(change.gain.value, sign=True),
                f"{say.changed(change)}; {say.between(change.gain, sign=True)}",
                meaning="gold" if gold else "learned",
                sure=change.gain.low is not None,
            )
        )
    if verdict.risk.kl is not None:
        found.append(
            KeyFigure(
                t("overview.number_kl"),
                number(verdict.risk.kl),
                say.kl_told(verdict.risk),
                meaning="alarm" if verdict.risk.over_budget else "kl",
            )
        )
    return found


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
        lines.append((f"{alarm.describe('title')}: {alarm.describe('what')}", True))
    if not risk.alarms:
        lines.append((t("verdict.alarms_none"), False))
    return lines
