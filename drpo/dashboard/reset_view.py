"""What the reset view asks and shows: one update's episodes, where each began, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean

import pandas as pd
import streamlit as st

from drpo.dashboard import address, navigation, services
from drpo.dashboard.answers import Card, Figure, offline, show_answers, written
from drpo.dashboard.look import number
from drpo.dashboard.reset_charts import PARTS, depths
from drpo.dashboard.words import t
from drpo.store.schema import SampleRow

PER_PAGE = 8
STARTS = ("all", "reset", "prompt")
ORDERS = ("drawn", "depth", "score", "gain")
OPENED = "opened_episode"


@st.cache_data(show_spinner=False, max_entries=32)
def depth_table(run_id: str, last_step: int) -> pd.DataFrame:  # noqa: ARG001 - part of the key
    """Reward by step and depth; read anew only when there are new episodes."""
    return depths(services.store().samples.by_depth(run_id, parts=PARTS))


def figures(episodes: Sequence[SampleRow]) -> None:
    """The update's answer in four numbers."""
    resets = [e for e in episodes if e.start == "reset"]
    after, prompt = _mean(resets, "score"), _mean(_at_prompt(episodes), "score")
    own = _mean(resets, "offline_score")
    gap = None if after is None or own is None else after - own
    with st.grid(4, min_column_width=200):
        st.metric(
            t("resets.reset_count"),
            t("resets.of", count=len(resets), total=len(episodes)), border=True, height="stretch",
        )  # fmt: skip
        st.metric(
            t("resets.after_reset"), number(after), border=True, height="stretch",
            delta_color="off", delta_arrow="off",
            delta=None if gap is None else t(
                "resets.against_own", difference=number(gap, sign=True)
            ),
        )  # fmt: skip
        st.metric(t("resets.from_prompt"), number(prompt), border=True, height="stretch")
        depth = _mean(resets, "prefix_tokens")
        st.metric(
            t("resets.mean_depth"), border=True, height="stretch",
            value="–" if depth is None else t("resets.mean_depth_value", tokens=number(depth)),
        )  # fmt: skip


def chosen_episodes(episodes: Sequence[SampleRow]) -> list[SampleRow]:
    """Let the visitor choose which episodes, in which order; both stand in the URL."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        address.recall("from", STARTS, STARTS[0])
        start = st.segmented_control(
            t("resets.filter"), STARTS, key="from", required=True,
            format_func=lambda name: t(f"resets.start_{name}"),
        )  # fmt: skip
        address.record("from", str(start), STARTS[0])
        address.recall("order", ORDERS, ORDERS[0])
        order = st.selectbox(
            t("resets.order"), ORDERS, key="order",
            format_func=lambda name: t(f"resets.order_{name}"),
        )  # fmt: skip
        address.record("order", str(order), ORDERS[0])
    return ordered([e for e in episodes if start in ("all", e.start)], str(order))


def ordered(episodes: Sequence[SampleRow], order: str) -> list[SampleRow]:
    """Episodes in the order asked for; what has no value comes last."""
    keys: dict[str, Callable[[SampleRow], float | None]] = {
        "depth": lambda e: e.prefix_tokens,
        "score": lambda e: e.score,
        "gain": lambda e: (
            None if e.score is None or e.offline_score is None else e.score - e.offline_score
        ),
    }
    if order not in keys:
        return list(episodes)
    lowest = float("-inf")
    return sorted(
        episodes, key=lambda e: lowest if (v := keys[order](e)) is None else v, reverse=True
    )


def cards(episodes: Sequence[SampleRow]) -> None:
    """Show episodes as text, the part from the data marked, beside the data's own answer."""
    pages = -(-len(episodes) // PER_PAGE)
    page = st.pagination(pages, key="episodes_page") if pages > 1 else 1
    first = (page - 1) * PER_PAGE
    shown = [
        _card(first + index + 1, episode)
        for index, episode in enumerate(episodes[first : first + PER_PAGE])
    ]
    show_answers(shown, key="episodes")


def table(episodes: Sequence[SampleRow]) -> None:
    """All episodes as a table, with a button that takes one to the playground."""
    frame = pd.DataFrame(
        {
            "open": [t("resets.open")] * len(episodes),
            "start": [t(f"resets.start_{e.start}") for e in episodes],
            "given": [e.prefix_tokens for e in episodes],
            "wrote": [e.response_tokens for e in episodes],
            "score": [e.score for e in episodes],
            "gold": [e.gold for e in episodes],
            "own": [e.offline_score for e in episodes],
            "kl": [e.kl for e in episodes],
            "answer": [(e.prefix + e.response).strip() for e in episodes],
        }
    )
    known = st.column_config.NumberColumn
    st.dataframe(
        frame, hide_index=True, key="episode_table", alt=t("resets.table"),
        column_config={
            "open": st.column_config.ButtonColumn(
                "", type="tertiary", key="open_episode", on_click=_open, width="small",
                args=([e.id for e in episodes],), help=t("resets.open_help"),
            ),
            **{
                name: known(t(f"resets.col_{name}"), format="%.2f")
                for name in ("score", "gold", "own", "kl")
            },
            **{
                name: st.column_config.Column(t(f"resets.col_{name}"))
                for name in ("start", "given", "wrote", "answer")
            },
        },
    )  # fmt: skip
    opened = st.session_state.pop(OPENED, None)
    if opened:
        st.switch_page(navigation.path("playground"), query_params={"sample": str(opened)})


def _open(ids: Sequence[int]) -> None:
    st.session_state[OPENED] = ids[st.session_state["open_episode"]["row"]]


def _card(place: int, episode: SampleRow) -> Card:
    start = (
        t("resets.at_prompt")
        if episode.start == "prompt"
        else t("resets.tokens_of", given=episode.prefix_tokens, all=episode.offline_tokens)
    )
    answer = written(episode)
    answer = replace(answer, figures=[Figure(t("resets.start"), start), *answer.figures])
    own = offline(episode) if episode.start == "reset" else None
    return Card(
        id=f"place-{place}",
        title=t("resets.episode", number=place),
        prompt=episode.prompt.strip(),
        answers=[answer, *([replace(own, title=t("resets.own_answer"))] if own else [])],
    )


def _at_prompt(episodes: Sequence[SampleRow]) -> list[SampleRow]:
    return [e for e in episodes if e.start == "prompt"]


def _mean(episodes: Sequence[SampleRow], column: str) -> float | None:
    values = [getattr(e, column) for e in episodes if getattr(e, column) is not None]
    return fmean(values) if values else None
