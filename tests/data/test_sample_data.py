import gzip
import json
import random
import re
import sys
from pathlib import Path

import pytest

from drpo.data import load_demonstrations, load_pairs
from drpo.data.gold_reward import load_gold

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
FILES, MODELS = SAMPLES / "files", SAMPLES / "models"
TASKS = ["tldr", "strict"]
POLICIES = [f"{task}-policy" for task in TASKS]
REWARDS = [f"{task}-reward" for task in TASKS]


@pytest.fixture
def generator_modules(monkeypatch):
    """The generator's own modules, which are scripts beside the data and not a package."""
    monkeypatch.syspath_prepend(str(SAMPLES))
    before = set(sys.modules)
    import grammar
    import make
    import preferences

    yield grammar, make, preferences
    for name in set(sys.modules) - before:
        module = sys.modules[name]
        if str(getattr(module, "__file__", "")).startswith(str(SAMPLES)):
            del sys.modules[name]


def rows(name):
    with gzip.open(FILES / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("task", TASKS)
def test_there_are_enough_pairs_and_no_post_is_on_both_sides(task):
    train, heldout = rows(task), rows(f"{task}_heldout")
    assert len(train) >= 4000
    assert len(heldout) >= 500
    assert not {row["prompt"] for row in train} & {row["prompt"] for row in heldout}
    facts = [tuple(row["facts"].values()) for row in [*train, *heldout]]
    assert len(set(facts)) == len(facts)


@pytest.mark.parametrize("task", TASKS)
def test_labels_are_noisy_but_mostly_right(task):
    unequal = [row for row in rows(task) if row["gold_chosen"] != row["gold_rejected"]]
    wrong = sum(row["gold_chosen"] < row["gold_rejected"] for row in unequal) / len(unequal)
    assert 0.1 < wrong < 0.2
    assert len(unequal) / len(rows(task)) > 0.75


@pytest.mark.parametrize("name", [*TASKS, *(f"{task}_heldout" for task in TASKS)])
def test_the_true_scores_in_the_file_are_what_its_description_gives(name):
    gold = load_gold(FILES / f"{name}.jsonl.gz")
    for row in rows(name):
        assert row["gold_chosen"] == gold(row["chosen"], row["facts"])
        assert row["gold_rejected"] == gold(row["rejected"], row["facts"])


def test_resets_in_the_strict_task_stand_on_faultless_answers():
    train = rows("strict")
    assert sum(row["gold_chosen"] for row in train) / len(train) > 0.75


def test_every_fact_stands_once_in_a_post_and_in_a_summary(generator_modules):
    grammar, _, _ = generator_modules
    rng = random.Random(1)
    for _ in range(300):
        post = grammar.write_post(rng)
        for text in (post.prompt, grammar.summarise(post.facts, rng)):
            for slot, words in grammar.SLOTS.items():
                found = re.findall(rf"\b(?:{'|'.join(words)})\b", text)
                assert found == [post.facts[slot]], text


def test_the_script_rebuilds_the_data_that_is_here(generator_modules, tmp_path, monkeypatch):
    _, make, _ = generator_modules
    monkeypatch.setattr(make, "FILES", tmp_path)
    make.make_data()
    names = {path.relative_to(FILES) for path in FILES.rglob("*") if path.is_file()}
    # A real model's answers, which sample_data/reviews.py draws: no two machines write the same.
    names = {name for name in names if not name.name.startswith("reviews")}
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()} == names
    # What wraps the rows (gzip, zip, Parquet) may differ by library version; the rows may not.
    for name in names:
        if name.suffix in (".json", ".jsonl", ".csv", ".tsv"):
            assert (tmp_path / name).read_bytes() == (FILES / name).read_bytes()
        elif name.suffix == ".gz" and "formats" not in name.parts:
            made, here = ((root / name).read_bytes() for root in (tmp_path, FILES))
            assert gzip.decompress(made) == gzip.decompress(here)


def test_every_format_gives_the_same_pairs():
    wanted = load_pairs(str(FILES / "formats" / "pairs.jsonl")).pairs
    assert len(wanted) == 14
    for path in sorted((FILES / "formats").iterdir()):
        if path.name.startswith("demonstrations"):
            found = load_demonstrations(str(path))
            assert [pair.chosen for pair in found] == [pair.chosen for pair in wanted], path.name
            continue
        loaded = load_pairs(str(path))
        found = {(pair.chosen, pair.rejected) for pair in loaded.pairs}
        assert found <= {(pair.chosen, pair.rejected) for pair in wanted}, path.name
        ties = loaded.problems.counts().get("tie", 0)
        assert len(loaded.pairs) + ties == 14, path.name


def test_dialogues_part_at_the_last_turn_and_are_kind():
    for row in rows("hh_style"):
        head, _, _ = row["chosen"].rpartition("\n\nAssistant:")
        assert row["rejected"].startswith(head + "\n\nAssistant:")
        assert row["chosen"] != row["rejected"]
    assert len(rows("hh_style")) >= 300
    assert any(row["chosen"].count("\n\nHuman:") > 1 for row in rows("hh_style"))


def test_there_are_sixty_different_japanese_pairs():
    lines = (FILES / "japanese.jsonl").read_text(encoding="utf-8").splitlines()
    pairs = [json.loads(line) for line in lines]
    texts = [text for pair in pairs for text in (pair["prompt"], pair["chosen"], pair["rejected"])]
    assert len(pairs) == 60
    assert len(set(texts)) == 180
    assert all(re.search(r"[ぁ-ん]", text) for text in texts)


@pytest.mark.parametrize("name", [*POLICIES, *REWARDS])
def test_models_are_small_folders_without_pickles(name):
    files = list((MODELS / name).iterdir())
    assert sum(path.stat().st_size for path in files) < 8_000_000
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".jinja"}


@pytest.mark.parametrize("name", POLICIES)
def test_text_survives_the_tokenizer(name):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MODELS / name)
    special = {tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}
    assert len(special) == 3
    for row in rows("tldr_heldout")[:100]:
        text = row["prompt"] + row["chosen"]
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert not special & set(ids)
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize(
    ("task", "figure", "low", "high"),
    [("tldr", "gold", 4.3, 5.0), ("strict", "faultless", 0, 0.04)],
)
@pytest.mark.usefixtures("generator_modules")
def test_start_policies_are_as_good_as_they_are_said_to_be(task, figure, low, high):
    import training
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = MODELS / f"{task}-policy"
    said = json.loads((folder / "metrics.json").read_text())
    found = training.measure_policy(
        AutoModelForCausalLM.from_pretrained(folder),
        AutoTokenizer.from_pretrained(folder),
        task,
        seed=5,
        samples=250,
    )
    # 250 samples: a standard error of .09 facts, or of .006 of answers.
    assert low <= found[figure] <= high
    assert low <= said[figure] <= high
    assert said["samples"] >= 2000


def test_the_strict_start_policy_is_right_in_about_one_answer_of_a_hundred():
    said = json.loads((MODELS / "strict-policy" / "metrics.json").read_text())
    assert 0.005 <= said["faultless"] <= 0.015


@pytest.mark.parametrize("task", TASKS)
def test_reward_models_tell_better_from_worse(generator_modules, task):
    from drpo.modeling.reward_model import load_reward_model

    _, _, preferences = generator_modules
    heldout = [pair for row in rows(f"{task}_heldout") for pair in preferences.without_noise(row)]
    reward = load_reward_model(MODELS / f"{task}-reward")
    prompts = [pair.prompt for pair in heldout]
    chosen = reward.score_texts(prompts, [pair.chosen for pair in heldout])
    rejected = reward.score_texts(prompts, [pair.rejected for pair in heldout])
    accuracy = sum(a > b for a, b in zip(chosen, rejected, strict=True)) / len(heldout)
    assert accuracy >= 0.85
    said = json.loads((MODELS / f"{task}-reward" / "metrics.json").read_text())
    assert accuracy == pytest.approx(said["accuracy"], abs=0.01)
