"""Every sentence that a person is shown, in English and Japanese, side by side.

What is stored are codes and values; the sentence is made here when it is shown: on a screen, in a
report, on the command line. One TOML file an area, so that several people can add words without
meeting: the key `live.title` is the table `[title]` of `live.toml`, with an entry `en` and an entry
`ja`. `{name}` in a text is filled by `t("live.title", name=...)`; `{n:vote|votes}` is filled with
the number and the noun that goes with it. `tests/i18n/test_words.py` finds keys that are used but
missing, written but unused, or that lack a language or a placeholder.

Values may come from anywhere, so a text that holds one goes to a text sink (`st.text`, `st.code`),
never to Markdown, unless the value is a number or another key's text.

The language is the one named in the call, else the one `spoken` now, else that of the dashboard's
visitor, else that of the process: `DRPO_LANG`, by default the locale's.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Literal

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Where a terminal says its language; the first that is set counts, as in POSIX."""

_SPOKEN: ContextVar[Language | None] = ContextVar("spoken", default=None)
_visitors_language: Callable[[], Language | None] | None = None


class _Counting(Formatter):
    """Fills `{n:vote|votes}` with "1 vote" or "20 votes"; all else as `str.format` does."""

    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401 - as inherited
        one, bar, many = format_spec.partition("|")
        if not bar:
            return str(super().format_field(value, format_spec))
        return f"{value} {one if str(value) == '1' else many}"


_COUNTING = _Counting()


def t(key: str, *, lang: Language | None = None, **values: Any) -> str:  # noqa: ANN401
    """Return one text in the visitor's language.

    Args:
        key: `area.name`.
        lang: Another language than the visitor's, for reports and tests.
        **values: What fills the placeholders.

    Raises:
        KeyError: No such text; a bug of ours that the tests find.
    """
    text = entry(key)[lang or language()]
    return _COUNTING.vformat(text, (), values) if values else text


def has(key: str) -> bool:
    """Say whether there is such a text; for keys made from a metric's or a setting's name."""
    area, _, name = key.partition(".")
    return name in _area(area)


def entry(key: str) -> dict[str, str]:
    """Return a text in all languages."""
    area, _, name = key.partition(".")
    return _area(area)[name]


@contextmanager
def spoken(lang: Language) -> Iterator[None]:
    """Speak a language whatever the visitor's is; a report has one of its own."""
    token = _SPOKEN.set(lang)
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def language() -> Language:
    """The language that is spoken here and now."""
    spoken_here = _SPOKEN.get()
    if spoken_here is None and _visitors_language is not None:
        spoken_here = _visitors_language()
    return spoken_here or process_language()


def ask_visitor_by(find: Callable[[], Language | None]) -> None:
    """Say how a visitor's language is found; None from it means that nobody visits."""
    global _visitors_language
    _visitors_language = find


def process_language() -> Language:
    """The language of this process: `DRPO_LANG`, else the locale's; English unless Japanese."""
    asked = os.environ.get("DRPO_LANG") or next(
        filter(None, map(os.environ.get, LOCALE_VARIABLES)), ""
    )
    return "ja" if asked.lower().startswith("ja") else "en"


def areas() -> dict[str, dict[str, dict[str, str]]]:
    """All words: area, name, language."""
    return {path.stem: _area(path.stem) for path in sorted(Path(__file__).parent.glob("*.toml"))}


@cache
def _area(area: str) -> dict[str, dict[str, str]]:
    path = Path(__file__).parent / f"{area}.toml"
    if not area.isidentifier() or not path.is_file():  # a stored code of another version
        raise KeyError(area)
    return tomllib.loads(path.read_text(encoding="utf-8"))
