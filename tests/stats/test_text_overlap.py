import pytest

from drpo.stats.text_overlap import RougeL, words


def test_words_are_lower_case_and_japanese_is_split_by_character():
    assert words("The cat's 2 hats!") == ["the", "cat", "s", "2", "hats"]
    assert words("猫がsat。") == ["猫", "が", "sat"]


def test_rouge_l_by_hand():
    # Longest common subsequence "police the gunman": 3 of 4 words on both sides.
    rouge = RougeL()
    assert rouge("police kill the gunman", "police the ended gunman") == pytest.approx(0.75)
    assert rouge("", "anything") == 0.0


def test_rouge_l_sees_japanese():
    # 猫 が 寝 た against 猫 が 鳴 い た: common 猫 が た, precision 3/4, recall 3/5.
    assert RougeL()("猫が寝た", "猫が鳴いた") == pytest.approx(2 * 0.75 * 0.6 / 1.35)
