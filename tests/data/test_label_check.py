"""The check of labels finds planted errors, knows how many there are, and says when it cannot."""

import json

import numpy as np
import pytest

from drpo.cli import main
from drpo.data.io.source import Source
from drpo.data.labels.cross_fit import FOLDS, cross_fit, deal
from drpo.data.labels.label_check import check_labels
from drpo.data.labels.label_text import label_lines
from drpo.data.labels.noise import estimate_noise
from drpo.data.library.cleaning import Recipe, fix
from drpo.data.library.label_decisions import LabelDecisions
from drpo.data.loading import read_pairs
from drpo.data.pairs import Pair
from drpo.errors import DataError
from drpo.i18n import spoken
from drpo.system.bundled import bundled
from tests.data.label_material import honest_pairs, loaded, turned, with_wrong


def test_planted_errors_come_first_and_their_share_lies_in_the_interval():
    pairs, wrong = with_wrong(honest_pairs(600), 0.2)
    judged = cross_fit(pairs)
    first = np.argsort(judged.probability)[:100]
    assert wrong[first].mean() > 0.95
    noise = estimate_noise(judged.probability, judged.groups)
    assert noise.strength != "weak"
    assert noise.wrong.low <= 0.2 <= noise.wrong.high


def test_errors_in_the_sample_material_are_found():
    known = read_pairs(Source.from_path(bundled("sample_data") / "files" / "tldr.jsonl.gz"))
    pairs = known.pairs[:1_500]
    wrong = np.array([pair.gold_chosen < pair.gold_rejected for pair in pairs])
    first = np.argsort(cross_fit(pairs).probability)[:100]
    assert wrong[first].mean() > 0.9
    assert 0.05 < wrong.mean() < 0.15


def test_a_pairs_own_label_has_no_say_in_its_probability():
    pairs, _ = with_wrong(honest_pairs(200), 0.1)
    before = cross_fit(pairs).probability
    after = cross_fit([turned(pairs[0]), *pairs[1:]]).probability
    assert after[0] == pytest.approx(1 - before[0], abs=1e-3)


def test_pairs_of_one_prompt_are_judged_together():
    groups = np.array([0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9] * 5)
    folds = deal(groups, seed=3)
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    sizes = np.bincount(folds, minlength=FOLDS)
    assert sizes.max() - sizes.min() <= 15  # the largest group


def test_labels_that_only_length_explains_are_told_from_the_rest():
    rng = np.random.default_rng(0)
    pairs = []
    for number, pair in enumerate(honest_pairs(400)):
        words = rng.permutation(["river", "stone", "lamp", "bread", "cloud"] * 3)
        long, short = " ".join(words), " ".join(words[:5])
        pairs.append(Pair(pair.prompt, f" {long}.", f" {short}.", row=number + 1))
    pairs, _ = with_wrong(pairs, 0.15)
    found = check_labels(loaded(pairs))
    assert found["length"]["alone"] == pytest.approx(0.85, abs=0.01)
    assert found["length"]["rest"] < found["length"]["alone"]
    assert found["suspects"][0]["chosen"].count(" ") < found["suspects"][0]["rejected"].count(" ")


def test_labels_drawn_by_lot_are_not_given_a_share_of_errors():
    pairs, _ = with_wrong(honest_pairs(300), 0.5)
    found = check_labels(loaded(pairs))
    assert found["model"]["strength"] == "weak"
    assert found["wrong"]["at_most"] >= 0.45
    with spoken("en"):
        lines = list(label_lines(found))
    assert any("cannot be told" in line for line in lines)


def test_nearly_the_same_answers_judged_both_ways_are_named():
    pairs = honest_pairs(60)
    long = " This answer goes on for quite a while, so that one full stop is no difference to it"
    other = " That answer is another one altogether and says the very opposite of the first one"
    pairs[4] = Pair("One and the same question of some length?\n", long, other, row=5)
    pairs[9] = Pair("One and the same question of some length?\n", other + ".", long + "!!", row=10)
    pairs[14] = Pair("One and the same question of some length?\n", other + " x", long, row=15)
    found = check_labels(loaded(pairs))
    assert (5, 10) in found["both_ways"]
    assert (10, 5) in found["both_ways"]


def test_too_few_pairs_to_learn_from_are_refused():
    with pytest.raises(DataError, match="at least 40 pairs"):
        check_labels(loaded(honest_pairs(39)))
    alike = [Pair("One prompt?", pair.chosen, pair.rejected) for pair in honest_pairs(60)]
    with pytest.raises(DataError, match="10 different prompts"):
        check_labels(loaded(alike))


def test_single_pairs_are_dropped_and_turned_around():
    pairs = honest_pairs(5)
    fixed, account = fix(loaded(pairs), Recipe(drop=(2,), flip=(4,)))
    assert [pair.row for pair in fixed.pairs] == [1, 3, 4, 5]
    assert (fixed.pairs[2].chosen, fixed.pairs[2].rejected) == (pairs[3].rejected, pairs[3].chosen)
    assert account["left_out"]["by_hand"] == 1
    assert account["steps"]["flip"] == [4]
    with pytest.raises(DataError, match="both dropped and flipped"):
        fix(loaded(pairs), Recipe(drop=(2,), flip=(2,)))
    with pytest.raises(DataError, match="no pair 6"):
        fix(loaded(pairs), Recipe(drop=(6,)))


def test_the_command_lists_suspects_and_import_takes_their_numbers(
    store, tmp_path, capsys, monkeypatch
):
    pairs, wrong = with_wrong(honest_pairs(120), 0.1)
    file = tmp_path / "pairs.jsonl"
    rows = [{"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected} for p in pairs]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(["data", *words])
        assert ended.value.code == 0
        return capsys.readouterr().out

    found = json.loads(run("labels", str(file), "--json"))
    worst = [suspect["pair"] for suspect in found["suspects"][:6]]
    assert all(wrong[number - 1] for number in worst)
    drop, flip = ",".join(map(str, worst[:4])), ",".join(map(str, worst[4:]))
    run("import", str(file), "posts", "--drop", drop, "--flip", flip)
    [version] = store.datasets.all()
    assert version.rows == 116
    assert version.recipe["steps"]["flip"] == worst[4:]
    assert json.loads(run("labels", "posts", "--json"))["pairs"] == 116
    monkeypatch.setenv("DRPO_LANG", "ja")
    assert "ラベルの約" in run("labels", str(file))


def test_decisions_are_kept_beside_the_upload_and_hold_for_what_was_read(tmp_path):
    decided = LabelDecisions(tmp_path, "one reading")
    for pair, choice in ((7, "drop"), (3, "flip"), (7, "keep"), (9, "drop")):
        decided.decide(pair, choice)
    again = LabelDecisions(tmp_path, "one reading")
    assert (again.pairs("drop"), again.pairs("flip"), again.pairs("keep")) == ((9,), (3,), (7,))
    again.undo()
    assert LabelDecisions(tmp_path, "one reading").pairs("drop") == ()
    assert LabelDecisions(tmp_path, "another reading").choices == {}
