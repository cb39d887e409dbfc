"""Which script and language a text is in: enough to see a mixture, without a model."""

from __future__ import annotations

import re
from collections import Counter

from drpo.i18n.message import Message

SEEN_CHARS = 600
"""The beginning of a text tells its language."""

_SCRIPTS = {
    "kana": re.compile(r"[\u3041-\u30ff\uff66-\uff9d]"),
    "han": re.compile(r"[\u3400-\u9fff]"),
    "hangul": re.compile(r"[\uac00-\ud7af\u1100-\u11ff]"),
    "cyrillic": re.compile(r"[\u0400-\u04ff]"),
    "arabic": re.compile(r"[\u0600-\u06ff]"),
    "hebrew": re.compile(r"[\u0590-\u05ff]"),
    "greek": re.compile(r"[\u0370-\u03ff]"),
    "thai": re.compile(r"[\u0e00-\u0e7f]"),
    "devanagari": re.compile(r"[\u0900-\u097f]"),
    "latin": re.compile(r"[A-Za-z\u00c0-\u024f]"),
}
_WEIGHT = {"kana": 2.0, "han": 2.0, "hangul": 2.0}
"""One such character says as much as two letters."""

_COMMON = {
    "English": "the and of to is in that it for you was with on are this be have not my i a "
    "an as do no so me he she we they or by but at from can will your what how his her all one "
    "there if would about when which who out up were been has had their more am also man was die",
    "German": "der die und das ist nicht ein eine zu den mit ich sie es auf für von dem im",
    "French": "le la les et des est une un que pour dans pas du vous je sur qui il au ce",
    "Spanish": "el la los de que y en un una es por con para las del se no su lo como",
    "Italian": "il di che la e un per una non sono con del della è le gli da mi si come",
    "Portuguese": "o de que e a do da em um para com uma os não no se na por as mais",
    "Dutch": "de het een en van is dat niet ik op te zijn voor met die aan er maar om",
    "Romanian": "și de la în cu un o este pe care nu să din pentru al mai sunt lui ce",
}
# A word that two languages share tells nothing, and English is the likely one of the two.
_ENGLISH = frozenset(_COMMON["English"].split())
_SHARED = Counter(word for words in _COMMON.values() for word in set(words.split()))
_WORDS = {
    language: frozenset(
        word
        for word in words.split()
        if language == "English" or (word not in _ENGLISH and _SHARED[word] == 1)
    )
    for language, words in _COMMON.items()
}
_WORD = re.compile(r"[^\W\d_]+")
_NAMES = {
    "hangul": "Korean",
    "cyrillic": "Cyrillic script",
    "arabic": "Arabic script",
    "hebrew": "Hebrew",
    "greek": "Greek",
    "thai": "Thai",
    "devanagari": "Devanagari script",
    "han": "Chinese",
    "kana": "Japanese",
}


def script_of(text: str) -> str:
    """Return the script most of a text is in; empty for a text without letters.

    Japanese mixes kana and Chinese characters; any kana in the mixture makes it `kana`.
    """
    part = text[:SEEN_CHARS]
    if part.isascii():
        return "latin" if any(map(str.isalpha, part)) else ""
    counts = {
        script: len(pattern.findall(part)) * _WEIGHT.get(script, 1.0)
        for script, pattern in _SCRIPTS.items()
    }
    if counts["kana"]:
        counts["kana"] += counts.pop("han")
    best = max(counts, key=lambda script: counts[script])
    return best if counts[best] else ""


def language_of(text: str) -> str:
    """Guess the language of a text, in English words; `other` where nothing tells."""
    script = script_of(text)
    if script != "latin":
        return _NAMES.get(script, "other")
    words = set(_WORD.findall(text[:SEEN_CHARS].casefold()))
    hits = {language: len(words & common) for language, common in _WORDS.items()}
    best = max(hits, key=lambda language: hits[language])
    return best if hits[best] >= 2 or (hits[best] == 1 and len(words) < 8) else "other"


def scripts_differ(prompt: str, chosen: str, rejected: str) -> Message | None:
    """Say how prompt and answers differ in script; None when they do not."""
    scripts = [script_of(text) for text in (prompt, chosen, rejected)]
    # An answer in Chinese characters alone may well be Japanese.
    families = ["han" if script == "kana" else script for script in scripts]
    if families[1] and families[2] and families[1] != families[2]:
        chosen_in, rejected_in = _called(scripts[1]), _called(scripts[2])
        return Message("rows.scripts_answers", chosen=chosen_in, rejected=rejected_in)
    if families[0] and families[1] and families[0] != families[1]:
        prompt_in, answers_in = _called(scripts[0]), _called(scripts[1])
        return Message("rows.scripts_prompt", prompt=prompt_in, answers=answers_in)
    return None


def _called(script: str) -> Message:
    return Message(f"rows.script_{script}")
