"""What of a verdict is shown large: its three numbers, and what was risked."""

from __future__ import annotations

from dataclasses import dataclass

from drpo.analysis import verdict_words as say
from drpo.analysis.verdict import Verdict
from drpo.i18n import t
from drpo.i18n.format import number


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A number that counts, with what it is called and what to know about it."""

    label: str
    value: str
    note: str
    meaning: str = ""
    """Whose colour it is written in; empty for plain ink."""
    sure: bool = True
    """Whether it has an interval; a number without one is set lighter."""


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
