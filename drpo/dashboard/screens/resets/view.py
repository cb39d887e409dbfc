"""What the reset view asks and shows: one update's episodes, where each began, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import cast

import pandas as pd
import streamlit as st

from drpo.charts import prompt_depths, reset_charts
from drpo.charts.reset_charts import PARTS, VALUES, Value, depths
from drpo.dashboard import navigation
from drpo.dashboard.client.store import Run, SampleRow, store
from drpo.dashboard.components.live_chart import live_chart
from drpo.dashboard.components.sample_cards import markdown_switch, page, show_cards
from drpo.dashboard.state import url_state
from drpo.i18n import t
from drpo.i18n.format import number
from drpo.report.cards import PromptCard, Statistic, data_answer, policy_answer

PER_PAGE = 8
STARTS = ("all", "reset", "prompt")
ORDERS = ("drawn", "depth", "score", "gain")
OPENED = "opened_episode"


@st.cache_data(show_spinner=False, max_entries=32)
def depth_table(run_id: str, last_step: int) -> pd.DataFrame:  # noqa: ARG001 - part of the key
    """Reward by step and depth; read anew only when there are new episodes."""
    return depths(store().samples.by_depth(run_id, parts=PARTS))


def known_values(table: pd.DataFrame, *, on_gold: bool) -> list[Value]:
    """What episodes can be judged by.

    Args:
        table: Their means by depth.
        on_gold: Whether the policy was trained on the true score: then there is no learned one.
    """
    known: list[Value] = [value for value in VALUES if table[value].notna().any()]
    return [value for value in known if not (value == "score" and on_gold)]


def depth_map(run: Run, last_step: int) -> list[Value]:
    """Draw reward by step and depth; returns what episodes of the run can be judged by."""
    means = depth_table(run.id, last_step)
    known = known_values(means, on_gold=run.trained_on_gold)
    if known:
        value = choose_value("colour", known)
        live_chart(
            reset_charts.heatmap(means, value),
            key="depths",
            revision=f"{run.id}{value}",
            height=400,
            alt=t("resets.map_help"),
        )
        st.caption(t("resets.map_help"))
    return known


@st.cache_data(show_spinner=False, max_entries=32)
def _shares(run_id: str, last_step: int) -> list[tuple[int, int, float]]:  # noqa: ARG001 - key
    return store().samples.depth_by_prompt(run_id)


def depth_by_prompt(run: Run, last_step: int) -> None:
    """Draw how much of its answer each prompt was given over training, where a rule decides it."""
    rule = run.config["reset"].get("reset_depth", "uniform")
    shares = [] if rule == "uniform" else _shares(run.id, last_step)
    if not shares:
        return
    st.subheader(t("resets.prompt_depths"))
    live_chart(
        prompt_depths.prompt_depths(shares),
        key="prompt_depths",
        revision=run.id,
        height=320,
        alt=t("resets.prompt_depths_help"),
    )
    st.caption(t("resets.prompt_depths_help"))


def spread(run: Run, step: int, episodes: Sequence[SampleRow], known: Sequence[Value]) -> None:
    """Draw each episode's value over the depth that it began at."""
    st.markdown(f"**{t('resets.spread')}**")
    value = choose_value("spread_of", known)
    live_chart(
        reset_charts.spread(episodes, value),
        key="spread",
        revision=f"{run.id}{step}{value}",
        height=340,
        alt=t("resets.spread_help"),
    )
    st.caption(t("resets.spread_help"))


def choose_value(key: str, known: Sequence[Value]) -> Value:
    """Let the visitor choose what a chart shows; the choice stands in the URL."""
    url_state.recall(key, known, known[0])
    value = st.segmented_control(
        t("resets.which"),
        known,
        key=key,
        required=True,
        format_func=lambda name: t(f"resets.value_{name}"),
    )
    url_state.record(key, str(value), known[0])
    return cast(Value, value)


def figures(episodes: Sequence[SampleRow], known: Sequence[Value]) -> None:
    """The update's answer: how many resets, and what came of them beside prompt starts."""
    resets = [e for e in episodes if e.start == "reset"]
    depth = _mean(resets, "prefix_tokens")
    cards = [
        (
            t("resets.reset_count"),
            t("resets.of", count=len(resets), total=len(episodes)),
            None if depth is None else t("resets.mean_depth", tokens=number(depth)),
        ),
        *((t(f"resets.after_{value}"), *after_reset(episodes, value)) for value in known),
    ]
    # Four in a row would cut what each is held against.
    with st.grid(2 if len(cards) == 4 else 3, min_column_width=240):
        for name, value, beside in cards:
            st.metric(
                name,
                value,
                beside,
                border=True,
                height="stretch",
                delta_color="off",
                delta_arrow="off",
            )


def after_reset(episodes: Sequence[SampleRow], value: Value) -> tuple[str, str | None]:
    """Mean of a value over episodes that were reset, and those to hold it against, in words."""
    resets = [e for e in episodes if e.start == "reset"]
    prompts = [e for e in episodes if e.start == "prompt"]
    others = [("prompt", _mean(prompts, value))]
    if value != "kl":
        others.append(("data", _mean(resets, f"offline_{value}")))
    beside = [
        t(f"resets.{name}_mean", mean=number(mean)) for name, mean in others if mean is not None
    ]
    return number(_mean(resets, value)), " · ".join(beside) or None


def chosen_episodes(episodes: Sequence[SampleRow]) -> list[SampleRow]:
    """Let the visitor choose which episodes, in which order; both stand in the URL."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        url_state.recall("from", STARTS, STARTS[0])
        start = st.segmented_control(
            t("resets.filter"),
            STARTS,
            key="from",
            required=True,
            format_func=lambda name: t(f"resets.start_{name}"),
        )
        url_state.record("from", str(start), STARTS[0])
        url_state.recall("order", ORDERS, ORDERS[0])
        order = st.selectbox(
            t("resets.order"),
            ORDERS,
            key="order",
            format_func=lambda name: t(f"resets.order_{name}"),
        )
        url_state.record("order", str(order), ORDERS[0])
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
    markdown_switch()
    places = page("episodes_page", len(episodes), PER_PAGE)
    shown = [_card(place + 1, episodes[place]) for place in places]
    show_cards(shown, key="episodes")


def table(episodes: Sequence[SampleRow], *, on_gold: bool) -> None:
    """All episodes as a table, with a button that takes one to the playground.

    Args:
        episodes: In the order to show them.
        on_gold: Whether the policy was trained on the true score: then there is no learned one.
    """
    frame = pd.DataFrame(
        {
            "open": [t("resets.open")] * len(episodes),
            "start": [t(f"resets.start_{e.start}") for e in episodes],
            "given": [e.prefix_tokens for e in episodes],
            "wrote": [e.response_tokens for e in episodes],
            **({} if on_gold else {"score": [e.score for e in episodes]}),
            "gold": [e.gold for e in episodes],
            "own": [e.offline_gold if on_gold else e.offline_score for e in episodes],
            "kl": [e.kl for e in episodes],
            "answer": [(e.prefix + e.response).strip() for e in episodes],
        }
    )
    known = st.column_config.NumberColumn
    st.dataframe(
        frame,
        hide_index=True,
        key="episode_table",
        alt=t("resets.table"),
        column_config={
            "open": st.column_config.ButtonColumn(
                "",
                type="tertiary",
                key="open_episode",
                on_click=_open,
                width="small",
                args=([e.id for e in episodes],),
                help=t("resets.open_help"),
            ),
            **{
                name: known(t(f"resets.col_{name}"), format="%.2f")
                for name in ("score", "gold", "own", "kl")
                if name in frame
            },
            **{
                name: st.column_config.Column(t(f"resets.col_{name}"))
                for name in ("start", "given", "wrote", "answer")
            },
        },
    )
    opened = st.session_state.pop(OPENED, None)
    if opened:
        st.switch_page(navigation.path("playground"), query_params={"sample": str(opened)})


def _open(ids: Sequence[int]) -> None:
    st.session_state[OPENED] = ids[st.session_state["open_episode"]["row"]]


def _card(place: int, episode: SampleRow) -> PromptCard:
    start = (
        t("resets.at_prompt")
        if episode.start == "prompt"
        else t("resets.tokens_of", given=episode.prefix_tokens, all=episode.offline_tokens)
    )
    answer = policy_answer(episode)
    answer = replace(answer, figures=[Statistic(t("resets.start"), start), *answer.figures])
    own = data_answer(episode) if episode.start == "reset" else None
    return PromptCard(
        id=f"place-{place}",
        title=t("resets.episode", number=place),
        prompt=episode.prompt.strip(),
        answers=[answer, *([replace(own, title=t("resets.own_answer"))] if own else [])],
    )


def _mean(episodes: Sequence[SampleRow], column: str) -> float | None:
    values = [getattr(e, column) for e in episodes if getattr(e, column) is not None]
    return fmean(values) if values else None
