"""The report as lines of plain text, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drpo.data.quality import wording
from drpo.data.quality.problems import KINDS
from drpo.data.quality.readiness import reason_text
from drpo.i18n import t
from drpo.i18n.format import count

SHOWN = 12
WIDTH = 100


_SENTENCES = (wording.pair_rules, wording.length_bias, wording.agreement, wording.split)


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the report's lines, most important first, in the language that is spoken now."""
    file, counts = report["file"], report["counts"]
    yield f"{file['name']}: {file['kind']}"
    if report["recognised"]:
        known = report["recognised"]
        shape = t(f"data.shape_{known['shape']}")
        yield f"  {shape}: {wording.reading(known)}"
    if report.get("unused_columns"):
        named = ", ".join(map(repr, report["unused_columns"][:SHOWN]))
        yield f"  {t('data.unused', names=named)}"
    shown: dict[str, Any] = {name: count(number) for name, number in counts.items()}
    yield f"  {t('data.counted', **shown)}"
    yield f"{t('data.verdict')} {wording.level(report)}"
    for reason in report["verdict"]["reasons"]:
        yield f"  - {reason_text(reason)}"
    for severity in ("blockers", "warnings"):
        if report[severity]:
            yield t(f"data.{severity}")
        for entry in report[severity]:
            yield from _entry(entry)
    yield from filter(None, (tell(report) for tell in _SENTENCES))
    yield from (f"  {line}" for line in wording.annotators(report))
    for example in (report["recognised"] or {}).get("examples", ()):
        yield t("data.trained_on", row=example["row"])
        for name in ("prompt", "chosen", "rejected"):
            yield f"  {name:>8} | {_one_line(example[name])}"


def _entry(entry: Mapping[str, Any]) -> Iterator[str]:
    kind = KINDS[entry["kind"]]
    rows = wording.rows_with_details(entry, SHOWN)
    yield "  " + t("data.found", title=kind.title(), count=count(entry["count"]), rows=rows)
    yield f"    {kind.remedy()}"


def _one_line(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= WIDTH else shown[: WIDTH // 2] + " … " + shown[-WIDTH // 2 :]
