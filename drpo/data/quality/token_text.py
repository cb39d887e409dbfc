"""What is said of rows as a model reads them, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drpo.i18n import format, t


def sentences(found: Mapping[str, Any]) -> Iterator[str]:
    """Say how a model reads rows, and how many answers the limit cuts.

    Args:
        found: As `drpo.evaluation.row_tokens.rows_as_read` returns it.
    """
    ends = ", ".join(found["ends"])
    yield t(f"tokens.read_{found['prompt_format']}", model=found["model"], ends=ends)
    if found["measured"]:
        yield t(
            "tokens.cut",
            length=format.count(found["response_length"]),
            chosen=format.share(found["cut"]["chosen"]),
            rejected=format.share(found["cut"]["rejected"]),
            count=format.count(found["measured"]),
            proposed=format.count(found["proposed"]),
        )


def note(answer: Mapping[str, Any]) -> str:
    """Say what a reset may keep of an answer, and what the limit cuts."""
    kept = t(
        "tokens.kept",
        given=format.count(answer["given"]),
        places=format.count(answer["places"]),
    )
    if not answer["cut"]:
        return kept
    return f"{kept}; {t('tokens.cut_answer', cut=format.count(answer['cut']))}"


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Write rows token by token for a terminal: special tokens as they are named, the rest quoted.

    Args:
        found: As `drpo.evaluation.row_tokens.rows_as_read` returns it; empty says nothing.
    """
    if "rows" not in found:
        yield from filter(None, [found.get("error")])
        return
    yield from sentences(found)
    for row in found["rows"]:
        yield t("tokens.row", row=row["row"])
        yield f"  {t('tokens.prompt', tokens=format.count(row['prompt_tokens']))}"
        yield f"    {_written(row['prompt'])}"
        for name in ("chosen", "rejected"):
            answer = row[name]
            said = t(f"tokens.{name}", tokens=format.count(answer["tokens"]))
            yield f"  {said}; {note(answer)}"
            yield f"    {_written(answer['parts'])}"


def _written(parts: list[dict[str, Any]]) -> str:
    words, cut = [], False
    for part in parts:
        if part.get("left_out"):
            words.append(t("tokens.left_out", count=format.count(part["left_out"])))
            continue
        if part.get("cut") and not cut:
            words.append("//")
            cut = True
        words.append(part["text"] if part.get("special") else repr(part["text"])[1:-1])
    return "|".join(words)
