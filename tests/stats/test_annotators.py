"""Annotators beside each other: planted error rates are found, and one mind is told from many."""

import numpy as np
import pytest

from drpo.stats.annotators import compare_annotators
from drpo.stats.dawid_skene import dawid_skene

RIGHT = (0.95, 0.9, 0.85, 0.55)
"""How often each annotator is right; the last one hardly more often than a coin."""


def votes_on(count: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=count)
    calls = [np.where(rng.random(count) < right, truth, 1 - truth) for right in RIGHT]
    items = np.tile(np.arange(count), len(RIGHT))
    annotators = np.repeat(np.arange(len(RIGHT)), count)
    return truth, items, annotators, np.concatenate(calls)


def compared(items, annotators, votes, names):
    alone = np.arange(int(items.max()) + 1)
    return compare_annotators(items, annotators, votes, names=names, rows=alone, prompts=alone)


def test_reliability_is_found_without_the_truth():
    truth, items, annotators, calls = votes_on(2_000)
    found = dawid_skene(items, annotators, calls, classes=2)
    assert found.reliability == pytest.approx(RIGHT, abs=0.03)
    majority = np.bincount(items, weights=calls) / len(RIGHT)
    by_votes = np.where(majority == 0.5, 0.5, (majority > 0.5) == truth).mean()
    by_both = (found.posterior.argmax(1) == truth).mean()
    assert by_both > by_votes + 0.02


def test_everybody_is_held_against_the_others_and_the_more_reliable_outvote_the_many():
    _, items, annotators, calls = votes_on(400)
    found = compared(items, annotators, calls, ["ann", "bob", "cy", "dee"])
    by_name = {one["name"]: one for one in found["annotators"]}
    assert by_name["ann"]["agrees"] > by_name["dee"]["agrees"] + 0.2
    assert by_name["dee"]["low"] < by_name["dee"]["agrees"] < by_name["dee"]["high"]
    assert by_name["ann"]["reliability"] == pytest.approx(0.95, abs=0.06)


def test_items_without_two_votes_are_not_compared():
    single = np.array([0, 1]), np.array([0, 1]), np.array([0, 1])
    assert compared(*single, ["ann", "bob"]) is None
    items, annotators, votes = (
        np.array([0, 0, 1, 1, 2]),
        np.array([0, 1] * 2 + [0]),
        [0, 1, 2, 2, 0],
    )
    found = compared(items, annotators, np.array(votes), ["ann", "bob"])
    assert found["rows"] == 2
    assert found["unanimous"] == 0.5
    assert found["disputed"] == {"prompts": 1, "rows": [0]}
    assert [one["reliability"] for one in found["annotators"]] == [None, None]  # too few items


def test_a_prompt_is_disputed_only_where_all_its_items_are():
    items, votes = np.repeat(np.arange(4), 2), np.array([0, 1, 0, 0, 0, 2, 1, 0])
    found = compare_annotators(
        items,
        np.tile([0, 1], 4),
        votes,
        names=["ann", "bob"],
        rows=np.array([10, 11, 12, 13]),
        prompts=np.array([0, 0, 1, 1]),
    )
    assert found["disputed"] == {"prompts": 1, "rows": [12, 13]}
