"""The README's tree shows the folders there are, and its Python the names there are."""

import re
from pathlib import Path

import pytest

import drpo

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title):
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def folders(parent):
    """The folders that hold something of ours, hidden ones and leavings of tools apart."""
    return sorted(
        f"{path.name}/"
        for path in parent.iterdir()
        if path.is_dir()
        and not path.name.startswith((".", "_"))
        and path.name not in ("build", "dist", "site", "workspace")
        and not path.name.endswith(".egg-info")
        and any(file.suffix != ".pyc" for file in path.rglob("*") if file.is_file())
    )


def test_the_tree_shows_every_folder_once_with_a_line_each():
    tree = section("The tree").split("```")[1]
    lines = [re.match(r"^( *)(\S+)( +\S.*)?$", line) for line in tree.strip("\n").splitlines()]
    top = [line[2] for line in lines if not line[1]]
    packages = [line[2] for line in lines if line[1]]
    assert sorted(top) == sorted([*folders(ROOT), "app.py"])
    assert packages == folders(ROOT / "drpo")
    assert all(line[3] for line in lines if line[2] != "drpo/")


def test_every_public_name_is_in_the_section_on_python():
    said = set(re.findall(r"\w+", section("From Python")))
    assert set(drpo.__all__) <= said


def test_the_readme_uses_no_name_that_is_not_public():
    used = set(re.findall(r"\bdrpo\.(\w+)", section("From Python")))
    assert used <= set(drpo.__all__)
    for method in re.findall(r"\brun\.(\w+)\(", section("From Python")):
        assert callable(getattr(drpo.Run, method))


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!http)([^)#]+)", TEXT))))
def test_what_the_readme_links_to_is_there(target):
    assert (ROOT / target).exists()
