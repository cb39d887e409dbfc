import pytest

from drpo.evaluation.texts import RougeL, distinct_n, repetition, words


def test_words_are_lower_case_and_japanese_is_split_by_character():
    assert words("The cat's 2 hats!") == ["the", "cat", "s", "2", "hats"]
    assert words("猫がsat。") == ["猫", "が", "sat"]


def test_distinct_2_by_hand():
    # Bigrams: ab, bc, ab: two different of three.
    assert distinct_n(["a b c", "a b"]) == pytest.approx(2 / 3)
    assert distinct_n(["same same same same"]) == pytest.approx(1 / 3)
    assert distinct_n(["a", ""]) == 0.0


def test_repetition_by_hand():
    # Trigrams of "a b c a b c": abc, bca, cab, abc: one of four was there before.
    assert repetition("a b c a b c") == pytest.approx(0.25)
    assert repetition("a b c d e") == 0.0
    assert repetition("go") == 0.0
    assert repetition("the the the the the the") == pytest.approx(0.75)


def test_rouge_l_by_hand():
    # Longest common subsequence "police the gunman": 3 of 4 words on both sides.
    rouge = RougeL()
    assert rouge("police kill the gunman", "police the ended gunman") == pytest.approx(0.75)
    assert rouge("", "anything") == 0.0


def test_rouge_l_sees_japanese():
    # 猫 が 寝 た against 猫 が 鳴 い た: common 猫 が た, precision 3/4, recall 3/5.
    assert RougeL()("猫が寝た", "猫が鳴いた") == pytest.approx(2 * 0.75 * 0.6 / 1.35)
