"""Whether a data set can carry DR-PO: an honest verdict with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from drpo.i18n import Language, format, has, t

Readiness = Literal["fit", "fit with care", "not fit"]
ENOUGH_PAIRS = 2_000
"""Useful reward models want about this many comparisons (Gao et al. 2023, arXiv:2210.10760)."""
FEW_PAIRS = 100
MOST_WARNED = {
    "duplicate": 0.05,
    "near_duplicate": 0.1,
    "conflict": 0.02,
    "role_label": 0.05,
    "dropped_characters": 0.02,
    "long_answer": 0.2,
}
"""The share of rows with a warning that is still nothing to speak of."""


def _reason(code: str, weight: Readiness, **values: float) -> dict[str, Any]:
    """One reason of the verdict: its code and values, and their sentence in English."""
    reason = {"code": code, "weight": weight, "values": values}
    return {**reason, "sentence": reason_text(reason, "en")}


def reason_text(reason: Mapping[str, Any], lang: Language | None = None) -> str:
    """A reason of a report's verdict in a sentence.

    Args:
        reason: The reason; one of a code that this version does not know has its own sentence.
        lang: Another language than the one spoken now.
    """
    key = f"data.reason_{reason['code']}"
    if not has(key):
        return str(reason["sentence"])
    shown: dict[str, Any] = {name: _figure(value) for name, value in reason["values"].items()}
    return t(f"data.reason_{reason['code']}", lang=lang, **shown)


def _figure(value: float) -> str:
    return format.count(int(value)) if value == int(value) else format.number(value)


def verdict(report: Mapping[str, Any]) -> dict[str, Any]:
    """Judge a report: the worst weight of its reasons, and the reasons in plain words."""
    reasons = [
        reason
        for rule in (_about_size, _about_rows, _about_answers, _about_judgement, _about_coverage)
        for reason in rule(report)
    ]
    weights = {reason["weight"] for reason in reasons}
    level: Readiness = "fit"
    if "not fit" in weights:
        level = "not fit"
    elif "fit with care" in weights:
        level = "fit with care"
    reasons.sort(key=lambda reason: ("not fit", "fit with care", "fit").index(reason["weight"]))
    return {"level": level, "reasons": reasons}


def _about_size(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    pairs, prompts = report["counts"]["pairs"], report["counts"]["prompts"]
    answers = report["counts"]["demonstrations"]
    if answers:
        return [_reason("demonstrations", "fit with care", answers=answers)]
    if pairs == 0:
        return [_reason("no_pairs", "not fit")]
    found = [_reason("one_prompt", "not fit")] if prompts < 2 else []
    if pairs < FEW_PAIRS:
        found.append(_reason("few_pairs", "not fit", pairs=pairs))
    elif pairs < ENOUGH_PAIRS:
        found.append(_reason("small", "fit with care", pairs=pairs, enough=ENOUGH_PAIRS))
    else:
        found.append(_reason("enough", "fit", pairs=pairs, prompts=prompts))
    return found


def _about_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    rows = max(1, report["counts"]["rows"])
    blocked = sum(item["count"] for item in report["blockers"])
    if blocked > 0.5 * rows:
        found.append(_reason("mostly_blocked", "not fit", percent=100 * blocked / rows))
    elif blocked > 0.05 * rows:
        found.append(_reason("many_blocked", "fit with care", percent=100 * blocked / rows))
    for code, most in MOST_WARNED.items():
        count = next((w["count"] for w in report["warnings"] if w["kind"] == code), 0)
        if count > most * rows:
            found.append(_reason(code, "fit with care", percent=100 * count / rows))
    leaked = (report["splits"] or {}).get("leaked", 0)
    if leaked:
        found.append(_reason("leak", "fit with care", leaked=leaked))
    return found


def _about_answers(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    resets = report["resets"]
    if not resets or not resets["per_answer"]:
        return []
    median = resets["per_answer"]["median"]
    if median < 2:
        return [_reason("no_positions", "not fit")]
    if median < 8:
        return [_reason("few_positions", "fit with care", median=median)]
    positions, answers = resets["positions"], resets["answers"]
    return [_reason("positions", "fit", positions=positions, answers=answers, median=median)]


def _about_judgement(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    bias = report["length_bias"]
    if bias and bias["longer_wins"]["count"] >= FEW_PAIRS:
        share = bias["longer_wins"]
        side = "longer" if share["share"] > 0.5 else "shorter"
        wins = max(share["share"], 1 - share["share"])
        sure = max(share["low"], 1 - share["high"])
        if sure > 0.6:
            found.append(_reason(f"bias_{side}", "fit with care", percent=100 * wins))
    agreement = report["agreement"]
    if agreement and agreement["krippendorff_alpha"] < 0.4:
        alpha = agreement["krippendorff_alpha"]
        found.append(_reason("disagreement", "fit with care", alpha=alpha))
    margin = report["margins"]
    if margin and margin["against"]["share"] > 0.35:
        found.append(_reason("noisy", "fit with care", percent=100 * margin["against"]["share"]))
    return found


def _about_coverage(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    coverage = report.get("coverage")
    if not coverage:
        return []
    mean = coverage["chosen"]["mean"]
    if mean < -5:
        return [_reason("uncovered", "fit with care", mean=mean)]
    return [_reason("covered", "fit", mean=mean)]
