"""What the playground shows: answers word by word, while they are written and long after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pandas as pd
import streamlit as st

from drpo.charts.palette import COLOURS
from drpo.dashboard import client
from drpo.dashboard.assets import read_assets
from drpo.dashboard.client.playground import PlaygroundSource, Sampling
from drpo.dashboard.client.store import store
from drpo.dashboard.components.notices import guarded, notice, show_problem
from drpo.dashboard.screens.playground import fields, session
from drpo.dashboard.screens.playground.session import KIND, GeneratedAnswer, Generation
from drpo.dashboard.state import url_state
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.i18n.format import number

TICK = 0.4
COLOUR_BY = ("kl", "score", "none")
SHOWN = "playground_shown"
"""In the session: the generation that is on the screen; `written` in the URL is its key."""

_TOKENS = st.components.v2.component(
    "drpo_tokens",
    html='<div class="tokens"></div>',
    js=read_assets("common.js", "tokens.js"),
    css=read_assets("tokens.css"),
)


def shown_generation() -> Generation | None:
    """The generation that the URL names, else the one written last in this visit."""
    asked = url_state.asked("written")
    here: Generation | None = st.session_state.get(SHOWN)
    if asked and (here is None or here.key != asked):
        here = session.find(store(), asked)
        st.session_state[SHOWN] = here
        if here is not None:
            fields.forget()
    if here is not None:
        url_state.record("written", here.key)
    elif asked:
        notice("warning", t("playground.gone"))
    return here


def write_buttons(
    sources: Sequence[PlaygroundSource], prompt: str, prefix: str, how: Sampling, *, go_on: bool
) -> None:
    """Start and stop; `go_on` starts without a press of the button."""
    here: Generation | None = st.session_state.get(SHOWN)
    live = here if here is not None and here.live else None
    with st.container(horizontal=True, gap="small"):
        pressed = st.button(
            t("playground.write"),
            type="primary",
            key="write",
            icon=":material/edit:",
            disabled=not sources or not prompt or not client.access.may("ask"),
        )
        if live:
            st.button(t("playground.stop"), key="stop", icon=":material/stop:", on_click=live.stop)
    if not sources:
        st.caption(t("playground.no_source"))
    if pressed or (go_on and sources and prompt):
        if live:
            live.stop()
        try:
            begun = session.start(store(), sources, prompt, prefix, how.checked())
        except DrpoError as error:
            show_problem(error)
        else:
            st.session_state[SHOWN] = begun
            url_state.record("written", begun.key)


def show_generation() -> None:
    """Show what has been written, and go on looking while it is being written."""
    here: Generation | None = st.session_state.get(SHOWN)
    if here is None:
        return
    live = here.live
    st.fragment(guarded(_show), run_every=TICK if live else None)(here, live)


def _show(here: Generation, was_live: bool) -> None:
    if fields.NEXT in st.session_state or (was_live and not here.live):
        # The whole page: it reads the clicked word's beginning, or ends the looking.
        st.rerun()
    if here.error:
        notice("problem", here.error)
        if not here.begun:
            return
    if here.live:
        st.caption(t("playground.writing" if here.begun else "playground.waiting"))
    url_state.recall("shade", COLOUR_BY, COLOUR_BY[0])
    shade = st.segmented_control(
        t("playground.colour"),
        COLOUR_BY,
        key="shade",
        required=True,
        format_func=lambda name: t(f"playground.colour_{name}"),
    )
    url_state.record("shade", str(shade), COLOUR_BY[0])
    st.caption(_legend(here, str(shade)))
    names = _names(here)
    _TOKENS(
        data={
            "answers": [_answer(one, str(shade), names, here.live) for one in here.answers],
            "colours": COLOURS,
            "words": {name: t(f"playground.{name}") for name in ("continue_from", "unfinished")}
            | {"given": t("answers.from_data")},
        },
        key="tokens",
        on_cut_change=lambda: _go_on_from(here),
    )


def _names(here: Generation) -> dict[str, str]:
    """What the asked checkpoints are called; a run that was erased since has no name."""
    runs = store().runs
    known = [runs.get(one) for one in {one.run for one in here.answers} if runs.exists(one)]
    return {key: name for key, (_, name) in fields.offered(known).items()}


def _go_on_from(here: Generation) -> None:
    """Reset by hand: what stands before the clicked word is given, the rest is written anew."""
    cut = st.session_state["tokens"].get("cut")
    if not cut:
        return
    st.session_state[fields.NEXT] = continued(here, int(cut["at"]), int(cut["index"]))


def continued(here: Generation, at: int, index: int) -> dict[str, Any]:
    """What the fields must hold for the same checkpoints to go on before a word of an answer.

    Args:
        here: The generation; the fields may since hold another prompt and other checkpoints.
        at: The answer's place.
        index: The word's place in it.
    """
    answer = here.answers[at]
    kept = [*answer.given, *answer.tokens][:index]
    return {
        "models": here.sources,
        "prompt": here.prompt,
        "prefix": "".join(token["text"] for token in kept),
    }


def _legend(here: Generation, shade: str) -> str:
    if shade != "score":
        return t("playground.help_kl") if shade == "kl" else "\N{NO-BREAK SPACE}"
    pooling = next((one.end["pooling"] for one in here.answers if one.end), None)
    known = any(one.end and one.end["token_scores"] for one in here.answers)
    return t(f"playground.help_score_{pooling}" if known else "playground.help_score_none")


def _answer(one: GeneratedAnswer, shade: str, names: dict[str, str], live: bool) -> dict[str, Any]:
    """One answer as the component draws it."""
    tokens = [*one.given, *one.tokens]
    end = one.end or {}
    scores = end.get("token_scores") or []
    marks = shades(tokens, scores, shade, end.get("pooling"))
    figures = [
        {
            "label": t("playground.kl_total"),
            "ink": "kl-ink",
            "value": number(sum(token["kl"] for token in one.tokens)),
        }
    ]
    if end.get("score") is not None:
        figures.insert(
            0, {"label": t("playground.score"), "ink": "learned-ink", "value": number(end["score"])}
        )
    if end.get("gold") is not None:
        figures.insert(
            -1, {"label": t("answers.gold"), "ink": "gold-ink", "value": number(end["gold"])}
        )
    ended = bool(end) or not live
    stopped = t("playground.stopped") if one.tokens and ended and not end else ""
    return {
        "title": names.get(one.source, one.source),
        "note": t("playground.weights", hash=one.weights) if one.weights and ended else "",
        "error": one.error or stopped,
        "finished": bool(end.get("finished", True)),
        "figures": figures,
        "given": len(one.given),
        "tokens": [
            {"text": token["text"], "shade": mark, "hover": _hover(token, scores, index)}
            for index, (token, mark) in enumerate(zip(tokens, marks, strict=True))
        ],
    }


def shades(
    tokens: Sequence[dict[str, Any]], scores: Sequence[float], shade: str, pooling: str | None
) -> list[list[Any]]:
    """The colour of each token: the name of a meaning and how strong it is, in [0, 1]."""
    if shade == "kl":
        # One nat is a lot at one word: probability moved by a factor of e on average.
        return [["kl", round(1 - math.exp(-token["kl"]), 3)] for token in tokens]
    if shade == "score" and len(scores) == len(tokens) and scores:
        steps = list(scores)
        if pooling == "last":
            steps = [0.0, *(b - a for a, b in pairwise(scores))]
        largest = max(abs(step) for step in steps) or 1.0
        return [["learned" if s > 0 else "muted", round(abs(s) / largest, 3)] for s in steps]
    return [["kl", 0.0] for _ in tokens]


def _hover(token: dict[str, Any], scores: Sequence[float], index: int) -> str:
    text = t(
        "playground.hover",
        p=number(math.exp(token["log_prob"])),
        q=number(math.exp(token["start_log_prob"])),
        kl=number(token["kl"]),
    )
    if index < len(scores):
        text += "\n" + t("playground.hover_score", score=number(scores[index]))
    return text


def show_earlier() -> None:
    """What was written here before, with the weights that wrote it; unfolded when asked for."""
    url_state.recall_flag("earlier")
    # Generations carry their tokens: they are read only for somebody who looks at the list.
    folded = st.expander(t("playground.earlier"), key="earlier", on_change="rerun")
    url_state.record_flag("earlier", bool(folded.open))
    if folded.open:
        with folded:
            _list_earlier()


def _list_earlier() -> None:
    kept = store().documents.all(KIND, limit=50)
    rows = [
        (document, answer)
        for document in kept
        for answer in document.body["answers"]
        if answer["text"]
    ]
    if not rows:
        st.caption(t("playground.earlier_none"))
        return
    table = pd.DataFrame(
        {
            "open": [t("playground.open")] * len(rows),
            t("playground.col_when"): [
                datetime.fromtimestamp(document.body["at"], UTC) for document, _ in rows
            ],
            t("playground.col_source"): [f"{one['run']}@{one['step']}" for _, one in rows],
            t("playground.col_weights"): [one["weights"] for _, one in rows],
            t("playground.col_score"): [one["score"] for _, one in rows],
            t("playground.col_prompt"): [document.body["prompt"] for document, _ in rows],
            t("playground.col_answer"): [one["text"] for _, one in rows],
            t("playground.col_end"): [_ending(one) for _, one in rows],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        key="earlier_table",
        alt=t("playground.earlier"),
        column_config={
            "open": st.column_config.ButtonColumn(
                "",
                type="tertiary",
                key="open_earlier",
                on_click=_reopen,
                width="small",
                args=([document.key for document, _ in rows],),
            ),
        },
    )


def _ending(answer: dict[str, Any]) -> str:
    if answer.get("stopped"):
        return t("playground.stopped")
    return "" if answer["finished"] else t("playground.unfinished")


def _reopen(keys: Sequence[str]) -> None:
    """Show a kept generation; what the URL says of the fields is what was asked beside another."""
    url_state.forget(*fields.FIELDS)
    url_state.ask("written", keys[st.session_state["open_earlier"]["row"]])
