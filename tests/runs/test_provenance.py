"""What a run was made with is written down once, and a report can say it."""

from importlib.metadata import version

from toy import toy_pairs

import drpo
from drpo.data.pairset import content_hash
from drpo.data.run_data import RunData
from drpo.runs.provenance import data_of, versions


def test_versions_are_those_that_are_installed():
    found = versions()
    assert found["drpo"] == drpo.__version__
    assert found["torch"] == version("torch")


def test_the_hash_is_of_the_pairs_that_were_trained_on():
    pairs = toy_pairs(6)
    noted = data_of(RunData(pairs[:4], pairs[4:], [], None))
    assert noted == {"train": 4, "heldout": 2, "content_hash": content_hash(pairs[:4])}
    assert noted["content_hash"] != content_hash(pairs)
