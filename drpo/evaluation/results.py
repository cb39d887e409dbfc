"""What an evaluation found, as records and as documents in the store."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from drpo.evaluation.frontier import Frontier
from drpo.evaluation.judges import ScoredAnswer
from drpo.evaluation.policies import Contestant
from drpo.evaluation.storage import COMPARISON_KIND, KIND, comparison_key
from drpo.evaluation.winrate import WinRate
from drpo.store import Store

if TYPE_CHECKING:
    import pandas as pd

Duel = tuple[str, str, WinRate]
"""Keys of subject and opponent, and the win rate as one judge saw it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One held-out prompt with every answer to it."""

    prompt: str
    item: int
    policy: ScoredAnswer
    start: ScoredAnswer
    chosen: ScoredAnswer
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

    def figures(self) -> pd.DataFrame:
        """Return means over the held-out prompts as a table, standard errors as `_se`.

        Returns:
            Two rows a run, by `run` and `policy`: its start policy and the one evaluated. Scores
            and gold in their own units, KL in nats per answer, lengths in tokens, shares from 0
            to 1.
        """
        import pandas as pd

        rows = {}
        for one in self.contestants:
            rows[one.contestant.run_id, "start"] = one.start_figures
            rows[one.contestant.run_id, f"step {one.contestant.step}"] = one.figures
        frame = pd.DataFrame(list(rows.values()), index=pd.MultiIndex.from_tuples(list(rows)))
        return frame.rename_axis(index=["run", "policy"])

    def win_rates(self) -> pd.DataFrame:
        """Return how often each policy was preferred, as one row a run, opponent and judge.

        Returns:
            `value` is the share of prompts won, a tie counted half, `low` and `high` its 95 %
            interval; `against` is "start" (its start policy), "chosen" (the data's chosen answers)
            or another run.
        """
        import pandas as pd

        rates = [
            (one.contestant.key, opponent, rate)
            for one in self.contestants
            for opponent, rate in one.win_rates
        ]
        return pd.DataFrame(
            [
                {"run": subject, "against": other, **rate.to_dict()}
                for subject, other, rate in (*rates, *self.duels)
            ]
        )


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
