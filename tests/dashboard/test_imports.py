"""A page is thin: it may import Streamlit, the dashboard, charts, reports, words and errors."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "pages").glob("*.py"))
ALLOWED = ("streamlit", "drpo.dashboard", "drpo.errors", "drpo.i18n", "drpo.metrics")


def imported(path):
    """The full names that a file imports, `from a import b` as `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_imports_streamlit_and_the_dashboard_only(page):
    foreign = [
        name
        for name in imported(page)
        if not f"{name}.".startswith(tuple(f"{root}." for root in ALLOWED))
        and name.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert foreign == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_only_puts_together_what_its_screen_defines(page):
    tree = ast.parse(page.read_text(encoding="utf-8"))
    assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.walk(tree))
    assert len(tree.body) <= 45


def test_one_module_reads_and_writes_the_url():
    files = [*PAGES, *(ROOT / "drpo" / "dashboard").rglob("*.py")]
    known = {path.name for path in files if "st.query_params" in path.read_text(encoding="utf-8")}
    assert known == {"url_state.py"}
