"""The report on data: whether they can carry DR-PO, what is wrong with them, how they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from drpo.charts import data_charts
from drpo.charts.figures import Figure
from drpo.data.quality import wording
from drpo.data.quality.problems import KINDS
from drpo.data.quality.readiness import reason_text
from drpo.i18n import language, t
from drpo.i18n.format import count, number, share
from drpo.report.blocks import Block, Chart, Facts, PromptCards, Report, Section, Table, Text
from drpo.report.cards import Answer, PromptCard

SHOWN_ROWS = 30
HASH_CHARS = 16
COUNTED = (
    ("rows", "data.rows"),
    ("pairs", "data.pairs"),
    ("prompts", "data.prompts"),
    ("set_apart", "data.apart"),
)
"""What is in a file, in the order of importance: its name in the report and in the catalogue."""
STATISTICS = ("mean", "min", "median", "p95", "max")
CHARTS: tuple[tuple[str, Callable[[Mapping[str, Any]], Figure | None]], ...] = (
    ("lengths", data_charts.answer_lengths),
    ("bias", data_charts.length_bias),
    ("prompts", data_charts.prompt_lengths),
    ("margins", data_charts.margins),
    ("duplicates", data_charts.duplicates),
    ("languages", data_charts.languages),
    ("divergence", data_charts.divergence),
)
"""What is drawn of data with pairs, in order."""


def describe_data(report: Mapping[str, Any]) -> Report:
    """Gather what a data report holds, in the language spoken now."""
    file = report["file"]
    sections = [
        Section("verdict", t("data.verdict"), list(_verdict(report))),
        Section("counts", t("report.data_counts"), list(_counts(report))),
        Section("blockers", t("data.blockers"), problems(report, "blockers")),
        Section("warnings", t("data.warnings"), problems(report, "warnings")),
        Section("pictures", t("data.tab_charts"), list(_charts(report))),
        Section("resets", t("data.tab_resets"), list(_resets(report))),
        Section("reading", t("data.recognised"), list(_reading(report))),
        Section("examples", t("data.examples"), list(_examples(report))),
    ]
    return Report(
        lang=language(),
        title=file["name"],
        subtitle=f"{file['kind']} · SHA-256 {file['sha256'][:HASH_CHARS]}",
        sections=[section for section in sections if section.blocks],
    )


def _verdict(report: Mapping[str, Any]) -> Iterator[Block]:
    yield Text(wording.level(report), "lead")
    for reason in report["verdict"]["reasons"]:
        yield Text(reason_text(reason), "plain" if reason["weight"] == "fit" else "warning")


def _counts(report: Mapping[str, Any]) -> Iterator[Block]:
    yield Facts([(t(word), count(report["counts"][name]), "") for name, word in COUNTED])
    for sentence in (wording.split(report), wording.agreement(report), *wording.annotators(report)):
        if sentence:
            yield Text(sentence)


def problems(report: Mapping[str, Any], severity: str) -> list[Block]:
    """What stops rows, or what should be looked at.

    Args:
        report: A data report.
        severity: `blockers` or `warnings`.
    """
    if not report[severity]:
        return [Text(t(f"data.no_{severity}"))]
    rows = [
        [
            KINDS[entry["kind"]].title(),
            count(entry["count"]),
            wording.rows_with_details(entry, SHOWN_ROWS),
            KINDS[entry["kind"]].remedy(),
        ]
        for entry in report[severity]
    ]
    head = [
        t("report.problem_what"),
        t("report.problem_rows"),
        t("data.which"),
        t("report.problem_remedy"),
    ]
    return [Table(head, rows)]


def charts(report: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    """Draw what there is to see of data with pairs, each picture with its name."""
    for name, draw in CHARTS if report["counts"]["pairs"] else ():
        figure = draw(report)
        if figure is not None:
            yield name, figure


def _charts(report: Mapping[str, Any]) -> Iterator[Block]:
    if report["length_bias"]:
        yield Text(wording.length_bias(report))
    for name, figure in charts(report):
        yield _picture(name, figure, report)
    if report["counts"]["pairs"]:
        yield _numbers("lengths", report)


def _picture(name: str, figure: Figure, report: Mapping[str, Any]) -> Chart:
    return Chart(figure, data_charts.alt_of(figure), _numbers(name, report), 320)


def _numbers(name: str, report: Mapping[str, Any]) -> Table:
    """What stands for a picture where nothing can be drawn."""
    if name == "duplicates":
        found = report["duplicates"]
        rows = [[t(f"data.dup_{kind}"), count(found[kind])] for kind in data_charts.REPEATS]
        return Table([t("data.duplicates"), t("data.rows")], rows)
    if name == "languages":
        chosen = report["languages"]["chosen"].items()
        rows = [[wording.language_name(name), count(pairs)] for name, pairs in chosen]
        return Table([t("data.languages"), t("data.pairs_axis")], rows)
    summaries = {
        "margins": lambda: {t("data.margins"): report["margins"]["summary"]},
        "divergence": lambda: {
            t("data.characters"): report["divergence"]["shared_characters"]["summary"]
        },
        "coverage": lambda: {
            t(f"data.{part}"): report["coverage"][part] for part in ("chosen", "rejected")
        },
    }.get(name, lambda: _lengths(report))()
    head = [wording.unit(report), *(t(f"data.stat_{one}") for one in STATISTICS)]
    rows = [
        [label, *(number(summary.get(one)) for one in STATISTICS)]
        for label, summary in summaries.items()
    ]
    return Table(head, rows, caption=t("data.in_numbers"))


def _lengths(report: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    return {t(f"data.{part}"): report["lengths"][part] for part in ("prompt", "chosen", "rejected")}


def _resets(report: Mapping[str, Any]) -> Iterator[Block]:
    if not report["resets"]:
        return
    yield Text(wording.positions(report))
    rows = filter_rows(report["filters"])
    if rows:
        yield Table(filter_heads(), rows, caption=t("data.filters"))
    measured = data_charts.coverage(report)
    if measured is not None:
        yield Text(wording.coverage(report))
        yield _picture("coverage", measured, report)


def filter_heads() -> list[str]:
    """What stands above the columns of `filter_rows`."""
    named = ("keep", "answers", "threshold", "mean_length")
    return ["reset_filter", *(t(f"data.{name}") for name in named)]


def filter_rows(filters: Mapping[str, Any]) -> list[list[str]]:
    """What each reset filter that is known would keep, a row a share.

    Returns:
        Rows of filter, share kept, answers, threshold and mean length.
    """
    return [
        [
            t(f"data.filter_{name}"),
            share(part["keep"]),
            count(part["answers"]),
            number(part["threshold"]),
            number(part["mean_length"]),
        ]
        for name, found in filters.items()
        if found
        for part in found["kept"]
    ]


def _reading(report: Mapping[str, Any]) -> Iterator[Block]:
    known = report["recognised"]
    if known:
        yield Text(t(f"data.shape_{known['shape']}"))
        yield Text(wording.reading(known), "note")
        yield Table([t("data.part"), t("data.column")], layout_rows(known["layout"]))


def layout_rows(layout: Mapping[str, Any]) -> list[list[str]]:
    """Which column plays which part."""
    return [
        [part, _column(columns)]
        for part, columns in layout.items()
        if part not in ("shape", "reason")
    ]


def _column(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{code} = {outcome}" for code, outcome in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)


def _examples(report: Mapping[str, Any]) -> Iterator[Block]:
    if report["recognised"] and report["recognised"]["examples"]:
        yield PromptCards([example_card(row) for row in report["recognised"]["examples"]])


def example_card(row: Mapping[str, Any]) -> PromptCard:
    """A row as it will be trained on."""
    answers = [
        Answer(
            id=f"{row['row']}{part}",
            title=t("data.chosen" if part == "chosen" else "data.rejected"),
            response=row[part],
            from_data=True,
        )
        for part in ("chosen", "rejected")
    ]
    title = t("data.row", row=row["row"])
    return PromptCard(id=str(row["row"]), title=title, prompt=row["prompt"], answers=answers)
