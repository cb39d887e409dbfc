"""Each metric is declared once and whole: a constant, words in both languages, one companion rule.

That every declared metric is logged, and every logged one declared and drawn, is proved on runs in
`tests/charts/test_metric_charts.py`.
"""

import ast
from pathlib import Path

import pytest

from drpo import i18n, metrics
from drpo.charts.palette import COLOURS
from drpo.metrics import registry, words
from drpo.metrics.registry import Metric, declare

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("drpo", "pages", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.parent != ROOT / "drpo" / "metrics"
]
NAMES = {metric.name for metric in metrics.declared()}
WHOLE = [metric for metric in metrics.declared() if metric.part == "whole"]


@pytest.mark.parametrize("metric", WHOLE, ids=lambda metric: metric.name)
def test_a_metric_s_constant_is_its_name_in_capitals(metric):
    assert getattr(metrics, metric.name.upper().replace("/", "_")) == metric.name


@pytest.mark.parametrize("metric", WHOLE, ids=lambda metric: metric.name)
def test_a_metric_has_its_words_in_both_languages(metric):
    for lang in i18n.LANGUAGES:
        assert words.meaning(metric.name, lang)
        with i18n.spoken(lang):
            assert words.title(metric.name)
            assert bool(words.unit(metric.name)) == bool(metric.unit)
    if metric.unit:
        assert i18n.t(f"units.{metric.unit.replace(' ', '_')}", lang="en") == metric.unit


def test_no_words_are_kept_for_metrics_and_titles_that_nobody_declares():
    kept = set(i18n.areas()["metrics"])
    titles = {f"title_{metric.title}" for metric in WHOLE if metric.title}
    assert kept == titles | {metric.name for metric in WHOLE}


def test_a_metric_s_meaning_has_a_colour_in_both_themes():
    for theme in COLOURS.values():
        assert {metric.meaning for metric in metrics.declared()} <= theme.keys()


def test_a_companion_shares_words_chart_and_stage_with_its_metric():
    error, at_reset = metrics.of("eval/scores_se"), metrics.of("objective/kl_reset")
    assert (error.base, error.part, error.stage) == ("eval/scores", "error", "evaluation")
    assert (at_reset.base, at_reset.part, at_reset.meaning) == ("objective/kl", "reset", "kl")
    assert words.meaning("eval/scores_se") == words.meaning("eval/scores")
    assert metrics.error_of("eval/scores") == "eval/scores_se"
    assert metrics.part_of("objective/kl", "prompt") == "objective/kl_prompt"


def test_a_name_that_nobody_declared_is_taken_at_its_word():
    # A store may hold the series of another version.
    unknown = metrics.of("rm/some/new_figure")
    assert (unknown.group, unknown.stage, unknown.steps_of) == ("rm", "rm", "rm")
    assert (unknown.meaning, unknown.unit, unknown.base) == ("ink", "", "rm/some/new_figure")
    assert metrics.of("eval/odd").stage == "evaluation"
    assert metrics.of("eval/odd_se").base == "eval/odd"
    assert metrics.of("made_up").group == "progress"
    assert words.heading("made_up") == ("made_up", "")
    assert words.meaning("made_up") == ""


def test_a_name_cannot_be_declared_twice(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    for name in ("eval/kl", "eval/kl_se"):
        with pytest.raises(ValueError, match="twice"):
            declare(Metric(name))


def test_the_batch_twin_of_a_held_out_metric_measures_the_same_quantity():
    twins = [(one, metrics.of(one.batch)) for one in WHOLE if one.batch]
    assert len(twins) == 4
    for held_out, batch in twins:
        assert (held_out.title, held_out.unit) == (batch.title, batch.unit)
        assert held_out.meaning == batch.meaning


def test_of_what_policies_are_judged_by_more_is_better():
    assert {metrics.of(name).better for name in metrics.REWARDS} == {"higher"}


def test_evaluations_and_summaries_are_read_by_short_names():
    last = {"step": 4, "scores": 1.5, "scores_se": 0.2}
    assert metrics.read(last, metrics.EVAL_SCORES) == 1.5
    assert metrics.read(last, metrics.error_of(metrics.EVAL_SCORES)) == 0.2
    assert metrics.read(last, metrics.EVAL_GOLD) is None
    assert metrics.read(None, metrics.EVAL_GOLD) is None
    assert [metrics.short(name) for name in ("dpo/rewards/margins", "lr")] == [
        "rewards/margins",
        "lr",
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_writes_a_metric_s_constant_and_never_its_name(path):
    slashed = {name for name in NAMES if "/" in name}
    groups = tuple({f"{name.partition('/')[0]}/" for name in slashed})
    endings = tuple(registry.ENDINGS.values())
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and node.value in slashed:
            found.append((node.lineno, node.value))
        # A name put together, as f"eval/{name}" or f"{name}_se".
        if isinstance(node, ast.JoinedStr) and len(node.values) > 1:
            first, last = node.values[0], node.values[-1]
            begins = isinstance(first, ast.Constant) and first.value in groups
            ends = isinstance(last, ast.Constant) and last.value in endings
            if begins or ends:
                found.append((node.lineno, ast.unparse(node)))
    assert found == []
