"""What evaluations found, in sentences, in the language that is spoken now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drpo.evaluation.frontier import Overoptimization
from drpo.i18n import t
from drpo.i18n.format import bare, number

OWN_JUDGES = ("gold", "reward_model")


def judge_name(judge: str) -> str:
    """Who judged; a chat model is called by its own name."""
    return t(f"evaluation.judge_{judge}") if judge in OWN_JUDGES else judge


def preferred(run: str, other: str, rate: Mapping[str, Any]) -> str:
    """How often one was preferred to another.

    Args:
        run: What the one is called.
        other: What the other is called.
        rate: A win rate as `WinRate.to_dict` writes it.
    """
    if rate["value"] is None:
        return t("evaluation.not_compared", run=run, other=other, judge=judge_name(rate["judge"]))
    return t(
        "evaluation.duel",
        run=run,
        other=other,
        n=rate["n"],
        value=bare(rate["value"]),
        low=bare(rate["low"]),
        high=bare(rate["high"]),
        judge=judge_name(rate["judge"]),
    )


def turning_point(name: str, curve: Overoptimization | None) -> str:
    """Whether more optimisation would still help.

    Args:
        name: What the run is called.
        curve: The curve through its true scores; None where too few of them are known.
    """
    if curve is None:
        return t("evaluation.no_curve", name=name)
    r2 = number(curve.r_squared)
    if curve.peak_kl is None:
        return t("evaluation.no_peak", name=name, r2=r2)
    word = "peak_seen" if curve.peak_seen else "peak_ahead"
    return t(f"evaluation.{word}", name=name, kl=number(curve.peak_kl), r2=r2)


def stage_name(stage: str) -> str:
    """What an evaluation does now, from what it says of its progress."""
    if not stage or stage.startswith("loading"):
        return t("evaluation.stage_loading")
    return t(f"evaluation.stage_{'start' if stage == 'start policy' else 'answers'}")
