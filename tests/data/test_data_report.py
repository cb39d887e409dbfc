"""The report names what is wrong, measures what matters, and judges honestly."""

import json

import pytest
from data_material import THINGS, report_on, rows
from transformers import PreTrainedTokenizerFast

from drpo.data.io.source import Source
from drpo.data.pairs import Pair
from drpo.data.quality import wording
from drpo.data.quality.languages import language_of, scripts_differ
from drpo.data.quality.readiness import verdict
from drpo.data.quality.report_text import report_lines
from drpo.data.quality.summary_stats import histogram, share_interval
from drpo.data.quality.token_lengths import Tokens, Words
from drpo.errors import ModelError
from drpo.i18n import spoken
from drpo.modeling.tokenization import Vocabulary


def kinds(report, severity: str) -> dict[str, list[int]]:
    return {entry["kind"]: entry["rows"] for entry in report[severity]}


def test_duplicates_near_duplicates_and_conflicts_are_named_by_row():
    base = rows(6)
    near = {**base[1], "prompt": str(base[1]["prompt"]).upper() + "!"}
    swapped = {**base[2], "chosen": base[2]["rejected"], "rejected": base[2]["chosen"]}
    _, report = report_on([*base, base[0], near, swapped])
    found = kinds(report, "warnings")
    assert found["duplicate"] == [7]
    assert found["near_duplicate"] == [8]
    assert found["conflict"] == [3, 9]
    assert report["duplicates"]["exact"] == 1
    assert report["counts"] == {
        "rows": 9,
        "pairs": 9,
        "prompts": 7,
        "distinct_prompts": 6,
        "set_apart": 0,
        "demonstrations": 0,
    }


def test_control_characters_and_mixed_scripts_are_named():
    base = rows(3)
    base[1]["chosen"] = "with a bell \x07 in it"
    base[2]["chosen"] = "これは日本語の答えです。"
    _, report = report_on(base)
    found = kinds(report, "warnings")
    assert found["control_characters"] == [2]
    assert found["mixed_language"] == [3]
    entry = next(e for e in report["warnings"] if e["kind"] == "control_characters")
    assert entry["details"]["2"] == "U+0007 in chosen, character 13"


def test_languages_are_told_apart():
    texts = {
        "English": "The cat is on the mat and it was happy.",
        "German": "Das ist nicht die Katze.",
        "French": "Le chat est dans la maison.",
        "Japanese": "東京は日本の首都です。",
        "Chinese": "北京是中国的首都",
        "Korean": "서울은 수도입니다",
        "other": "Zzz!",
    }
    assert {name: language_of(text) for name, text in texts.items()} == {n: n for n in texts}
    assert scripts_differ("東京は？", "首都", "都市") is None


def test_the_longer_wins_rule_gets_its_share_with_an_interval():
    base = rows(150)
    for row in base[:30]:
        row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
    _, report = report_on(base)
    wins = report["length_bias"]["longer_wins"]
    assert wins["share"] == pytest.approx(0.8)
    # Wilson's interval for 120 of 150, worked by hand: .7287 to .8562.
    assert (wins["low"], wins["high"]) == pytest.approx((0.7287, 0.8562), abs=5e-4)
    assert "bias_longer" in [reason["code"] for reason in report["verdict"]["reasons"]]


def test_an_interval_of_nothing_is_everything():
    assert share_interval(0, 0) == {"share": 0.0, "low": 0.0, "high": 1.0, "count": 0}


def test_a_histogram_counts_every_value_once():
    data = histogram(a=[1, 1, 2, 5, 900], b=[2, 3])
    assert sum(data["a"]) == 5
    assert sum(data["b"]) == 2
    assert len(data["edges"]) == len(data["a"]) + 1
    assert histogram(a=[]) == {"edges": [], "a": []}


def test_words_count_characters_where_a_script_has_no_spaces():
    assert Words().measure(["two words", "東京 abc", ""]).lengths == [2, 3, 0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A word-level tokenizer that knows few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<unk>", "The", "was", "old", ",", ".", "?", "What", "of", "the", "No", *THINGS]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    place = tmp_path_factory.mktemp("model")
    tokenizer.save(str(place / "tokenizer.json"))
    return place


def test_token_limits_and_unknown_words_are_named(folder):
    base = [
        {"prompt": "What of the kite?", "chosen": "The kite was old.", "rejected": "No."},
        {"prompt": "What of the zeppelin?", "chosen": "The kite was old.", "rejected": "No."},
        {
            "prompt": "What of " * 9 + "?",
            "chosen": "The kite was old, old, old.",
            "rejected": "No.",
        },
        {"prompt": "What of the bell?", "chosen": "No", "rejected": "The bell was old."},
        # Six tokens: none is left for the end.
        {"prompt": "What of the drum?", "chosen": "The drum was old, old", "rejected": "No."},
    ]
    _, report = report_on(base, model=folder, max_prompt_length=10, response_length=6)
    assert kinds(report, "blockers") == {"long_prompt": [3]}
    warned = kinds(report, "warnings")
    assert warned["dropped_characters"] == [2]
    assert warned["long_answer"] == [3, 5]
    assert "short_answer" not in warned
    # With their ends they have 6, 6, 10, 2 and 7 tokens; training cuts them at 6.
    assert report["resets"]["positions"] == 6 + 6 + 6 + 2 + 6
    assert report["lengths"]["unit"] == "tokens"


def test_characters_that_a_tokenizer_swallows_are_found(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = {chr(code): code - 32 for code in range(32, 127)}
    tokenizer = Tokenizer(models.BPE(letters, [], unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert Tokens(tmp_path).measure(["plain", "caf\u00e9"]).unknown == {1: "\u00e9"}


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        Tokens(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be read"):
        Tokens(tmp_path)


def test_reset_positions_and_filters_come_from_the_data_itself():
    base = [{**row, "margin": n} for n, row in enumerate(rows(8))]
    _, report = report_on(base)
    assert report["resets"]["answers"] == 8
    # Before every word, and before the end.
    assert report["resets"]["positions"] == sum(len(str(r["chosen"]).split()) + 1 for r in base)
    kept = report["filters"]["margin"]["kept"][1]
    assert (kept["keep"], kept["answers"], kept["threshold"], kept["mean_figure"]) == (
        0.5,
        4,
        4.0,
        5.5,
    )
    assert report["filters"]["score"] is None
    assert report["margins"]["summary"]["mean"] == pytest.approx(3.5)


def test_answers_of_one_token_are_reset_into_as_training_does(folder):
    base = [{**row, "chosen": THINGS[n % 12]} for n, row in enumerate(rows(300))]
    _, report = report_on(base, model=folder, response_length=8)
    vocabulary = Vocabulary.of(
        PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "tokenizer.json"), unk_token="<unk>", eos_token="?"
        )
    )
    prompts, texts = ([row[name] for row in base] for name in ("prompt", "chosen"))
    trained = vocabulary.answers(prompts, texts, 8)
    assert report["resets"]["answers"] == sum(len(answer) >= 2 for answer in trained) == 300
    assert report["resets"]["positions"] == sum(map(len, trained))
    assert "short_answer" not in kinds(report, "warnings")
    codes = [reason["code"] for reason in report["verdict"]["reasons"]]
    assert "few_positions" in codes
    assert "no_positions" not in codes


def test_an_answer_that_leaves_no_token_is_too_short_to_reset_into(tmp_path):
    from tokenizers import Tokenizer, models

    Tokenizer(models.BPE({"a": 0, "?": 1}, [])).save(str(tmp_path / "tokenizer.json"))
    base = [{"prompt": f"{'a' * n}?", "chosen": "é" * n, "rejected": "a?"} for n in range(1, 5)]
    base[0]["chosen"] = "aa"
    _, report = report_on(base, model=tmp_path)
    assert kinds(report, "warnings")["short_answer"] == [2, 3, 4]
    assert (report["resets"]["answers"], report["resets"]["too_short"]) == (1, 3)
    assert report["resets"]["positions"] == 3
    assert "no_positions" in [reason["code"] for reason in report["verdict"]["reasons"]]


def test_the_split_keeps_equal_prompts_together_where_a_split_by_rows_would_leak():
    base = [{**row, "chosen": f"{row['chosen']} {n}"} for n in range(4) for row in rows(20)]
    _, report = report_on(base)
    assert report["splits"]["leaked"] == 0
    assert report["splits"]["naive_leaked"] > 0
    assert report["splits"]["train"] + report["splits"]["heldout"] == 80


@pytest.mark.parametrize(
    ("count", "level", "code"),
    [
        (2_000, "fit with care", "bias_longer"),
        (150, "fit with care", "small"),
        (20, "not fit", "few_pairs"),
    ],
)
def test_the_verdict_gives_the_reason_that_weighs_most_first(count, level, code):
    _, report = report_on(rows(count))
    assert report["verdict"]["level"] == level
    assert report["verdict"]["reasons"][0]["code"] == code


def test_balanced_lengths_and_enough_pairs_are_fit():
    base = rows(2_100)
    for number, row in enumerate(base):
        row["rejected"] = f"{row['chosen']} " + ("Not at all so." if number % 2 else "")
        if not number % 2:
            row["rejected"] = " ".join(str(row["chosen"]).split()[:9])
    _, report = report_on(base)
    assert report["verdict"]["level"] == "fit"


def test_low_coverage_is_a_reason_for_care():
    _, report = report_on(rows(30))
    judged = verdict({**report, "coverage": {"chosen": {"mean": -7.5}}})
    assert "uncovered" in [reason["code"] for reason in judged["reasons"]]


def test_the_report_is_plain_json():
    _, report = report_on(rows(4))
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_terminal_shows_the_verdict_and_the_rows():
    _, report = report_on([*rows(3), {"prompt": "p", "chosen": "", "rejected": "x"}])
    text = "\n".join(report_lines(report))
    assert "Can it carry DR-PO? Not fit" in text
    assert "empty answer: 1 row, namely 4 (chosen)" in text


def test_progress_is_told_while_rows_are_read():
    from drpo.data.loading import read_pairs

    told = []
    content = "".join(json.dumps(row) + "\n" for row in rows(4_500)).encode()
    source = Source.from_bytes(content, name="f")
    read_pairs(source, progress=lambda stage, done, total: told.append((stage, done, total)))
    assert told == [("read", 2000, 0), ("read", 4000, 0)]


def test_pairs_keep_their_row_numbers_from_the_file():
    loaded, _ = report_on([{"prompt": "", "chosen": "a", "rejected": "b"}, *rows(2)])
    assert [pair.row for pair in loaded.pairs] == [2, 3]
    assert isinstance(loaded.pairs[0], Pair)


def test_a_file_of_demonstrations_is_called_that_and_its_rows_are_checked():
    base = [{"prompt": f"Tell me {n}:", "response": f" word {n}"} for n in range(3)]
    _, report = report_on([*base, {"prompt": "p", "response": ""}])
    assert report["counts"]["demonstrations"] == 3
    assert kinds(report, "blockers") == {"empty_answer": [4]}
    assert report["verdict"]["reasons"][0]["code"] == "demonstrations"


BAD = [
    ({"prompt": 7}, "wrong_type", "prompt が 7 です（文章が必要）"),
    ({"chosen": ""}, "empty_answer", "chosen"),
    ({"chosen": "a \x07"}, "control_characters", "chosen の 3 文字目に U+0007"),
    (
        {"chosen": "これは日本語の答えです。"},
        "mixed_language",
        "chosen はかな、rejected はラテン文字",
    ),
    (
        {"chosen": [{"role": "x"}]},
        "wrong_type",
        "1 番目のメッセージの役割 'x' は未知です",
    ),
    ({"chosen": [7]}, "wrong_type", "1 番目のメッセージが、オブジェクトではなく数値です"),
    ({"margin": -0.5}, "negative_margin", "差 -0.5"),
]


@pytest.mark.parametrize(("bad", "kind", "japanese"), BAD)
def test_what_is_wrong_with_a_row_is_stored_as_a_code_and_said_in_either_language(
    bad, kind, japanese
):
    _, report = report_on([*rows(3), {**rows(4)[3], **bad}])
    [entry] = [e for e in (*report["blockers"], *report["warnings"]) if e["kind"] == kind]
    assert wording.rows_with_details(entry, 9) == f"4 ({entry['details']['4']})"
    with spoken("ja"):
        assert wording.rows_with_details(entry, 9) == f"4 ({japanese})"


def test_a_report_of_before_codes_shows_the_sentences_that_it_holds():
    _, report = report_on([*rows(3), {"prompt": "p", "chosen": "", "rejected": "x"}])
    [entry] = report["blockers"]
    del entry["detail_codes"]
    del report["recognised"]["reason_code"]
    with spoken("ja"):
        assert wording.rows_with_details(entry, 9) == "4 (chosen)"
        assert wording.reading(report["recognised"]).startswith("The columns are named so:")


def test_the_terminal_speaks_japanese_and_the_stored_report_does_not_change():
    lines = [*rows(3), {"prompt": "p", "chosen": "", "rejected": "x"}, rows(1)[0]]
    _, report = report_on(lines)
    with spoken("ja"):
        _, again = report_on(lines)
        text = "\n".join(report_lines(report))
    assert {**again, "seconds": 0} == {**report, "seconds": 0}
    assert "DR-PO に使えますか？ 使えません" in text
    assert "空の回答：1 行（4 (chosen)）" in text
    assert "列名のとおり" in text
