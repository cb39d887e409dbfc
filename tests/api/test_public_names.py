"""`import drpo` is light, offers what it names, and nothing else by accident."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import drpo

HEAVY = ("torch", "transformers", "pandas", "numpy", "pydantic", "sqlalchemy", "tqdm", "scipy")
INIT = Path(drpo.__file__)


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after a statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in json.loads(done.stdout)}


def test_importing_loads_nothing_heavy():
    assert not loaded_by("import drpo; dir(drpo)") & set(HEAVY)


@pytest.mark.parametrize("statement", ["drpo.Pair", "drpo.Observer", "drpo.errors.DataError"])
def test_records_load_no_heavier_library_than_they_need(statement):
    assert not loaded_by(f"import drpo; {statement}") & {"torch", "transformers", "pandas"}


def test_configs_load_neither_torch_nor_pandas():
    assert not loaded_by("import drpo; drpo.RunConfig.of(data='d', policy='p')") & {
        "torch",
        "transformers",
        "pandas",
    }


@pytest.mark.parametrize("name", drpo.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    assert (getattr(drpo, name).__doc__ or "").strip()


def test_type_checkers_see_the_very_names_that_are_loaded_lazily():
    tree = ast.parse(INIT.read_text(encoding="utf-8"))
    checked = next(
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    seen = {
        alias.name: f"{node.module}.{alias.name}"
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(seen) == sorted(drpo.__all__)
    for name, place in seen.items():
        module, _, attribute = place.rpartition(".")
        try:
            expected = getattr(importlib.import_module(module), attribute)
        except AttributeError:
            expected = importlib.import_module(place)
        assert getattr(drpo, name) is expected


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(AttributeError, match=r"offers .*load_pairs"):
        drpo.trian  # noqa: B018 - the misspelling is the point


def test_completion_offers_the_public_names_and_the_version():
    assert dir(drpo) == sorted([*drpo.__all__, "__version__"])
