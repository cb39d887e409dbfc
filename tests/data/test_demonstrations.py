"""Answers kept one by one become a set that a run can reset into, and nothing else."""

import pytest

from drpo.config.run_config import RunConfig
from drpo.data.library.demonstrations import add_demonstration, demonstration_sets
from drpo.data.library.versions import load_version, save_version
from drpo.data.loading import load_demonstrations, load_pairs
from drpo.data.pairs import Pair
from drpo.data.run_data import demonstrations
from drpo.errors import DataError


def kept(version):
    """The prompts and answers of a version."""
    return [(one.prompt, one.chosen) for one in load_version(version).pairs]


def test_answers_add_up_and_a_run_resets_into_them(store):
    first = add_demonstration(store, "mine", "Q:", " a", facts={"answer": "a"}, source="run 1")
    second = add_demonstration(store, " mine ", "Q:", " b")
    assert (first.version, second.version) == (1, 2)
    assert kept(second) == [("Q:", " a"), ("Q:", " b")]
    assert kept(first) == [("Q:", " a")], "a version never changes"
    assert add_demonstration(store, "mine", "Q:", " a").id == second.id, "there already"
    assert demonstration_sets(store) == ["mine"]
    config = RunConfig.of(
        data="d", policy="p", demonstrations="mine", reset_source="demonstrations"
    )
    found = demonstrations(config, store)
    assert [(one.chosen, one.rejected, one.facts) for one in found] == [
        (" a", "", {"answer": "a"}),
        (" b", "", None),
    ]


def test_they_are_no_pairs_and_a_set_of_pairs_takes_none(store):
    add_demonstration(store, "mine", "Q:", " a")
    with pytest.raises(DataError, match="give it as demonstrations"):
        load_pairs("mine", store=store)
    save_version(store, [Pair("Q:", " good", " bad", row=1)], "pairs")
    assert load_demonstrations("pairs", store=store)[0].chosen == " good"
    with pytest.raises(DataError, match="another name"):
        add_demonstration(store, "pairs", "Q:", " a")
    assert demonstration_sets(store) == ["mine"]


@pytest.mark.parametrize(("prompt", "answer"), [(" ", "a"), ("Q:", " \n")])
def test_a_blank_demonstration_is_refused(store, prompt, answer):
    with pytest.raises(DataError, match="is blank"):
        add_demonstration(store, "mine", prompt, answer)
