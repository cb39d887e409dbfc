"""The share of prompts on which one system's answer is preferred to another's."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from drpo.evaluation.judges import Judge, Match, Winner
from drpo.stats.intervals import Interval, win_rate

OUTCOMES = {"a": 1.0, "b": 0.0, "tie": 0.5}


@dataclass(frozen=True, slots=True)
class WinRate:
    """How often `a` won against `b`, as one judge saw it."""

    judge: str
    interval: Interval
    """Share of wins, a tie counted half."""
    wins: int
    ties: int
    losses: int
    unjudged: int
    """Matches the judge could not decide; they are left out of the share."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "judge": self.judge,
            "wins": self.wins,
            "ties": self.ties,
            "losses": self.losses,
            "unjudged": self.unjudged,
            **self.interval.to_dict(),
        }


def play(judge: Judge, matches: Sequence[Match], *, seed: int = 0) -> WinRate:
    """Let a judge decide all matches; matches on the same prompt count as one cluster."""
    winners = judge.judge(matches)
    return summarize(judge.name, winners, [match.prompt for match in matches], seed=seed)


def summarize(
    judge: str, winners: Sequence[Winner | None], prompts: Sequence[Hashable], *, seed: int = 0
) -> WinRate:
    """Turn winners into a win rate with its interval."""
    judged = [(winner, prompt) for winner, prompt in zip(winners, prompts, strict=True) if winner]
    given = [winner for winner, _ in judged]
    interval = win_rate(
        [OUTCOMES[winner] for winner in given], [prompt for _, prompt in judged], seed=seed
    )
    return WinRate(
        judge,
        interval,
        given.count("a"),
        given.count("tie"),
        given.count("b"),
        len(winners) - len(given),
    )
