"""The string table is whole: nothing missing, nothing unused, both languages say the same."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from drpo import i18n

ROOT = Path(__file__).parents[2]
SOURCES = [*(ROOT / "pages").glob("*.py"), *(ROOT / "drpo").rglob("*.py")]
# Their keys are the names of settings and metrics; other tests compare those sets.
USED_BY_NAME = ("settings.", "metrics.")


def used_keys() -> list[tuple[str, str]]:
    """The first argument of every `t(...)` and `Message(...)` as a pattern, with its place."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _makes_a_sentence(node.func) and node.args:
                place = f"{path.name}:{node.lineno}"
                found.extend((pattern, place) for pattern in key_patterns(node.args[0]))
    return found


def _makes_a_sentence(function: ast.expr) -> bool:
    return getattr(function, "id", "") in ("t", "Message")


def key_patterns(node: ast.expr) -> list[str]:
    match node:
        case ast.Constant(value=str(text)):
            return [re.escape(text)]
        case ast.JoinedStr(values=parts):
            return [
                "".join(re.escape(p.value) if isinstance(p, ast.Constant) else ".+" for p in parts)
            ]
        case ast.IfExp(body=body, orelse=orelse):
            return [*key_patterns(body), *key_patterns(orelse)]
        case _:
            return []


ALL = {
    f"{area}.{name}": text for area, names in i18n.areas().items() for name, text in names.items()
}


def test_every_key_in_use_has_words():
    missing = [
        f"{pattern} at {place}"
        for pattern, place in used_keys()
        if not any(re.fullmatch(pattern, key) for key in ALL)
    ]
    assert missing == []


def test_every_text_is_used_somewhere():
    patterns = [re.compile(pattern) for pattern, _ in used_keys()]
    unused = [
        key
        for key in ALL
        if not key.startswith(USED_BY_NAME)
        and not any(pattern.fullmatch(key) for pattern in patterns)
    ]
    assert unused == []


@pytest.mark.parametrize("key", sorted(ALL))
def test_both_languages_are_there_with_the_same_placeholders(key):
    text = ALL[key]
    assert text["en"].strip()
    assert text["ja"].strip()
    fields = {
        lang: sorted(name for _, name, _, _ in Formatter().parse(text[lang]) if name)
        for lang in i18n.LANGUAGES
    }
    assert fields["en"] == fields["ja"]


def test_a_text_is_filled_and_the_language_can_be_named():
    assert i18n.t("frame.home") == "Home"
    assert i18n.t("frame.home", lang="ja") == "ホーム"


def test_one_of_a_thing_is_not_several():
    said = i18n.t("verdict.judge_people", n="1"), i18n.t("verdict.judge_people", n="20")
    assert [text.partition(":")[2] for text in said] == [" 1 blind vote.", " 20 blind votes."]
    assert "1 件" in i18n.t("verdict.judge_people", lang="ja", n="1")
