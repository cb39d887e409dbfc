"""Every sentence on the screen, in English and Japanese, side by side.

One TOML file an area, so that several people can add words without meeting: the key `live.title`
is the table `[title]` of `live.toml`, with an entry `en` and an entry `ja`. `{name}` in a text is
filled by `t("live.title", name=...)`; `{n:vote|votes}` is filled with the number and the noun that
goes with it. `tests/test_words.py` finds keys that are used but missing,
written but unused, or that lack a language or a placeholder.

Values may come from anywhere, so a text that holds one goes to a text sink (`st.text`, `st.code`),
never to Markdown, unless the value is a number or another key's text.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Literal, cast

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")
LANGUAGE_KEY = "lang"
"""The language switch's key, in the session and in the URL."""

_SPOKEN: ContextVar[Language | None] = ContextVar("spoken", default=None)


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
    """The visitor's language; English where there is no visitor (reports, tests)."""
    chosen = _SPOKEN.get()
    if chosen is not None:
        return chosen
    if get_script_run_ctx(suppress_warning=True) is None:
        return "en"
    # On a visit's first run the switch has not been drawn yet, but the URL may already say.
    asked = st.session_state.get(LANGUAGE_KEY) or st.query_params.get(LANGUAGE_KEY)
    return cast("Language", asked if asked in LANGUAGES else browser_language())


def browser_language() -> Language:
    """The language the visitor's browser asks for, if it is one of ours."""
    asked = (st.context.locale or "en").partition("-")[0]
    return "ja" if asked == "ja" else "en"


def moment() -> str:
    """How a table writes a moment: Streamlit says "5 minutes ago" in English only."""
    return "distance" if language() == "en" else "YYYY-MM-DD HH:mm"


def areas() -> dict[str, dict[str, dict[str, str]]]:
    """All words: area, name, language."""
    return {path.stem: _area(path.stem) for path in sorted(Path(__file__).parent.glob("*.toml"))}


@cache
def _area(area: str) -> dict[str, dict[str, str]]:
    path = Path(__file__).parent / f"{area}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))
