"""What the architecture page says of the code is so."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:drpo|pages|tests|examples|docs)/[^` ]*)`", PAGE)))
NAMED = re.findall(r"((?:`\w+`(?:,| and)? )+)in\s+`(drpo/[^`]+\.py)`", PAGE)


def layers():
    """The order of packages as import-linter holds it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    return next(c["layers"] for c in contracts if c.get("containers") == ["drpo"])


def test_the_order_of_packages_is_that_of_the_contract():
    section = PAGE.split("## The order of packages")[1].split("\n## ")[0]
    # What stands side by side in the contract, and may not know each other, has rows of its own.
    named = [package for layer in layers() for package in layer.split(" | ")]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == named


@pytest.mark.parametrize("path", PATHS)
def test_every_path_that_it_names_is_there(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    ("name", "path"),
    [(name, path) for names, path in NAMED for name in re.findall(r"\w+", names) if name != "and"],
)
def test_every_function_stands_where_it_says(name, path):
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^(?:\s*def|class) {name}\b|^    {name}: ", text, re.MULTILINE)


def test_what_a_page_may_import_is_what_the_test_of_pages_allows():
    allowed = re.search(
        r"^ALLOWED = \((.*)\)$", (ROOT / "tests/dashboard/test_imports.py").read_text(), re.M
    )
    said = next(line for line in PAGE.splitlines() if "`pages/live.py`" in line)
    for name in re.findall(r'"(drpo[\w.]*)"', allowed[1]):
        assert f"`{name}`" in said


def test_every_question_of_a_newcomer_is_answered_at_the_top():
    top = PAGE.split("\n## ")[0]
    for asked in (
        "a reset drawn",
        "a metric declared",
        "an upload parsed",
        "`pages/live.py` may import",
    ):
        assert asked in top
