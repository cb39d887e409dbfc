"""What a data report says, in the language that is spoken now: for the screen, a terminal, a file.

A report may be older than this version: where it holds no code, its English sentence is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drpo.i18n import has, t
from drpo.i18n.format import count, number, share
from drpo.i18n.message import text_of


def level(report: Mapping[str, Any]) -> str:
    """Whether the data can carry DR-PO, in a few words."""
    return t(f"data.level_{report['verdict']['level'].replace(' ', '_')}")


def reading(recognised: Mapping[str, Any]) -> str:
    """Why the file was read as it was."""
    return text_of(recognised.get("reason_code"), recognised["reason"])


def rows_with_details(entry: Mapping[str, Any], most: int) -> str:
    """The first rows with a problem, each with what exactly is wrong with it.

    Args:
        entry: One of a report's blockers or warnings.
        most: How many rows are named.
    """
    codes = entry.get("detail_codes", {})
    named = []
    for row in map(str, entry["rows"][:most]):
        detail = text_of(codes.get(row), entry["details"].get(row, ""))
        named.append(f"{row} ({detail})" if detail else row)
    return ", ".join(named) + (" …" if entry["count"] > most else "")


def length_bias(report: Mapping[str, Any]) -> str:
    """How often the longer answer was chosen; empty without pairs."""
    if not report["length_bias"]:
        return ""
    wins = report["length_bias"]["longer_wins"]
    return t(
        "data.bias_sentence",
        share=share(wins["share"]),
        low=share(wins["low"]),
        high=share(wins["high"]),
        count=count(wins["count"]),
    )


def agreement(report: Mapping[str, Any]) -> str:
    """How far several annotators agree; empty where there were none."""
    found = report["agreement"]
    if not found:
        return ""
    return t(
        "data.agreement_sentence",
        unanimous=share(found["unanimous"]),
        rows=count(int(found["rows"])),
        alpha=number(found["krippendorff_alpha"]),
    )


def annotators(report: Mapping[str, Any]) -> list[str]:
    """Each of several annotators, what nobody agrees on, and where the majority is doubtful."""
    found = report.get("agreement") or {}
    lines = [
        t(
            "data.annotator_reliable" if one["reliability"] is not None else "data.annotator",
            name=one["name"],
            votes=count(one["votes"]),
            share=share(one["agrees"]),
            low=share(one["low"]),
            high=share(one["high"]),
            reliability=share(one["reliability"]),
        )
        for one in found.get("annotators", ())
        if one["compared"]
    ]
    disputed, overruled = found.get("disputed"), found.get("overruled")
    if disputed and disputed["prompts"]:
        rows = _rows(disputed["rows"])
        lines.append(t("data.disputed", count=count(disputed["prompts"]), rows=rows))
    if overruled:
        lines.append(t("data.overruled", count=count(len(overruled)), rows=_rows(overruled)))
    return lines


def pair_rules(report: Mapping[str, Any]) -> str:
    """How many pairs each rule would make of rated answers; empty for other shapes."""
    found = report.get("pair_rules")
    if not found:
        return ""
    named = ", ".join(f"{one['rule']} {count(one['pairs'])}" for one in found)
    return t("data.pair_rules", named=named)


def _rows(rows: Sequence[int], most: int = 12) -> str:
    return ", ".join(map(str, rows[:most])) + (" …" if len(rows) > most else "")


def split(report: Mapping[str, Any]) -> str:
    """What a split by prompt gives; empty where there can be none."""
    parts = report["splits"]
    if not parts:
        return ""
    return t(
        "data.split_sentence",
        train=count(parts["train"]),
        heldout=count(parts["heldout"]),
        leaked=count(parts["leaked"]),
        naive=count(parts["naive_leaked"]),
    )


def coverage(report: Mapping[str, Any]) -> str:
    """How likely the start policy finds the answers; empty where that was not measured."""
    found = report.get("coverage")
    if not found:
        return ""
    return t(
        "data.coverage_sentence",
        chosen=number(found["chosen"].get("mean")),
        rejected=number(found["rejected"].get("mean")),
        measured=count(found["measured"]),
        too_long=count(found["too_long"]),
    )


def unit(report: Mapping[str, Any]) -> str:
    """What lengths are counted in."""
    return t("data.unit_tokens" if report["lengths"]["unit"] == "tokens" else "data.unit_words")


def positions(report: Mapping[str, Any]) -> str:
    """How many places the answers offer to reset to."""
    resets = report["resets"]
    said = t(
        "data.positions_sentence",
        positions=count(resets["positions"]),
        answers=count(resets["answers"]),
        unit=unit(report),
        median=count(round(resets["per_answer"]["median"])),
    )
    # Reports stored by earlier versions do not know.
    cut = resets.get("cut", 0)
    return f"{said} {t('data.positions_cut', count=count(cut))}" if cut else said


def language_name(language: str) -> str:
    """A language or script that a report found, which names it in English."""
    name = f"language_{language.lower().replace(' ', '_')}"
    return t(f"data.{name}") if has(f"data.{name}") else language
