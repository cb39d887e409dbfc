"""The ladder's material: answers are right where they are said to be, by the rule of each task."""

import json
import random
import sys

import pytest
from test_sample_data import FILES, MODELS, SAMPLES, rows

from drpo.data import load_demonstrations, load_pairs
from drpo.data.gold_reward import load_gold

RUNGS = ["lock", "addition", "parity"]


@pytest.fixture
def ladder(monkeypatch):
    monkeypatch.syspath_prepend(str(SAMPLES))
    import ladder

    yield ladder
    del sys.modules["ladder"]


@pytest.mark.parametrize("name", RUNGS)
def test_chosen_answers_are_right_rejected_ones_are_not_and_no_prompt_is_on_both_sides(name):
    gold = load_gold(FILES / f"{name}.jsonl.gz")
    train, heldout = rows(name), rows(f"{name}_heldout")
    for row in [*train, *heldout]:
        assert (gold(row["chosen"], row["facts"]), gold(row["rejected"], row["facts"])) == (1, 0)
        assert gold.first_wrong(row["chosen"], row["facts"]) is None
        assert gold.first_wrong(row["rejected"], row["facts"]) is not None
    assert not {row["prompt"] for row in train} & {row["prompt"] for row in heldout}
    assert len(load_pairs(str(FILES / f"{name}.jsonl.gz")).pairs) == len(train)


@pytest.mark.parametrize("name", RUNGS)
def test_noisy_demonstrations_are_right_half_of_the_time_and_others_lose_the_thread(name):
    gold = load_gold(FILES / f"{name}.jsonl.gz")
    found = {}
    for kind in ("noisy", "other"):
        shown = load_demonstrations(str(FILES / "demonstrations" / f"{name}_{kind}.jsonl.gz"))
        found[kind] = sum(gold(one.chosen, one.facts) for one in shown) / len(shown)
        assert all(one.facts for one in shown)
    assert 0.4 < found["noisy"] < 0.75
    assert 0 < found["other"] < 0.35


def test_sums_are_what_arithmetic_says(ladder):
    rng = random.Random(0)
    for _ in range(50):
        asked = ladder.ask_addition(rng)
        columns = [pair.split() for pair in asked.prompt.removesuffix(" :").split(" , ")]
        first, second = (
            int("".join(column[side] for column in reversed(columns))) for side in (0, 1)
        )
        digits = asked.facts["answer"].replace("^", "").replace("-", "").split()
        assert int("".join(reversed(digits))) == first + second


@pytest.mark.parametrize("name", RUNGS)
def test_start_policies_read_every_token_and_seldom_succeed(name):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MODELS / f"{name}-policy")
    for row in rows(name)[:50]:
        text = row["prompt"] + row["chosen"]
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text
    said = json.loads((MODELS / f"{name}-policy" / "metrics.json").read_text())
    assert 0 <= said["success"] <= 0.3
