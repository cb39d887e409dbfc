"""The real demo's pairs: what drew them, and that the files hold what it draws. No real model."""

import gzip
import json
import random
import sys
from pathlib import Path

import pytest
from chat_models import chat_folder

from drpo.data import load_pairs
from drpo.data.gold_reward import load_gold

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
NAMES = ("reviews", "reviews_heldout")


@pytest.fixture
def reviews(monkeypatch):
    """The generator's own module, a script beside the data."""
    monkeypatch.syspath_prepend(str(SAMPLES))
    before = set(sys.modules)
    import reviews

    yield reviews
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(SAMPLES)):
            del sys.modules[name]


def rows(name):
    with gzip.open(SAMPLES / "files" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_the_better_review_wins_as_often_as_the_draw_says(reviews):
    asked = reviews.prompts(400, random.Random(0))
    texts = ("A nice film.", "A good film.")
    gold = reviews.gold_from_record(reviews.GOLD)

    def write(prompts, _):
        return [(texts[place % 2], True) for place in range(len(prompts))]

    drawn = list(reviews.draw_rows(asked, write, random.Random(1)))
    gap = gold(texts[0], {}) - gold(texts[1], {})
    expected = 1 / (1 + 2.718281828 ** (-gap / reviews.BLUNTNESS))
    share = sum(row["chosen"] == texts[0] for row in drawn) / len(drawn)
    assert share == pytest.approx(expected, abs=3 * (expected * (1 - expected) / 400) ** 0.5)
    assert all(row["gold_chosen"] != row["gold_rejected"] for row in drawn)


def test_a_review_that_broke_off_or_was_there_already_is_drawn_again(reviews):
    asked = reviews.prompts(3, random.Random(0))
    four = ["One.", "Two.", "Three.", "Four."]
    texts = [
        [
            ("Cut", False),
            (" Good. ", True),
            ("Good.", True),
            ("Bad.", True),
            *((t, True) for t in four),
        ],
        [(text, True) for text in four],
        [("Same.", True)] * (reviews.ANSWERS + (reviews.ATTEMPTS - 1) * (reviews.ANSWERS - 1)),
    ]
    places = {prompt.text: iter(found) for prompt, found in zip(asked, texts, strict=True)}
    drawn = reviews.whole_answers(asked, lambda ps, _: [next(places[p.text]) for p in ps])
    assert drawn == [["Good.", "Bad.", "One.", "Two."], four, ["Same."]]
    assert next(places[asked[2].text], None) is None


def test_a_pair_is_the_warmest_against_the_coldest_and_equal_ones_are_none(reviews):
    asked = reviews.prompts(2, random.Random(0))
    texts = {
        asked[0].text: ["A film.", "A wonderful film.", "A terrible film.", "A good film."],
        asked[1].text: ["A film.", "A long film.", "A short film.", "A film of two hours."],
    }
    at = {prompt.text: 0 for prompt in asked}

    def write(prompts, _):
        found = []
        for prompt in prompts:
            found.append((texts[prompt.text][at[prompt.text] % 4], True))
            at[prompt.text] += 1
        return found

    (row,) = reviews.draw_rows(asked, write, random.Random(0))
    # Over a point apart, ten times the bluntness: the draw is as good as settled.
    assert (row["chosen"], row["rejected"]) == ("A wonderful film.", "A terrible film.")
    assert row["gold_chosen"] > 0.5 > -0.4 > row["gold_rejected"]


def test_no_word_of_a_film_is_warm_or_cold(reviews):
    gold = reviews.gold_from_record(reviews.GOLD)
    words = [*reviews.PACES, *reviews.GENRES, *reviews.SUBJECTS]
    assert [word for word in words if gold(word, {}) != 0] == []


def test_a_chat_model_answers_by_its_template_and_the_same_seed_gives_the_same(reviews, tmp_path):
    folder = chat_folder("smollm2", tmp_path / "model")
    asked = reviews.prompts(4, random.Random(0))
    write = reviews.writer(folder, length=6)
    first, again, other = write(asked, 0), write(asked, 0), write(asked, 1)
    assert first == again != other
    assert len(first) == 4
    assert not any("im_start" in text for text, _ in first)


@pytest.mark.parametrize("name", NAMES)
def test_the_files_hold_whole_labelled_conversations(name):
    file = SAMPLES / "files" / f"{name}.jsonl.gz"
    gold = load_gold(file)
    pairs = load_pairs(str(file)).pairs
    assert len(pairs) == len(rows(name)) == {"reviews": 892, "reviews_heldout": 64}[name]
    for pair in pairs:
        assert [turn["role"] for turn in pair.messages] == ["system", "user"]
        assert pair.messages[1]["content"].endswith("any good? Answer in ten words.")
        assert gold(pair.chosen, {}) == pytest.approx(pair.gold_chosen, abs=1e-4)
        assert gold(pair.rejected, {}) == pytest.approx(pair.gold_rejected, abs=1e-4)
    wrong = sum(pair.gold_chosen < pair.gold_rejected for pair in pairs) / len(pairs)
    assert 0 < wrong < 0.05


def test_no_film_is_on_both_sides():
    train, heldout = ({row["prompt"] for row in rows(name)} for name in NAMES)
    assert not train & heldout
