"""The share of prompts on which one system's answer is preferred to another's."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from drpo.evaluation.judges import Judge, Match, Verdict
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
    verdicts = judge.judge(matches)
    return summarize(judge.name, verdicts, [match.prompt for match in matches], seed=seed)


def summarize(
    judge: str, verdicts: Sequence[Verdict | None], prompts: Sequence[Hashable], *, seed: int = 0
) -> WinRate:
    """Turn verdicts into a win rate with its interval."""
    judged = [
        (verdict, prompt) for verdict, prompt in zip(verdicts, prompts, strict=True) if verdict
    ]
    given = [verdict for verdict, _ in judged]
    interval = win_rate(
        [OUTCOMES[verdict] for verdict in given], [prompt for _, prompt in judged], seed=seed
    )
    return WinRate(
        judge,
        interval,
        given.count("a"),
        given.count("tie"),
        given.count("b"),
        len(verdicts) - len(given),
    )
