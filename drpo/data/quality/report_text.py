"""The report as lines of plain text, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SHOWN = 12
WIDTH = 100


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the report's lines, most important first."""
    file, counts = report["file"], report["counts"]
    yield f"{file['name']}: {file['kind']}"
    if report["recognised"]:
        yield f"  {report['recognised']['shape']}: {report['recognised']['reason']}"
    yield (
        f"  {counts['rows']:,} rows, {counts['pairs']:,} pairs on {counts['prompts']:,} prompts, "
        f"{counts['set_apart']:,} set apart (ties, not judged)"
    )
    yield f"Verdict: {report['verdict']['level']}"
    for reason in report["verdict"]["reasons"]:
        yield f"  - {reason['sentence']}"
    for title, entries in (("Blockers", report["blockers"]), ("Warnings", report["warnings"])):
        if entries:
            yield f"{title}:"
        for entry in entries:
            yield from _entry(entry)
    yield from _figures(report)
    for example in (report["recognised"] or {}).get("examples", ()):
        yield f"Row {example['row']} as it will be trained on:"
        for name in ("prompt", "chosen", "rejected"):
            yield f"  {name:>8} | {_one_line(example[name])}"


def _figures(report: Mapping[str, Any]) -> Iterator[str]:
    if report["length_bias"]:
        wins = report["length_bias"]["longer_wins"]
        yield (
            f'"The longer answer wins" would be right in {100 * wins["share"]:.0f} % '
            f"({100 * wins['low']:.0f} to {100 * wins['high']:.0f}) of {wins['count']:,} pairs."
        )
    if report["agreement"]:
        agreement = report["agreement"]
        yield (
            f"Annotators: {100 * agreement['unanimous']:.0f} % of {agreement['rows']:,} rows "
            f"unanimous, Krippendorff's alpha {agreement['krippendorff_alpha']:.2f}."
        )
    if report["splits"]:
        parts = report["splits"]
        yield (
            f"Split by prompt: {parts['train']:,} to train on, {parts['heldout']:,} held out, "
            f"{parts['leaked']:,} leaked (a split by rows would leak {parts['naive_leaked']:,})."
        )


def _entry(entry: Mapping[str, Any]) -> Iterator[str]:
    rows = ", ".join(str(row) for row in entry["rows"][:SHOWN])
    more = f" and {entry['count'] - SHOWN:,} more" if entry["count"] > SHOWN else ""
    yield f"  {entry['title']}: {entry['count']:,} (rows {rows}{more})"
    yield f"    {entry['what_to_do']}"


def _one_line(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= WIDTH else shown[: WIDTH // 2] + " … " + shown[-WIDTH // 2 :]
