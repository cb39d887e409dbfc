"""The report on data as a page: whole, in either language, and what the file says stays text."""

import json
import re

import pytest
from data_material import report_on, rows
from series import coloured

from drpo.cli import main
from drpo.i18n import spoken
from drpo.report import build_data
from drpo.report.blocks import Chart
from drpo.report.data_set import describe_data
from drpo.report.markdown import to_markdown


def bad_rows():
    """Rows with something to say in every section."""
    material = [{**row, "margin": 1.0} for row in rows(40)]
    material[0] = {**material[0], "chosen": "<script>alert(1)</script> & so on", "margin": -0.5}
    return [*material, {"prompt": "p", "chosen": "", "rejected": "x"}, material[3]]


@pytest.fixture(scope="module")
def report():
    return report_on(bad_rows())[1]


def figures_in(page):
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.S)
    return json.loads(found[1])


def test_the_page_says_what_the_report_holds_and_draws_it(report):
    page = build_data(report).decode()
    assert "Can it carry DR-PO?" in page
    assert "Not fit" in page
    assert "40 (margin" not in page
    assert "41 (chosen)" in page
    assert "1 (margin -0.5)" in page
    titles = [figure["layout"]["title"]["text"] for figure in figures_in(page)]
    assert titles[:2] == ["Answer length", "Chosen against rejected length"]
    assert "Margin of chosen over rejected" in titles


def test_what_the_file_says_stays_text(report):
    page = build_data(report).decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "default-src 'none'" in page


def test_the_page_is_japanese_when_that_is_asked_for_and_the_same_each_time(report):
    page = build_data(report, lang="ja")
    assert page == build_data(report, lang="ja")
    text = page.decode()
    assert '<html lang="ja">' in text
    assert "DR-PO に使えますか？" in text
    assert "空の回答" in text
    assert "Can it carry" not in text


def test_every_picture_has_its_numbers_and_colours_that_mean_something(report):
    with spoken("en"):
        made = describe_data(report)
        blocks = [block for section in made.sections for block in section.blocks]
        pictures = [block for block in blocks if isinstance(block, Chart)]
        assert len(pictures) == 7
        assert all(picture.numbers.rows for picture in pictures)
        assert "@" not in json.dumps(coloured([picture.figure for picture in pictures]))
        assert "| chosen |" in to_markdown(made).lower()


def test_a_file_without_pairs_has_a_page_without_pictures():
    _, nothing = report_on([{"prompt": "p", "chosen": "same", "rejected": "same"}])
    page = build_data(nothing).decode()
    assert "No row can be trained on." in page
    assert "<script" not in page
    _, answers = report_on([{"prompt": f"Tell me {n}:", "response": f" {n}"} for n in range(3)])
    assert "demonstrations" in build_data(answers).decode()


def test_the_command_writes_the_page_or_says_why_not(tmp_path, capsys, monkeypatch):
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in bad_rows()), encoding="utf-8")
    monkeypatch.setenv("DRPO_LANG", "ja")
    with pytest.raises(SystemExit):
        main(["data", "check", str(file), "--html", str(tmp_path / "r.html")])
    assert "DR-PO に使えますか？" in (tmp_path / "r.html").read_text(encoding="utf-8")
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", str(file), "--html", str(tmp_path / "none" / "r.html"), "--json"])
    assert ended.value.code == 1
    assert "cannot be written" in json.loads(capsys.readouterr().out)["error"]
