"""`make docs` builds the pages, with nothing fetched to build them or to read them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import drpo

ROOT = Path(__file__).resolve().parents[2]
PAGES = [path.name for path in (ROOT / "docs").glob("*.md")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built pages; a warning would have failed the build."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=quiet)
    assert done.returncode == 0, done.stderr
    return out


def named_in(nav):
    """Every page of a navigation, however deep."""
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            for below in entry.values():
                yield from [below] if isinstance(below, str) else named_in(below)


def test_every_page_of_docs_is_in_the_navigation_once():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert sorted(named_in(nav)) == sorted(PAGES)


def test_every_public_name_has_its_entry(site):
    page = (site / "api" / "index.html").read_text(encoding="utf-8")
    for name in drpo.__all__:
        if name != "DrpoError":  # stands among the errors
            assert f'id="drpo.{name}"' in page
    for name in ("drpo.Run.metrics", "drpo.errors.DrpoError", "drpo.Pair.chosen"):
        assert f'id="{name}"' in page
    assert "_of" not in re.findall(r'id="drpo\.Run\.(\w+)"', page)


def test_reading_the_pages_fetches_nothing(site):
    loads = re.compile(
        r"<(?:script|img|iframe)[^>]+src=[\"']?(?:https?:)?//|<link[^>]+rel=[\"']?"
        r"(?:stylesheet|preconnect)[^>]+href=[\"']?(?:https?:)?//"
    )
    for page in site.rglob("*.html"):
        assert not loads.search(page.read_text(encoding="utf-8")), page
