"""What an evaluation found, as records and as documents in the store."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from drpo.evaluation.frontier import Frontier
from drpo.evaluation.judges import Answer
from drpo.evaluation.policies import Contestant
from drpo.evaluation.storage import COMPARISON_KIND, KIND, comparison_key
from drpo.evaluation.winrate import WinRate
from drpo.store import Store

Duel = tuple[str, str, WinRate]
"""Keys of subject and opponent, and the win rate as one judge saw it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One held-out prompt with every answer to it."""

    prompt: str
    item: int
    policy: Answer
    start: Answer
    chosen: Answer
    kl: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One contestant's answers and figures."""

    contestant: Contestant
    figures: dict[str, float]
    """Metrics of an evaluation by short name, as `scores`, `kl`, with their standard errors."""
    start_figures: dict[str, float]
    rows: tuple[Row, ...]
    weights: str
    win_rates: tuple[tuple[str, WinRate], ...]
    """Opponent (`start` or `chosen`) and the win rate against it, one for each judge."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the answers."""
        config = self.contestant.config
        return {
            "run": self.contestant.run_id,
            "name": self.contestant.name,
            "method": config.run.method,
            "step": self.contestant.step,
            "weights": self.weights,
            "figures": self.figures,
            "start": self.start_figures,
            "win_rates": [
                {"against": opponent, **rate.to_dict()} for opponent, rate in self.win_rates
            ],
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All contestants, and how they fare against each other."""

    terms: dict[str, Any]
    contestants: tuple[Evaluated, ...]
    duels: tuple[Duel, ...]
    frontiers: tuple[Frontier, ...]
    """Reward against KL over each run's own evaluations."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "terms": self.terms,
            "runs": [one.to_dict() for one in self.contestants],
            "duels": [
                {"run": subject, "against": other, **rate.to_dict()}
                for subject, other, rate in self.duels
            ],
            "frontiers": [one.to_dict() for one in self.frontiers],
        }


def keep_evaluated(store: Store, found: Evaluated, terms: Mapping[str, Any]) -> None:
    """Write one policy's evaluation down, and the start policy's answers as its step 0."""
    body = {**found.to_dict(), "terms": dict(terms), "at": time.time()}
    one = found.contestant
    store.documents.put(KIND, one.key, {**body, "answers": [_kept(row) for row in found.rows]})
    if one.step > 0:
        start = {**body, "step": 0, "figures": found.start_figures, "win_rates": []}
        rows = [replace(row, policy=row.start, kl=0.0) for row in found.rows]
        start["answers"] = [_kept(row) for row in rows]
        store.documents.put(KIND, f"{one.run_id}@0", start)


def keep_duels(store: Store, duels: Sequence[Duel]) -> None:
    """Write down how policies fare against each other."""
    for subject, other, rate in duels:
        store.documents.put(
            COMPARISON_KIND,
            comparison_key(subject, other, rate.judge),
            {"run": subject, "against": other, **rate.to_dict(), "at": time.time()},
        )


def _kept(row: Row) -> dict[str, Any]:
    sides = {"policy": row.policy, "start": row.start, "chosen": row.chosen}
    return {
        "prompt": row.prompt,
        "item": row.item,
        "kl": row.kl,
        **{
            name: {
                "text": answer.text,
                "finished": answer.finished,
                "score": answer.score,
                "gold": answer.gold,
            }
            for name, answer in sides.items()
        },
    }
