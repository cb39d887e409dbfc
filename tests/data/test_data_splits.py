"""No prompt, and nothing nearly like it, stands on both sides of a split."""

import pytest

from drpo.data import Pair, split
from drpo.data.library.splits import divide, prompt_groups
from drpo.data.quality.near_duplicates import Groups, near_groups, normalise
from drpo.errors import DataError

PLACES = ["harbour", "orchard", "library", "station", "quarry", "meadow", "foundry", "theatre"]


def prompt(number: int) -> str:
    words = [PLACES[(number * step + step) % 8] for step in (1, 3, 5, 7)]
    return (
        f"On day {number * 97} we went from the {' to the '.join(words)} and met {number} people."
    )


def pairs(count: int, copies: int = 1) -> list[Pair]:
    return [
        Pair(prompt(n), f" a{copy}", " b", row=n * copies + copy + 1)
        for n in range(count)
        for copy in range(copies)
    ]


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    data = pairs(60)
    assert split(data, 0.2, 1) == split(data, 0.2, 1)
    assert split(data, 0.2, 1) != split(data, 0.2, 2)


def test_every_pair_is_on_one_side_and_the_fraction_is_met():
    data = pairs(50, copies=2)
    train, heldout = split(data, 0.2, 0)
    assert sorted(pair.row for pair in train + heldout) == [pair.row for pair in data]
    assert len(heldout) == 20


def test_pairs_of_one_prompt_stay_together():
    train, heldout = split(pairs(40, copies=3), 0.25, 3)
    assert not {pair.prompt for pair in train} & {pair.prompt for pair in heldout}


def test_prompts_that_are_nearly_the_same_stay_together():
    data = pairs(30)
    twins = [Pair(p.prompt.upper() + " !!", " a", " b", row=100 + p.row) for p in data]
    train, heldout = split([*data, *twins], 0.3, 0)
    assert not {normalise(pair.prompt) for pair in train} & {normalise(p.prompt) for p in heldout}


def test_a_template_with_one_word_changed_still_splits_and_says_what_leaks():
    text = "You are a careful clerk. Read the letter below twice and answer in one plain sentence. "
    data = [Pair(f"{text * 3}Letter {n}", " a", " b", row=n + 1) for n in range(40)]
    parts = divide(data, 0.25, 0)
    assert parts.templated
    assert len(parts.heldout) == 10
    assert parts.leaked == 10


def test_one_prompt_cannot_be_split():
    with pytest.raises(DataError, match="at least two different prompts"):
        split([Pair("p", "a", "b"), Pair("p", "c", "d")], 0.5, 0)


def test_two_prompts_leave_one_on_each_side():
    train, heldout = split([Pair(prompt(1), "a", "b"), Pair(prompt(2), "c", "d")], 0.9, 0)
    assert len(train) == len(heldout) == 1


def test_near_groups_agree_with_comparing_every_pair_of_texts():
    texts = [prompt(n) for n in range(40)]
    texts += [text.replace("people", "person") for text in texts[:10]]
    texts += [f"{text} Yes." for text in texts[10:20]]

    def shingles(text: str) -> set[str]:
        form = normalise(text)
        return {form[at : at + 8] for at in range(len(form) - 7)}

    naive = Groups(len(texts))
    for second in range(len(texts)):
        for first in range(second):
            one, other = shingles(texts[first]), shingles(texts[second])
            if len(one & other) / len(one | other) >= 0.9:
                naive.join(first, second)
    found = near_groups(texts)
    agreeing = sum(a == b for a, b in zip(found, naive.labels(), strict=True))
    assert agreeing >= len(texts) - 1  # the sketch may miss a pair at the threshold itself
    assert len(set(found)) < len(texts)


def test_case_width_and_punctuation_do_not_make_a_text_another():
    assert near_groups(["Hello, World", "hello world!", "ｈｅｌｌｏ world", "bye"]) == [0, 0, 0, 3]


def test_short_and_empty_texts_are_grouped_only_when_equal():
    assert near_groups(["", "a", "b", "a", ""]) == [0, 1, 2, 1, 0]


def test_groups_of_prompts_are_the_first_pairs_index():
    groups, templated = prompt_groups(pairs(5, copies=2))
    assert groups == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8]
    assert not templated
