"""The data report's pictures show its figures, and everything it says has words on the screen."""

import re
from pathlib import Path

import pytest
from data_material import report_on, rows

from drpo import i18n
from drpo.charts import data_charts
from drpo.data.quality import readiness, wording
from drpo.data.quality.languages import _COMMON, _NAMES
from drpo.data.quality.problems import KINDS
from drpo.data.schema.column_mapping import SHAPES


@pytest.fixture(scope="module")
def report():
    base = [{**row, "margin": n % 5} for n, row in enumerate(rows(40))]
    return report_on([*base, base[0]])[1]


def test_the_answer_length_bars_count_every_pair(report):
    chosen, rejected = data_charts.answer_lengths(report)["data"]
    assert sum(chosen["y"]) == sum(rejected["y"]) == report["counts"]["pairs"]


def test_in_the_length_map_the_longer_chosen_answers_lie_above_the_diagonal(report):
    heat, diagonal = data_charts.length_bias(report)["data"]
    above = sum(
        cell or 0
        for y, line in zip(heat["y"], heat["z"], strict=True)
        for x, cell in zip(heat["x"], line, strict=True)
        if y > x
    )
    assert above == report["counts"]["pairs"]
    assert diagonal["x"] == diagonal["y"]


def test_margins_and_coverage_are_drawn_only_where_they_are_known(report):
    assert sum(data_charts.margins(report)["data"][0]["y"]) == 41
    assert data_charts.margins({**report, "margins": None}) is None
    assert data_charts.coverage(report) is None
    measured = {"histogram": {"edges": [-2, -1, 0], "chosen": [1, 2], "rejected": [2, 1]}}
    assert data_charts.coverage({**report, "coverage": measured})["data"][0]["y"] == [1, 2]


def test_duplicates_languages_prompts_and_divergence_are_drawn(report):
    assert data_charts.duplicates(report)["data"][0]["x"] == [0, 0, 1]
    assert sum(data_charts.languages(report)["data"][1]["x"]) == 41
    assert sum(data_charts.prompt_lengths(report)["data"][0]["y"]) == 41
    assert sum(data_charts.divergence(report)["data"][0]["y"]) == 41


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_problem_has_words(kind):
    assert i18n.has(f"data.kind_{kind}")
    assert i18n.has(f"data.todo_{kind}")


def test_every_reason_of_the_verdict_has_words():
    source = Path(readiness.__file__).read_text(encoding="utf-8")
    codes = set(re.findall(r'_reason\("(\w+)"', source)) | {"bias_longer", "bias_shorter"}
    codes |= set(readiness.MOST_WARNED)
    assert len(codes) > 20
    assert [code for code in sorted(codes) if not i18n.has(f"data.reason_{code}")] == []


@pytest.mark.parametrize("language", [*_COMMON, *_NAMES.values(), "other"])
def test_every_language_that_is_told_apart_has_a_name(language):
    with i18n.spoken("en"):
        assert wording.language_name(language) == language
    with i18n.spoken("ja"):
        assert wording.language_name(language) != language


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_has_words(shape):
    assert i18n.has(f"data.shape_{shape}")
