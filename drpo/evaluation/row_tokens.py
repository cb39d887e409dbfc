"""Rows exactly as a model reads them, before anything runs: a process of its own, loads no weights.

What is shown is what stages and policy are given: the same reader makes it. Of each answer it says
where it ends, what the length limit cuts, and what a reset may keep.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drpo.data.library.upload_job import ReadUpload, run_upload_job
from drpo.data.pairs import Pair
from drpo.data.quality.token_lengths import proposed_length
from drpo.data.reading import Progress
from drpo.modeling.chat_template import PromptFormat
from drpo.modeling.readers import load_reader
from drpo.modeling.tokenization import TokenizedPair, Vocabulary
from drpo.rl.resets import prefixes
from drpo.system.jobs import JobFolder

SHOWN = 8
"""Rows that are shown."""
MEASURED = 2_000
"""Rows that shares are counted on; more are sampled."""
MOST_TOKENS = 600
"""Tokens of a prompt that are shown; of a longer one its beginning and its end."""


def rows_as_read(
    pairs: Sequence[Pair],
    model: Path,
    tell: Progress | None = None,
    *,
    response_length: int,
    prompt_format: PromptFormat = "auto",
    template: str | None = None,
    shown: int = SHOWN,
    seed: int = 0,
) -> dict[str, Any]:
    """Tokenise rows as a run would.

    Args:
        pairs: All pairs; at most MEASURED of them are counted on, drawn with the seed.
        model: Folder of the start policy.
        tell: Told stage, done and total.
        response_length: Most tokens of an answer.
        prompt_format: As the run's setting.
        template: As the run's setting `chat_template`.
        shown: Rows to return token by token.
        seed: Which pairs are drawn.

    Returns:
        `prompt_format` (chat or text), `ends`, `measured`, shares of answers `cut`, the length
        `proposed`, and `rows` with the parts of prompt and answers: text, tokens, and what they
        are.

    Raises:
        ModelError: The model's tokenizer, end or template cannot be used.
        DataError: The template cannot write a row.
    """
    reader = load_reader(model, prompt_format, template)
    rng = np.random.default_rng([seed, 3])
    picked = [pairs[at] for at in sorted(rng.permutation(len(pairs))[:MEASURED])]
    if tell is not None:
        tell("rows", 0, len(picked))
    asked = [pair.asked for pair in picked]
    lengths = {
        name: [len(ids) for ids in reader.answers(asked, [getattr(p, name) for p in picked])]
        for name in ("chosen", "rejected")
    }
    prompts = [len(ids) for ids in reader.prompts(asked)]
    return {
        "model": model.name,
        "prompt_format": "text" if reader.chat is None else "chat",
        "ends": [reader.tokenizer.convert_ids_to_tokens(token) for token in reader.stops],
        "response_length": response_length,
        "measured": len(picked),
        "cut": {
            name: float(np.mean([n > response_length for n in found])) if found else 0.0
            for name, found in lengths.items()
        },
        "proposed": proposed_length(lengths["chosen"]),
        "longest": {"prompt": max(prompts, default=0), "chosen": max(lengths["chosen"], default=0)},
        "rows": [_row(reader, pair, response_length) for pair in pairs[:shown]],
    }


def _row(reader: Vocabulary, pair: Pair, limit: int) -> dict[str, Any]:
    (prompt,) = reader.prompts([pair.asked])
    row: dict[str, Any] = {"row": pair.row, "prompt_tokens": len(prompt)}
    row["prompt"] = _shortened([_part(reader, ids, text) for ids, text in _pieces(reader, prompt)])
    for name in ("chosen", "rejected"):
        (answer,) = reader.answers([pair.asked], [getattr(pair, name)])
        row[name] = _answer(reader, prompt, answer, limit)
    return row


def _answer(
    reader: Vocabulary, prompt: tuple[int, ...], answer: tuple[int, ...], limit: int
) -> dict[str, Any]:
    kept = answer[:limit]
    cut = len(answer) > limit
    inside = reader.breaks.inside(kept)
    lengths = prefixes(TokenizedPair(0, "chosen", prompt, kept, cut=cut, inside=inside))
    given, places = max(lengths, default=0), frozenset(lengths)
    parts, read = [], 0
    for ids, text in _pieces(reader, answer):
        read += len(ids)
        part = _part(reader, ids, text)
        if read > limit:
            part["cut"] = True
        elif read <= given:
            part["given"] = True
            part["place"] = read in places
        if ids[-1] in reader.stops and read == len(answer):
            part["end"] = True
        parts.append(part)
    return {
        "tokens": len(answer),
        "cut": max(0, len(answer) - limit),
        "given": given,
        "places": len(lengths),
        "parts": parts,
    }


def _pieces(reader: Vocabulary, ids: Sequence[int]) -> list[tuple[Sequence[int], str]]:
    found, begin = [], 0
    for count, text in reader.breaks.pieces(ids):
        found.append((ids[begin:count], text))
        begin = count
    return found


def _part(reader: Vocabulary, ids: Sequence[int], text: str) -> dict[str, Any]:
    """One part of a text; a special token is told by its name."""
    special = len(ids) == 1 and ids[0] in reader.special
    name = str(reader.tokenizer.convert_ids_to_tokens(ids[0])) if special else ""
    part: dict[str, Any] = {"text": name or text, "ids": list(ids)}
    return part | {"special": True} if special else part


def _shortened(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(parts) <= MOST_TOKENS:
        return parts
    half = MOST_TOKENS // 2
    return [
        *parts[:half],
        {"text": "", "ids": [], "left_out": len(parts) - 2 * half},
        *parts[-half:],
    ]


def _job(job: JobFolder) -> dict[str, Any]:
    options = job.options
    return rows_as_read(
        ReadUpload(job).pairs.pairs,
        Path(options["model"]),
        job.progress,
        response_length=options["response_length"],
        prompt_format=options.get("prompt_format", "auto"),
    )


if __name__ == "__main__":
    sys.exit(run_upload_job(Path(sys.argv[1]), _job))
