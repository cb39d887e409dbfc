"""What a check of labels says, in the language that is spoken now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drpo.data.quality import wording
from drpo.i18n import t
from drpo.i18n.format import count, share

SHOWN = 20
WIDTH = 96


def label_lines(found: Mapping[str, Any], most: int = SHOWN) -> Iterator[str]:
    """Yield the check's lines, most important first.

    Args:
        found: What `check_labels` returned.
        most: How many suspects are shown.
    """
    pairs, prompts = count(found["pairs"]), count(found["prompts"])
    yield t("labels.counted", name=found["file"]["name"], pairs=pairs, prompts=prompts)
    yield from sentences(found)
    suspects = found["suspects"][:most]
    if suspects:
        yield t("labels.suspects_lead", shown=count(len(suspects)), all=count(found["doubted"]))
    for suspect in suspects:
        yield suspect_title(suspect)
        for name in ("prompt", "chosen", "rejected"):
            yield f"  {name:>8} | {_one_line(suspect[name])}"


def sentences(found: Mapping[str, Any]) -> list[str]:
    """What the check found in the set as a whole."""
    return [
        *filter(None, (_wrong(found), _model(found), _length(found), _both_ways(found))),
        *wording.annotators(found),
    ]


def _wrong(found: Mapping[str, Any]) -> str:
    wrong = found["wrong"]
    if found["model"]["strength"] == "weak":
        return t("labels.wrong_unknown", most=share(wrong["at_most"]))
    return t(
        "labels.wrong",
        share=share(wrong["share"]),
        low=share(wrong["low"]),
        high=share(wrong["high"]),
        most=share(wrong["at_most"]),
    )


def _model(found: Mapping[str, Any]) -> str:
    model = found["model"]
    accuracy = model["accuracy"]
    said = t(
        f"labels.model_{model['kind']}",
        name=model["name"],
        share=share(accuracy["share"]),
        low=share(accuracy["low"]),
        high=share(accuracy["high"]),
        folds=model["folds"],
    )
    strength = model["strength"]
    return t("labels.model_and_strength", model=said, strength=t(f"labels.strength_{strength}"))


def _length(found: Mapping[str, Any]) -> str:
    length = found["length"]
    if length is None:
        return ""
    return t(
        "labels.length",
        alone=share(length["alone"]),
        rest=share(length["rest"]),
        count=count(length["only"]),
    )


def _both_ways(found: Mapping[str, Any]) -> str:
    rows = [row for row, _ in found["both_ways"]]
    if not rows:
        return ""
    named = ", ".join(map(str, rows[:SHOWN])) + (" …" if len(rows) > SHOWN else "")
    return t("labels.both_ways", count=count(len(rows)), rows=named)


def suspect_title(suspect: Mapping[str, Any]) -> str:
    """Which pair it is, how probable its label is, and why."""
    reasons = [
        t(f"labels.reason_{reason['code']}", row=reason.get("row", ""))
        for reason in suspect["reasons"]
    ]
    probability = suspect["probability"]
    title = t(
        "labels.suspect",
        pair=count(suspect["pair"]),
        row=count(suspect["row"]),
        share=share(probability) if probability >= 0.005 else t("labels.under_one"),
    )
    return " · ".join([title, *reasons])


def _one_line(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= WIDTH else shown[: WIDTH // 2] + " … " + shown[-WIDTH // 2 :]
