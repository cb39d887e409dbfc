"""The data report: what a file is, what is wrong with its rows, and whether it can carry DR-PO.

One dictionary of plain values, written down in docs/data-report.md. The screen, the command line
and the HTML file all show this and compute nothing of their own. It holds codes and values, from
which they make sentences in the reader's language, and beside them the sentences in English.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drpo.data.io.source import Source
from drpo.data.library.splits import divide, prompt_groups
from drpo.data.loading import read_pairs
from drpo.data.pairs import Pair
from drpo.data.pairset import PairSet
from drpo.data.quality import readiness, reset_positions, summary_stats
from drpo.data.quality.checks import Lengths, check_lengths, compare_rows, read_characters
from drpo.data.quality.problems import KINDS, Problems
from drpo.data.quality.token_lengths import Measured, Tokens, Words
from drpo.data.reading import Progress
from drpo.data.schema.context import unused_columns
from drpo.errors import DataError

FORMAT = 1
SHOWN_ROWS = 1_000
SHOWN_DETAILS = 20
EXAMPLES = 3
EXAMPLE_CHARS = 4_000
PREVIEW = 50
PREVIEW_CHARS = 400
HELDOUT = 0.1


@dataclass(frozen=True, slots=True)
class Settings:
    """What the report measures against."""

    model: Path | None = None
    """Folder of the start policy; its tokenizer counts. Without it words are counted."""
    max_prompt_length: int | None = None
    response_length: int | None = None
    seed: int = 0


def check_source(
    source: Source,
    settings: Settings,
    *,
    mapping: Mapping[str, Any] | None = None,
    shape: str | None = None,
    progress: Progress | None = None,
    covered_by: Callable[[Sequence[Pair], Path], Mapping[str, Any]] | None = None,
) -> tuple[PairSet, dict[str, Any]]:
    """Read a file and report on it.

    Args:
        source: The file.
        settings: What to measure against.
        mapping: Parts of the layout given by hand.
        shape: The layout's shape given by hand.
        progress: Told how far it is.
        covered_by: Measures coverage under the settings' model, where that is wanted.

    Raises:
        DataError: The file cannot be read, or it is not clear how.
        ModelError: The model's tokenizer cannot be read.
    """
    began = time.perf_counter()
    loaded = read_pairs(source, mapping=mapping, shape=shape, progress=progress)
    coverage = None
    if covered_by is not None and settings.model is not None:
        coverage = covered_by(loaded.pairs, settings.model)
    report = build_report(loaded, settings, coverage=coverage, progress=progress)
    report["seconds"] = round(time.perf_counter() - began, 3)
    return loaded, report


def build_report(
    loaded: PairSet,
    settings: Settings,
    *,
    coverage: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Report on pairs that are loaded; problems found on the way are added to theirs."""
    tell = progress or (lambda _stage, _done, _total: None)
    pairs, problems = loaded.pairs, loaded.problems
    alike = compare_rows(pairs, problems, tell=lambda done, all_: tell("compare", done, all_))
    languages = read_characters(
        pairs, problems, tell=lambda done, all_: tell("characters", done, all_)
    )
    lengths = _lengths(pairs, problems, settings, tell)
    tell("figures", 0, 0)
    report: dict[str, Any] = {
        "format": FORMAT,
        "file": {
            "name": loaded.name,
            "kind": loaded.format,
            "sha256": loaded.source_hash,
            "bytes": loaded.size,
        },
        "recognised": _recognised(loaded),
        "columns": loaded.columns,
        "unused_columns": unused_columns(loaded.columns, loaded.layout),
        "preview": [_shown(pair, PREVIEW_CHARS) for pair in pairs[:PREVIEW]],
        "counts": _counts(loaded, alike.prompt_groups),
        "blockers": _entries(problems, "blocker"),
        "warnings": _entries(problems, "warning"),
        "agreement": loaded.agreement,
        "pair_rules": loaded.pair_rules,
        "lengths": _length_figures(lengths),
        "length_bias": summary_stats.length_bias(lengths) if pairs else None,
        "margins": summary_stats.margins(pairs),
        "duplicates": {
            "exact": len(alike.exact),
            "near": len(alike.near),
            "conflicting": len(alike.conflicts),
            "nearly_conflicting": len(alike.near_conflicts),
            "near_examples": alike.near[:SHOWN_DETAILS],
        },
        "languages": languages,
        "divergence": summary_stats.divergence(pairs) if pairs else None,
        "splits": _splits(pairs, alike.prompt_groups, settings.seed),
        "resets": reset_positions.reset_positions(lengths) if pairs else None,
        "filters": reset_positions.filter_effects(pairs, lengths, coverage),
        "coverage": dict(coverage) if coverage else None,
        "content_hash": loaded.content_hash,
        "seconds": 0.0,
    }
    report["verdict"] = readiness.verdict(report)
    return {name: _writable(value) for name, value in report.items()}


def report_on_rest(
    rest: PairSet,
    before: PairSet,
    report: Mapping[str, Any] | None,
    settings: Settings,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Report on what was cleaned: its own report, which where every row stayed is there already.

    Args:
        rest: The pairs that stayed.
        before: The pairs as they were read.
        report: The report on those, without coverage; None where it is not at hand.
        settings: What it was measured against.
        progress: Told how far it is.
    """
    whole = len(rest) == before.rows and rest.content_hash == before.content_hash
    if report is not None and whole:
        return {**report, "columns": rest.columns}
    return build_report(rest, settings, progress=progress)


def _writable(value: Any) -> Any:  # noqa: ANN401
    """Replace what UTF-8 cannot hold: column names may come with broken characters."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {_writable(key): _writable(item) for key, item in value.items()}
    return [_writable(item) for item in value] if isinstance(value, list | tuple) else value


def _recognised(loaded: PairSet) -> dict[str, Any] | None:
    layout = loaded.layout
    if layout is None:
        return None
    return {
        "shape": layout.shape,
        "reason": str(layout.reason or ""),
        "reason_code": layout.reason.as_dict() if layout.reason else None,
        "layout": layout.as_dict(),
        "examples": [_shown(pair, EXAMPLE_CHARS) for pair in loaded.pairs[:EXAMPLES]],
    }


def _shown(pair: Pair, most: int) -> dict[str, Any]:
    """A pair's texts, cut where they are furthest from the answer's beginning."""
    return {
        "row": pair.row,
        "prompt": pair.prompt[-most:],
        "chosen": pair.chosen[:most],
        "rejected": pair.rejected[:most],
    }


def _counts(loaded: PairSet, groups: Sequence[int]) -> dict[str, int]:
    counts = loaded.problems.counts()
    apart = ("unjudged", "tie", "no_majority", "not_liked")
    return {
        "rows": loaded.rows,
        "pairs": len(loaded.pairs),
        "prompts": len({pair.prompt for pair in loaded.pairs}),
        "distinct_prompts": len(set(groups)),
        "set_apart": sum(counts.get(kind, 0) for kind in apart),
        "demonstrations": loaded.demonstrations,
    }


def _entries(problems: Problems, severity: str) -> list[dict[str, Any]]:
    entries = []
    for code, count in problems.counts().items():
        kind = KINDS[code]
        if kind.severity != severity:
            continue
        rows = problems.rows(code)
        known = {str(row): problems.detail(code, row) for row in rows[:SHOWN_DETAILS]}
        details = {row: detail for row, detail in known.items() if detail is not None}
        entries.append(
            {
                "kind": code,
                "title": kind.title("en"),
                "what_to_do": kind.remedy("en"),
                "count": count,
                "rows": rows[:SHOWN_ROWS],
                "details": {row: str(detail) for row, detail in details.items()},
                "detail_codes": {row: detail.as_dict() for row, detail in details.items()},
                "left_out": not kind.usable,
            }
        )
    return entries


def _lengths(
    pairs: Sequence[Pair], problems: Problems, settings: Settings, tell: Progress
) -> Lengths:
    measure = Tokens(settings.model) if settings.model is not None else Words()
    measured: list[Measured] = []
    for part, name in enumerate(("prompt", "chosen", "rejected")):
        tell("lengths", part, 3)
        measured.append(measure.measure([getattr(pair, name) for pair in pairs]))
    limited = settings.model is not None  # limits are in tokens, which words are not
    return check_lengths(
        pairs,
        (measured[0], measured[1], measured[2]),
        problems,
        unit=measure.unit,
        max_prompt_length=settings.max_prompt_length if limited else None,
        response_length=settings.response_length if limited else None,
    )


def _length_figures(lengths: Lengths) -> dict[str, Any]:
    return {
        "unit": lengths.unit,
        "prompt": summary_stats.summary(lengths.prompt),
        "chosen": summary_stats.summary(lengths.chosen),
        "rejected": summary_stats.summary(lengths.rejected),
        "prompt_histogram": summary_stats.histogram(prompt=lengths.prompt),
        "answer_histogram": summary_stats.histogram(
            chosen=lengths.chosen, rejected=lengths.rejected
        ),
    }


def _splits(pairs: Sequence[Pair], near: Sequence[int], seed: int) -> dict[str, Any] | None:
    try:
        parts = divide(pairs, HELDOUT, seed, grouped=prompt_groups(pairs, near))
    except DataError:
        return None
    return {
        "heldout_fraction": HELDOUT,
        "seed": seed,
        "train": len(parts.train),
        "heldout": len(parts.heldout),
        "leaked": parts.leaked,
        "templated": parts.templated,
        "naive_leaked": _naive_leak(near, seed),
    }


def _naive_leak(groups: Sequence[int], seed: int) -> int:
    """What a split by rows would leak: held-out pairs whose prompt is trained on as well."""
    order = np.random.default_rng([seed, 1]).permutation(len(groups))
    count = max(1, round(HELDOUT * len(groups)))
    trained = {groups[index] for index in order[count:]}
    return sum(groups[index] in trained for index in order[:count])
