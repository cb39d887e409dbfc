"""What the playground asks and shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pandas as pd
import streamlit as st

from drpo.dashboard import address, services
from drpo.dashboard.look import COLOURS, number, read_assets
from drpo.dashboard.notices import guarded, notice, show_problem
from drpo.dashboard.relabel import relabel
from drpo.dashboard.run_choice import label
from drpo.dashboard.words import t
from drpo.dashboard.writing import KIND, Stream, Written
from drpo.errors import DrpoError
from drpo.playground import Sampling, Source, sources_of
from drpo.playground.asking import MOST, START
from drpo.store.schema import Run, SampleRow

TICK = 0.4
RUNS = 20
"""Newest runs whose checkpoints are offered, beside those that the address asks for."""
COLOUR_BY = ("kl", "score", "none")
STREAM = "playground_stream"
_FILLED = "playground_filled"
"""The prompt and beginning that an example put into the fields, to see whether they were edited."""

_TOKENS = st.components.v2.component(
    "drpo_tokens",
    html='<div class="tokens"></div>',
    js=read_assets("drawing.js", "tokens.js"),
    css=read_assets("tokens.css"),
)


def offered(runs: Sequence[Run]) -> dict[str, tuple[Source, str]]:
    """Every checkpoint that can be asked, by `run@step`, with its name."""
    found = {}
    for run in runs:
        name = label(run)
        for source in reversed(sources_of(run)):
            word = "playground.source_start" if source.step == START else "playground.source_step"
            found[f"{run.id}@{source.step}"] = (source, t(word, run=name, step=source.step))
    return found


def choose_sources(runs: Sequence[Run], asked: SampleRow | None) -> list[Source]:
    """Let the visitor choose up to four checkpoints; the choice stands in the URL."""
    known = offered(runs)
    first = next(iter(known))
    run_id = first.rpartition("@")[0] if asked is None else asked.run_id
    mine = [key for key in known if key.rpartition("@")[0] == run_id]
    # The newest checkpoint of a run beside what it started from.
    default = list(dict.fromkeys([mine[-1], mine[0]])) if mine else [first]
    address.recall_many("models", list(known), default, MOST)
    chosen = st.multiselect(
        t("playground.sources"), list(known), key="models", max_selections=MOST,
        format_func=lambda key: known[key][1], placeholder=t("playground.choose"),
    )  # fmt: skip
    address.record("models", chosen)
    return [known[key][0] for key in chosen]


def asked_sample() -> SampleRow | None:
    """The episode or answer that a link brought along."""
    text = st.query_params.get("sample", "")
    # Eighteen digits: what a database takes for an id.
    known = text.isascii() and text.isdigit() and len(text) <= 18
    return services.store().samples.get(int(text)) if known else None


def texts(sources: Sequence[Source], asked: SampleRow | None) -> tuple[str, str]:
    """The prompt and the given beginning, typed or taken from a run's samples."""
    examples = _examples(sources, asked)
    names = list(examples)
    first = "episode" if asked is not None else (names[1] if len(names) > 1 else "own")
    example = st.session_state.get("example")
    if not sources and example is not None and example not in names:
        # Between one checkpoint and the next; the next one's example takes its place.
        names.append(example)
    if example not in names:
        st.session_state["example"] = first
        _fill(examples)
    elif _untouched() and examples.get(str(example)) != st.session_state[_FILLED]:
        _fill(examples)
    relabel("example")
    st.selectbox(
        t("playground.example"), names, key="example", on_change=_fill, args=(examples,),
        format_func=_example_name,
    )  # fmt: skip
    # Asked for by a click on a word, before the fields are drawn.
    if "next_prefix" in st.session_state:
        st.session_state["prefix"] = st.session_state.pop("next_prefix")
    prompt = st.text_area(t("playground.prompt"), key="prompt", height=140, max_chars=20_000)
    prefix = st.text_area(
        t("playground.prefix"), key="prefix", height=80, max_chars=20_000,
        help=t("playground.prefix_help"),
    )  # fmt: skip
    return prompt, prefix


def _examples(sources: Sequence[Source], asked: SampleRow | None) -> dict[str, tuple[str, str]]:
    """Prompts at hand, each with its given beginning."""
    found: dict[str, tuple[str, str]] = {"own": ("", "")}
    if asked is not None:
        found["episode"] = (asked.prompt, asked.prefix)
    samples = services.store().samples
    for run_id in dict.fromkeys(source.run_id for source in sources):
        step = samples.last_step(run_id)
        if step is not None:
            for index, row in enumerate(samples.at(run_id, step)[:8]):
                found.setdefault(f"heldout-{index + 1}", (row.prompt, ""))
    return found


def _example_name(name: str) -> str:
    kind, _, index = name.partition("-")
    return (
        t(f"playground.example_{kind}", number=index) if index else t(f"playground.example_{kind}")
    )


def _fill(examples: dict[str, tuple[str, str]]) -> None:
    name = st.session_state["example"]
    if name != "own" and name in examples:
        st.session_state[_FILLED] = examples[name]
        st.session_state["prompt"], st.session_state["prefix"] = examples[name]


def _untouched() -> bool:
    """Whether the fields still hold what an example put there."""
    fields = (st.session_state.get("prompt"), st.session_state.get("prefix"))
    return fields == st.session_state.get(_FILLED)


def sampling() -> Sampling:
    """How to draw, folded away."""
    with st.expander(t("playground.sampling")), st.grid(4, min_column_width=170):
        return Sampling(
            temperature=st.slider(
                t("playground.temperature"), 0.0, 2.0, 1.0, 0.05, key="temperature"
            ),
            top_p=st.slider(t("playground.top_p"), 0.05, 1.0, 1.0, 0.05, key="top_p"),
            max_tokens=int(
                st.number_input(t("playground.max_tokens"), 1, 2048, 64, key="max_tokens")
            ),
            seed=int(st.number_input(t("playground.seed"), 0, 2**31 - 1, 0, key="sampling_seed")),
        )


def write_buttons(sources: Sequence[Source], prompt: str, prefix: str, how: Sampling) -> None:
    """Start and stop."""
    going_on: Stream | None = st.session_state.get(STREAM)
    live = going_on if going_on is not None and going_on.live else None
    with st.container(horizontal=True, gap="small"):
        pressed = st.button(
            t("playground.write"), type="primary", key="write", icon=":material/edit:",
            disabled=not sources or not prompt,
        )  # fmt: skip
        if live:
            st.button(t("playground.stop"), key="stop", icon=":material/stop:", on_click=live.stop)
    if not sources:
        st.caption(t("playground.no_source"))
    if pressed or (st.session_state.pop("go_on", False) and sources and prompt):
        if live:
            live.stop()
        try:
            st.session_state[STREAM] = Stream(
                services.store(), sources, prompt, prefix, how.checked()
            )
        except DrpoError as error:
            show_problem(error)


def show_stream() -> None:
    """Show what has been written, and go on looking while it is being written."""
    stream: Stream | None = st.session_state.get(STREAM)
    if stream is None:
        return
    live = stream.live
    st.fragment(guarded(_show), run_every=TICK if live else None)(stream, live)


def _show(stream: Stream, was_live: bool) -> None:
    if "go_on" in st.session_state or (was_live and not stream.live):
        # The whole page: it reads the clicked word's beginning, or ends the looking.
        st.rerun()
    if stream.error:
        notice("problem", stream.error)
        return
    if stream.live:
        st.caption(t("playground.writing" if stream.begun else "playground.waiting"))
    address.recall("shade", COLOUR_BY, COLOUR_BY[0])
    shade = st.segmented_control(
        t("playground.colour"), COLOUR_BY, key="shade", required=True,
        format_func=lambda name: t(f"playground.colour_{name}"),
    )  # fmt: skip
    address.record("shade", str(shade), COLOUR_BY[0])
    st.caption(_legend(stream, str(shade)))
    names = offered([services.store().runs.get(one.source.run_id) for one in stream.answers])
    _TOKENS(
        data={
            "answers": [_answer(one, str(shade), names) for one in stream.answers],
            "colours": COLOURS,
            "words": {
                name: t(f"playground.{name}") for name in ("continue_from", "unfinished")
            } | {"given": t("answers.from_data")},
        },
        key="tokens",
        on_cut_change=lambda: _go_on_from(stream),
    )  # fmt: skip


def _go_on_from(stream: Stream) -> None:
    """Reset by hand: what stands before the clicked word is given, the rest is written anew."""
    cut = st.session_state["tokens"].get("cut")
    if not cut:
        return
    answer = stream.answers[int(cut["at"])]
    kept = [*answer.given, *answer.tokens][: int(cut["index"])]
    st.session_state["next_prefix"] = "".join(token["text"] for token in kept)
    st.session_state["go_on"] = True


def _legend(stream: Stream, shade: str) -> str:
    if shade != "score":
        return t("playground.help_kl") if shade == "kl" else "\N{NO-BREAK SPACE}"
    pooling = next((one.end["pooling"] for one in stream.answers if one.end), None)
    known = any(one.end and one.end["token_scores"] for one in stream.answers)
    return t(f"playground.help_score_{pooling}" if known else "playground.help_score_none")


def _answer(one: Written, shade: str, names: dict[str, tuple[Source, str]]) -> dict[str, Any]:
    """One answer as the component draws it."""
    tokens = [*one.given, *one.tokens]
    end = one.end or {}
    scores = end.get("token_scores") or []
    marks = shades(tokens, scores, shade, end.get("pooling"))
    figures = [{"label": t("playground.kl_total"), "ink": "kl-ink",
                "value": number(sum(token["kl"] for token in one.tokens))}]  # fmt: skip
    if end.get("score") is not None:
        figures.insert(
            0, {"label": t("playground.score"), "ink": "learned-ink", "value": number(end["score"])}
        )
    key = f"{one.source.run_id}@{one.source.step}"
    return {
        "title": names[key][1] if key in names else key,
        "note": t("playground.weights", hash=end["weights"]) if end else "",
        "error": one.error,
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
        return [["gold" if s > 0 else "alarm", round(abs(s) / largest, 3)] for s in steps]
    return [["kl", 0.0] for _ in tokens]


def _hover(token: dict[str, Any], scores: Sequence[float], index: int) -> str:
    text = t(
        "playground.hover", p=number(math.exp(token["log_prob"])),
        q=number(math.exp(token["start_log_prob"])), kl=number(token["kl"]),
    )  # fmt: skip
    if index < len(scores):
        text += "\n" + t("playground.hover_score", score=number(scores[index]))
    return text


def earlier() -> None:
    """What was written here before, with the weights that wrote it."""
    kept = services.store().documents.all(KIND)[:50]
    with st.expander(t("playground.earlier")):
        if not kept:
            st.caption(t("playground.earlier_none"))
            return
        rows = [
            {
                t("playground.col_when"): datetime.fromtimestamp(document.body["at"], UTC),
                t("playground.col_source"): f"{answer['run']}@{answer['step']}",
                t("playground.col_weights"): answer["weights"],
                t("playground.col_score"): answer["score"],
                t("playground.col_prompt"): document.body["prompt"],
                t("playground.col_answer"): answer["text"],
            }
            for document in kept for answer in document.body["answers"]
        ]  # fmt: skip
        st.dataframe(
            pd.DataFrame(rows), hide_index=True, key="earlier", alt=t("playground.earlier")
        )
