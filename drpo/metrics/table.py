"""The page `docs/metrics.md`: every metric with its unit, its stage and what it means."""

from __future__ import annotations

from collections.abc import Iterable

from drpo import metrics
from drpo.metrics import words
from drpo.metrics.registry import ENDINGS, Metric, Part

STAGE = (
    "Logged over the stage's own steps. Entropy, token accuracy, token counts and logits stand in "
    "runs of 0.1.0 only."
)
STAGES: dict[metrics.Stage, tuple[str, str]] = {
    "update": ("Policy updates", "Measured on the episodes of each update."),
    "evaluation": (
        "Held-out evaluation",
        "Measured on the same prompts with the same sampling noise at every evaluation, in runs of "
        "every method.",
    ),
    "timing": ("Timing", "By the clock."),
    "sft": ("SFT", STAGE),
    "rm": ("Reward model", STAGE),
    "dpo": ("DPO", STAGE),
}
INTRODUCTION = """# Metrics

Written by `make metrics` from `drpo/metrics`, where each metric is declared. Names are TRL's where
TRL has the metric. `_se` is a metric's standard error over the prompts, the band on its charts;
`_reset` and `_prompt` are the same figure over the episodes that were reset, or that started at the
prompt. Every metric is on Live under "All metrics"; the column "chart" names the charts that answer
a question with it.
"""


def page() -> str:
    """The whole page as Markdown."""
    parts = [INTRODUCTION]
    for stage, (title, sentence) in STAGES.items():
        rows = [
            _row(metric)
            for metric in metrics.declared()
            if metric.stage == stage and metric.part == "whole"
        ]
        parts.append(f"## {title}\n\n{sentence}\n\n{_table(HEADS, rows)}")
    parts.append(f"## Columns of exported files\n\n{_table(('file', 'columns'), _exports())}")
    return "\n".join(parts)


HEADS = ("metric", "also", "unit", "better", "chart", "meaning")


def _row(metric: Metric) -> tuple[str, ...]:
    also: list[Part] = ["error"] if metric.errors else []
    also += ["reset", "prompt"] if metric.by_start else []
    return (
        f"`{metric.name}`",
        _code(ENDINGS[part] for part in also),
        metric.unit,
        metric.better,
        ", ".join(_charts(metric)),
        words.meaning(metric.name, lang="en"),
    )


def _charts(metric: Metric) -> list[str]:
    """The charts with a panel for a metric, and those that draw it behind its held-out twin."""
    behind = [one.chart for one in metrics.declared() if one.batch == metric.name]
    return sorted({metric.chart, *behind} - {"all"})


def evaluated() -> list[str]:
    """The short names under which `drpo eval` keeps what it measured of a policy."""
    return [
        metrics.short(metric.name)
        for metric in metrics.declared()
        if metric.stage == "evaluation" and metric.base != metrics.EVAL_RM_ACCURACY
    ]


def _exports() -> list[tuple[str, str]]:
    return [
        (
            "all metrics as CSV (Live)",
            f"`clock` (whose steps: {_code(('update', *metrics.OWN_STEPS))}), `step`, and a column "
            "for each metric under its name",
        ),
        (
            "`drpo show RUN --json`, `first` and `last`",
            f"`step`, {_code(map(metrics.short, metrics.SUMMARY))}: held-out metrics without "
            "`eval/`",
        ),
        (
            "`drpo eval RUN... --json`, `figures` and `start`",
            f"held-out metrics without `eval/`: {_code(evaluated())}",
        ),
        (
            "`docs/study/raw.csv`",
            "`experiment`, `arm`, `seed`, `run`, `episodes`, "
            f"{_code(map(metrics.short, metrics.MEASURED))}, `tokens` where they were counted; "
            "beside a run's last evaluation `seconds` and the win rates",
        ),
    ]


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(heads), tuple("---" for _ in heads), *map(tuple, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
