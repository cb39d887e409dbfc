"""Which language is spoken: the one named, else the visitor's, else the process's."""

import json

import pytest

from drpo import i18n
from drpo.i18n import format, spoken, t
from drpo.i18n.message import Message, text_of


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ja_JP"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "DRPO_LANG": "en"}, "en"),
        ({"LANG": "en_US.UTF-8", "DRPO_LANG": "ja"}, "ja"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_a_process_speaks_as_drpo_lang_says_else_as_the_locale(monkeypatch, environment, language):
    for name in ("DRPO_LANG", *i18n.LOCALE_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert i18n.language() == language


def test_the_visitor_comes_before_the_process_and_what_is_spoken_before_the_visitor(monkeypatch):
    monkeypatch.setattr(i18n, "_visitors_language", lambda: "ja")
    assert t("frame.home") == "ホーム"
    with spoken("en"):
        assert t("frame.home") == "Home"
    monkeypatch.setattr(i18n, "_visitors_language", lambda: None)
    assert t("frame.home") == "Home"


def test_a_message_is_stored_as_a_code_and_values_and_said_in_either_language():
    found = Message("rows.message_type", number=2, found=Message("rows.type_number"))
    assert str(found) == "message 2 is a number, not an object"
    kept = json.loads(json.dumps(found.as_dict()))
    assert Message.from_dict(kept) == found
    with spoken("ja"):
        assert text_of(kept, "") == "2 番目のメッセージが、オブジェクトではなく数値です"
        assert str(found) == "message 2 is a number, not an object"


def test_what_this_version_has_no_words_for_is_told_in_the_sentence_that_was_stored():
    assert text_of(None, "as it was") == "as it was"
    assert text_of({"code": "rows.of_tomorrow", "values": {}}, "as it was") == "as it was"
    assert text_of({"code": "rows.like", "values": {"a": 1}}, "as it was") == "as it was"
    assert text_of({"code": "nowhere.like", "values": {}}, "as it was") == "as it was"


def test_a_share_without_its_sign_has_a_real_minus():
    assert [format.bare(value) for value in (0.684, -0.05, None)] == ["68", "−5", "–"]
