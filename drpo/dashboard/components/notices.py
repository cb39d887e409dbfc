"""Sentences that something went wrong, or is worth knowing: always as text, never as Markdown.

A message may quote a file name or a row, so it must not be able to draw, link or fetch anything.
"""

from __future__ import annotations

import functools
import html
import logging
from collections.abc import Callable
from typing import Literal, ParamSpec

import streamlit as st

from drpo.errors import DrpoError
from drpo.i18n import t

log = logging.getLogger(__name__)
P = ParamSpec("P")

Kind = Literal["problem", "warning", "note", "done"]

# Symbols beside the colour: meaning never hangs on colour alone.
_SYMBOL: dict[Kind, str] = {"problem": "✕", "warning": "!", "note": "i", "done": "✓"}
_MEANING: dict[Kind, str] = {
    "problem": "alarm",
    "warning": "reset",
    "note": "learned",
    "done": "gold",
}


def notice(kind: Kind, text: str, *, title: str = "") -> None:
    """Show one message in a box.

    Args:
        kind: Its weight; also said by a symbol and, for problems, to screen readers at once.
        text: The message. May hold text of unknown origin.
        title: A few bold words before it.
    """
    colour = f"var(--drpo-{_MEANING[kind]})"
    bold = f"<strong>{html.escape(title)}</strong><br>" if title else ""
    role = "alert" if kind == "problem" else "status"
    box = (
        "display:flex;gap:.75rem;padding:.75rem 1rem;border-radius:8px;line-height:1.5;"
        f"background:color-mix(in srgb, {colour} 13%, transparent);"
        f"border-left:4px solid {colour}"
    )
    # HTML, since Streamlit's own boxes read Markdown; the texts are escaped.
    st.html(
        f'<div role="{role}" style="{box}">'
        f'<strong aria-hidden="true" style="min-width:1ch">{_SYMBOL[kind]}</strong>'
        '<span style="white-space:pre-wrap;overflow-wrap:anywhere">'
        f"{bold}{html.escape(text)}</span></div>"
    )


def show_problem(error: Exception) -> None:
    """Say what went wrong: the error's own sentence, or a plain one for a bug of ours."""
    if isinstance(error, DrpoError):
        notice("problem", str(error))
        return
    log.error("A screen failed", exc_info=error)
    notice("problem", t("frame.bug", kind=type(error).__name__), title=t("frame.bug_title"))


def guarded(function: Callable[P, None]) -> Callable[P, None]:
    """Let a fragment end in a sentence instead of a traceback.

    A fragment runs outside the page that holds it, so the page's own handling does not see it.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception as error:
            show_problem(error)

    return run
