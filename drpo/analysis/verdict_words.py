"""A verdict in sentences, in any of our languages; screens and reports say the same words."""

from __future__ import annotations

from drpo.analysis.head_to_head import Call, Change, Comparison
from drpo.analysis.verdict import Cost, Risk, Verdict
from drpo.i18n import t
from drpo.i18n.format import THIN, bare, count, duration, number
from drpo.stats.intervals import Interval

SYMBOL: dict[Call | None, str] = {"better": "▲", "worse": "▼", "open": "◆", None: "○"}
"""Beside the colour, so that meaning never hangs on colour alone."""


def headline(verdict: Verdict) -> str:
    """The verdict in three or four words."""
    if verdict.main is None:
        return t("verdict.call_none")
    return t(f"verdict.call_{verdict.main.call}")


def sentence(verdict: Verdict) -> str:
    """The verdict with its uncertainty."""
    if verdict.main is None:
        if verdict.run.config["run"]["method"] == "rm":
            return t("verdict.none_rm")
        return t("verdict.none_live" if verdict.live else "verdict.none_ended")
    return preferred(verdict.main)


def in_full(verdict: Verdict) -> str:
    """Headline and sentence as one text."""
    return joined(headline(verdict), sentence(verdict))


def joined(head: str, said: str) -> str:
    """A headline and what it stands for, with the full stop of the language between them."""
    return t("verdict.joined", head=head, said=said)


def preferred(comparison: Comparison, other: str = "start") -> str:
    """How often one side was preferred.

    Args:
        comparison: The comparison.
        other: `start` (the start policy) or `plain` (the run without resets).
    """
    rate = comparison.rate
    return t(
        f"verdict.preferred_{other}",
        rate=percent(rate.value),
        low=bare(rate.low),
        high=percent(rate.high),
        n=count(rate.n),
    )


def judged_by(verdict: Verdict) -> str:
    """Whose word the verdict is, and how much that word means."""
    main = verdict.main
    if main is None:
        return ""
    trained = main.source == "gold" and verdict.run.trained_on_gold
    return t(f"verdict.judge_{'gold_trained' if trained else main.source}", n=count(main.rate.n))


def tally(comparison: Comparison) -> str:
    """Wins, ties and losses."""
    return t(
        "verdict.tally",
        wins=count(comparison.wins),
        ties=count(comparison.ties),
        losses=count(comparison.losses),
    )


def still_needed(comparison: Comparison) -> str:
    """What it would take to decide; nothing when it is decided."""
    needed = comparison.needed
    if needed.status == "open" and needed.more is not None:
        return t("verdict.needed", more=count(needed.more))
    return t("verdict.too_close", cap=count(needed.cap)) if needed.status == "too_close" else ""


def warnings(verdict: Verdict) -> list[str]:
    """What keeps the verdict from being taken at face value."""
    found = []
    main, learned = verdict.main, verdict.reward_model
    if verdict.gamed and main and learned:
        found.append(
            t("verdict.gamed", learned=percent(learned.rate.value), main=percent(main.rate.value))
        )
    if main and main.source == "reward_model":
        found.append(t("verdict.may_be_gamed"))
    if main and main.call == "open":
        found.append(still_needed(main))
    return [text for text in found if text]


def changed(change: Change) -> str:
    """A score at the start and now."""
    return t("verdict.from_to", first=number(change.first), last=number(change.last))


def between(interval: Interval, *, sign: bool = False) -> str:
    """The range of an interval, or that it is not known."""
    if interval.low is None or interval.high is None:
        return t("verdict.range_unknown")
    return t(
        "verdict.range", low=number(interval.low, sign=sign), high=number(interval.high, sign=sign)
    )


def between_shares(interval: Interval) -> str:
    """The range of an interval of shares."""
    return t("verdict.range", low=percent(interval.low), high=percent(interval.high))


def kl_told(risk: Risk) -> str:
    """How far it went, against what was allowed."""
    return t("verdict.kl_of_budget", budget=number(risk.kl_budget))


def cost_told(cost: Cost) -> str:
    """Time and, where there were any, episodes in one line."""
    if not cost.updates:
        return duration(cost.seconds)
    return t(
        "verdict.cost",
        time=duration(cost.seconds),
        episodes=count(cost.episodes),
        updates=count(cost.updates),
    )


def percent(value: float | None) -> str:
    """A share in whole per cent."""
    return "–" if value is None else f"{bare(value)}{THIN}%"
