"""A verdict in large: its sentence in both languages, its three numbers, what was risked."""

from __future__ import annotations

import html

from drpo.dashboard.client.analysis import Verdict
from drpo.dashboard.client.analysis import verdict_words as say
from drpo.dashboard.components.hero import draw_hero, gauge
from drpo.i18n import LANGUAGES, language, spoken

CALL_MEANING = {"better": "gold", "worse": "alarm", "open": "start", None: "start"}
"""The colour of what a verdict calls."""


def show_verdict(verdict: Verdict) -> None:
    """The verdict in one large sentence, the same in the other language, and its interval."""
    call = verdict.main.call if verdict.main else None
    meaning = CALL_MEANING[call]
    parts = [
        f'<p class="call"><span aria-hidden="true">{say.SYMBOL[call]}</span> '
        f"{html.escape(say.headline(verdict))}</p>",
        f'<p class="said">{html.escape(say.sentence(verdict))}</p>',
        *(_in_other_language(verdict, lang) for lang in LANGUAGES if lang != language()),
    ]
    if verdict.main is not None:
        parts += [
            f'<p class="by">{html.escape(say.judged_by(verdict))} '
            f"{html.escape(say.tally(verdict.main))}</p>",
            gauge(verdict.main),
        ]
    draw_hero(meaning, parts)


def _in_other_language(verdict: Verdict, lang: str) -> str:
    with spoken(lang):  # type: ignore[arg-type]
        return f'<p class="other" lang="{lang}">{html.escape(say.sentence(verdict))}</p>'
