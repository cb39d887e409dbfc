"""Whether a data set can carry DR-PO: an honest verdict with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Verdict = Literal["fit", "fit with care", "not fit"]
ENOUGH_PAIRS = 2_000
"""Useful reward models want about this many comparisons (Gao et al. 2023, arXiv:2210.10760)."""
FEW_PAIRS = 100


class Reason(dict[str, Any]):
    """One reason of the verdict: a code for the screen's words, its values, and a sentence."""

    def __init__(self, code: str, weight: Verdict, sentence: str, **values: float) -> None:
        super().__init__(
            code=code,
            weight=weight,
            values=values,
            sentence=sentence.format(**{name: _shown(value) for name, value in values.items()}),
        )


def verdict(report: Mapping[str, Any]) -> dict[str, Any]:
    """Judge a report: the worst weight of its reasons, and the reasons in plain words."""
    reasons = [
        reason
        for rule in (_about_size, _about_rows, _about_answers, _about_judgement, _about_coverage)
        for reason in rule(report)
    ]
    weights = {reason["weight"] for reason in reasons}
    level: Verdict = "fit"
    if "not fit" in weights:
        level = "not fit"
    elif "fit with care" in weights:
        level = "fit with care"
    reasons.sort(key=lambda reason: ("not fit", "fit with care", "fit").index(reason["weight"]))
    return {"level": level, "reasons": reasons}


def _about_size(report: Mapping[str, Any]) -> list[Reason]:
    pairs, prompts = report["counts"]["pairs"], report["counts"]["prompts"]
    if report["counts"]["demonstrations"]:
        return [
            Reason(
                "demonstrations",
                "fit with care",
                "{answers} answers to reset into, and no pairs: give this as the "
                "demonstrations file of a run, beside a file with pairs.",
                answers=report["counts"]["demonstrations"],
            )
        ]
    if pairs == 0:
        return [Reason("no_pairs", "not fit", "No row can be trained on.")]
    found = []
    if prompts < 2:
        found.append(
            Reason(
                "one_prompt",
                "not fit",
                "All pairs share one prompt, so none can be set apart to judge by.",
            )
        )
    if pairs < FEW_PAIRS:
        found.append(
            Reason(
                "few_pairs",
                "not fit",
                "{pairs} pairs are too few to train a reward model; bring some hundreds at least.",
                pairs=pairs,
            )
        )
    elif pairs < ENOUGH_PAIRS:
        found.append(
            Reason(
                "small",
                "fit with care",
                "{pairs} pairs make a weak reward model; about {enough} or more are "
                "wanted. Keep the KL brake high, or bring a ready reward model.",
                pairs=pairs,
                enough=ENOUGH_PAIRS,
            )
        )
    else:
        found.append(
            Reason(
                "enough",
                "fit",
                "{pairs} pairs on {prompts} prompts are enough for a useful reward model.",
                pairs=pairs,
                prompts=prompts,
            )
        )
    return found


def _about_rows(report: Mapping[str, Any]) -> list[Reason]:
    found = []
    rows = max(1, report["counts"]["rows"])
    blocked = sum(item["count"] for item in report["blockers"])
    if blocked > 0.5 * rows:
        found.append(
            Reason(
                "mostly_blocked",
                "not fit",
                "{percent} % of the rows cannot be used; the mapping may be wrong.",
                percent=100 * blocked / rows,
            )
        )
    elif blocked > 0.05 * rows:
        found.append(
            Reason(
                "many_blocked",
                "fit with care",
                "{percent} % of the rows cannot be used.",
                percent=100 * blocked / rows,
            )
        )
    for code, most, sentence in (
        ("duplicate", 0.05, "{percent} % of the rows repeat another; remove duplicates."),
        ("near_duplicate", 0.1, "{percent} % of the rows nearly repeat another."),
        ("conflict", 0.02, "{percent} % of the rows contradict another; resolve the conflicts."),
        (
            "role_label",
            0.05,
            "{percent} % of the rows have an answer that speaks for the other side too.",
        ),
        (
            "dropped_characters",
            0.02,
            "The tokenizer does not know something in {percent} % of the "
            "rows; choose another model or drop them.",
        ),
        (
            "long_answer",
            0.2,
            "{percent} % of the rows have an answer that does not end within the "
            "response length; resets late in them can never finish.",
        ),
    ):
        count = next((w["count"] for w in report["warnings"] if w["kind"] == code), 0)
        if count > most * rows:
            found.append(Reason(code, "fit with care", sentence, percent=100 * count / rows))
    leaked = (report["splits"] or {}).get("leaked", 0)
    if leaked:
        found.append(
            Reason(
                "leak",
                "fit with care",
                "Prompts are so alike that {leaked} held-out pairs have a near "
                "duplicate in training; held-out figures will flatter.",
                leaked=leaked,
            )
        )
    return found


def _about_answers(report: Mapping[str, Any]) -> list[Reason]:
    resets = report["resets"]
    if not resets or not resets["per_answer"]:
        return []
    median = resets["per_answer"]["median"]
    unit = resets["unit"]
    if median < 2:
        return [
            Reason(
                "no_positions",
                "not fit",
                f"Half of the chosen answers have fewer than two {unit}, their end counted: "
                "there is nowhere to reset to. Plain PPO (reset probability 0) or DPO fits better.",
            )
        ]
    if median < 8:
        return [
            Reason(
                "few_positions",
                "fit with care",
                "Chosen answers are short: few places to reset to (median {median}), so resets "
                "change little.",
                median=median,
            )
        ]
    return [
        Reason(
            "positions",
            "fit",
            "{positions} places to reset to in {answers} chosen answers (median {median} each).",
            positions=resets["positions"],
            answers=resets["answers"],
            median=median,
        )
    ]


def _about_judgement(report: Mapping[str, Any]) -> list[Reason]:
    found = []
    bias = report["length_bias"]
    if bias and bias["longer_wins"]["count"] >= FEW_PAIRS:
        share = bias["longer_wins"]
        side = "longer" if share["share"] > 0.5 else "shorter"
        wins = max(share["share"], 1 - share["share"])
        sure = max(share["low"], 1 - share["high"])
        if sure > 0.6:
            found.append(
                Reason(
                    f"bias_{side}",
                    "fit with care",
                    "Choosing the " + side + " answer is right in {percent} % of the "
                    "pairs: the reward model may learn length. Watch answer lengths.",
                    percent=100 * wins,
                )
            )
    agreement = report["agreement"]
    if agreement and agreement["krippendorff_alpha"] < 0.4:
        found.append(
            Reason(
                "disagreement",
                "fit with care",
                "Annotators agree little (Krippendorff's alpha {alpha}).",
                alpha=agreement["krippendorff_alpha"],
            )
        )
    margin = report["margins"]
    if margin and margin["against"]["share"] > 0.35:
        found.append(
            Reason(
                "noisy",
                "fit with care",
                "{percent} % of the labels go against the stated scores.",
                percent=100 * margin["against"]["share"],
            )
        )
    return found


def _about_coverage(report: Mapping[str, Any]) -> list[Reason]:
    coverage = report.get("coverage")
    if not coverage:
        return []
    mean = coverage["chosen"]["mean"]
    if mean < -5:
        return [
            Reason(
                "uncovered",
                "fit with care",
                "The start policy finds the chosen answers very unlikely ({mean} nats a "
                "token): train it on them first (SFT), or resets lead where it cannot go "
                "on.",
                mean=mean,
            )
        ]
    return [
        Reason(
            "covered",
            "fit",
            "The start policy covers the chosen answers ({mean} nats a token).",
            mean=mean,
        )
    ]


def _shown(value: float) -> str:
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 10 else f"{value:.0f}"
