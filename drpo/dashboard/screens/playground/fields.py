"""What the playground is asked: which checkpoints, what prompt and beginning, how they draw.

All of it stands in the URL. What a generation was asked is what the fields hold by default while it
is shown, so that its key alone leads back to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from drpo.dashboard.client.playground import (
    LONGEST,
    MOST,
    START,
    PlaygroundSource,
    Sampling,
    sources_of,
)
from drpo.dashboard.client.store import Run, SampleRow, store
from drpo.dashboard.components.run_choice import label
from drpo.dashboard.screens.playground.session import Generation
from drpo.dashboard.state import url_state
from drpo.i18n import t

FIELDS = (
    "models",
    "example",
    "prompt",
    "prefix",
    "temperature",
    "top_p",
    "max_tokens",
    "sampling_seed",
)
"""The fields' keys, and their names in the URL."""
NEXT = "playground_next"
"""In the session: what a click on a word puts into the fields."""
_FILLED = "playground_filled"
"""The prompt and beginning that an example put into the fields, to see whether they were edited."""
T = TypeVar("T", int, float)


def forget() -> None:
    """Empty the fields; the URL, or else the generation that is shown now, fills them again."""
    for key in (*FIELDS, _FILLED):
        st.session_state.pop(key, None)


def fill_from_click() -> bool:
    """Fill the fields as a click on a word asks for; return whether there was one."""
    asked = st.session_state.pop(NEXT, {})
    for key, value in asked.items():
        st.session_state[key] = value
    return bool(asked)


def offered(runs: Sequence[Run]) -> dict[str, tuple[PlaygroundSource, str]]:
    """Every checkpoint that can be asked, by `run@step`, with its name."""
    found = {}
    for run in runs:
        name = label(run)
        for source in reversed(sources_of(run)):
            word = "playground.source_start" if source.step == START else "playground.source_step"
            found[f"{run.id}@{source.step}"] = (source, t(word, run=name, step=source.step))
    return found


def choose_sources(
    runs: Sequence[Run], asked: SampleRow | None, shown: Generation | None
) -> list[PlaygroundSource]:
    """Let the visitor choose up to four checkpoints."""
    known = offered(runs)
    first = next(iter(known))
    run_id = first.rpartition("@")[0] if asked is None else asked.run_id
    mine = [key for key in known if key.rpartition("@")[0] == run_id]
    # The newest checkpoint of a run beside what it started from.
    default = list(dict.fromkeys([mine[-1], mine[0]])) if mine else [first]
    url_state.recall_many("models", list(known), shown.sources if shown else default, MOST)
    chosen = st.multiselect(
        t("playground.sources"),
        list(known),
        key="models",
        max_selections=MOST,
        format_func=lambda key: known[key][1],
        placeholder=t("playground.choose"),
    )
    url_state.record("models", chosen)
    return [known[key][0] for key in chosen]


def asked_sample() -> SampleRow | None:
    """The episode or answer that a link brought along."""
    text = url_state.asked("sample")
    # Eighteen digits: what a database takes for an id.
    known = text.isascii() and text.isdigit() and len(text) <= 18
    return store().samples.get(int(text)) if known else None


def texts(
    sources: Sequence[PlaygroundSource], asked: SampleRow | None, shown: Generation | None
) -> tuple[str, str]:
    """The prompt and the given beginning: of the generation shown, of a sample, or typed."""
    examples = _examples(sources, asked, shown)
    names = list(examples)
    first = "own" if shown else "episode" if asked else [*names[1:2], "own"][0]
    if not sources and "example" in st.session_state:
        # Between one checkpoint and the next; the next one's example takes its place.
        names = list(dict.fromkeys([*names, st.session_state["example"]]))
    example = url_state.recall("example", names, first)
    base = examples.get(example, st.session_state.setdefault(_FILLED, ("", "")))
    if "prompt" not in st.session_state or "prefix" not in st.session_state:
        st.session_state[_FILLED] = base
    elif _fields() == st.session_state[_FILLED]:
        _fill(examples)
    if shown is not None and _fields() == shown.texts != base:
        # An example that was edited before it was asked: the text is the visitor's own.
        st.session_state["example"], base = "own", shown.texts
    example = st.selectbox(
        t("playground.example"),
        names,
        key="example",
        on_change=_fill,
        args=(examples,),
        format_func=_example_name,
    )
    url_state.record("example", example, first)
    return (
        _text("prompt", base[0], height=140),
        _text("prefix", base[1], height=80, tip=t("playground.prefix_help")),
    )


def _text(key: str, base: str, *, height: int, tip: str | None = None) -> str:
    url_state.recall_text(key, base)
    text = st.text_area(t(f"playground.{key}"), key=key, height=height, max_chars=20_000, help=tip)
    url_state.record_text(key, text, base)
    return text


def _examples(
    sources: Sequence[PlaygroundSource], asked: SampleRow | None, shown: Generation | None
) -> dict[str, tuple[str, str]]:
    """Prompts at hand, each with its given beginning; one's own was asked before, or is empty."""
    found = {"own": shown.texts if shown else ("", "")}
    if asked is not None:
        found["episode"] = (asked.prompt, asked.prefix)
    samples = store().samples
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


def _fields() -> tuple[str | None, str | None]:
    return st.session_state.get("prompt"), st.session_state.get("prefix")


def sampling(shown: Generation | None) -> Sampling:
    """How to draw, folded away."""
    usual = shown.sampling if shown else Sampling()
    with st.expander(t("playground.sampling")), st.grid(4, min_column_width=170):
        return Sampling(
            temperature=_number(
                "temperature",
                t("playground.temperature"),
                st.slider,
                0.0,
                2.0,
                usual.temperature,
                0.05,
            ),
            top_p=_number("top_p", t("playground.top_p"), st.slider, 0.05, 1.0, usual.top_p, 0.05),
            max_tokens=_number(
                "max_tokens",
                t("playground.max_tokens"),
                st.number_input,
                1,
                LONGEST,
                usual.max_tokens,
                1,
            ),
            seed=_number(
                "sampling_seed",
                t("playground.seed"),
                st.number_input,
                0,
                2**31 - 1,
                usual.seed,
                1,
            ),
        )


def _number(key: str, name: str, widget: Callable[..., T], low: T, high: T, usual: T, step: T) -> T:
    url_state.recall_number(key, low, high, usual)
    value = widget(name, low, high, step=step, key=key)
    url_state.record_number(key, value, usual)
    return value
