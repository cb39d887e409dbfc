"""The page of all metrics is what the registry says, and says of each what it must."""

from pathlib import Path

from drpo import metrics
from drpo.metrics.table import page

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_is_what_the_registry_says():
    remedy = "docs/metrics.md is not what the registry says; run `make metrics`."
    assert PAGE.read_text(encoding="utf-8") == page(), remedy


def test_every_metric_has_one_row_in_its_stage_s_table():
    sections = page().split("\n## ")
    tables = {section.splitlines()[0]: section for section in sections}
    titles = {
        "update": "Policy updates",
        "evaluation": "Held-out evaluation",
        "timing": "Timing",
        "sft": "SFT",
        "rm": "Reward model",
        "dpo": "DPO",
    }
    for metric in metrics.declared():
        rows = [
            title
            for title, table in tables.items()
            for row in table.splitlines()
            if row.startswith(f"| `{metric.name}` |")
        ]
        assert rows == ([titles[metric.stage]] if metric.part == "whole" else [])


def test_a_row_says_unit_direction_chart_and_companions():
    rows = {line.split(" | ")[0]: line for line in page().splitlines() if line.startswith("| `")}
    assert rows["| `eval/repetition`"] == (
        "| `eval/repetition` | `_se` | share | lower |  | "
        "Share of repeated 3-grams within an answer. |"
    )
    assert rows["| `objective/kl`"].startswith(
        "| `objective/kl` | `_reset`, `_prompt` | nats per answer |  | kl, resets | "
    )
