"""Groups in the reset view: the continuations of one start side by side, and how far they part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import streamlit as st

from drpo.charts import reset_charts
from drpo.charts.reset_charts import Value
from drpo.dashboard.client.store import Run, SampleRow
from drpo.dashboard.components.live_chart import live_chart
from drpo.dashboard.components.sample_cards import page, show_cards
from drpo.i18n import t
from drpo.i18n.format import number
from drpo.report.cards import Answer, PromptCard, Statistic, data_answer, policy_answer

PER_PAGE = 4


def group_size(run: Run) -> int:
    """Episodes of a run that share a start; 1 where a critic is the baseline."""
    ppo = run.config["ppo"]
    return 1 if ppo.get("advantage", "gae") == "gae" else int(ppo["group_size"])


def groups_of(episodes: Sequence[SampleRow], size: int) -> list[list[SampleRow]]:
    """Put an update's episodes together by their start, in the order in which they were drawn."""
    same = groupby(episodes, key=lambda e: (e.item, e.start, e.prefix_tokens, e.prefix))
    # One start drawn for two groups in a row is still two groups.
    return [
        members[begin : begin + size]
        for _, found in same
        for members in [list(found)]
        for begin in range(0, len(members), size)
    ]


def hardest_first(groups: Sequence[list[SampleRow]], value: Value) -> list[list[SampleRow]]:
    """Order groups as the chart does: the lowest mean first; those without a value last."""

    def mean(group: Sequence[SampleRow]) -> float:
        known = [v for one in group if (v := getattr(one, value)) is not None]
        return sum(known) / len(known) if known else float("inf")

    return sorted(groups, key=mean)


def figures(groups: Sequence[Sequence[SampleRow]], value: Value) -> None:
    """Draw each group's values from its lowest to its highest, the hardest prompts first."""
    st.markdown(f"**{t('resets.groups_spread')}**")
    live_chart(
        reset_charts.group_ranges(groups, value),
        key="group_spread",
        revision=f"{value}{len(groups)}",
        height=320,
        alt=t("resets.groups_help"),
    )
    st.caption(t("resets.groups_help"))


def cards(groups: Sequence[Sequence[SampleRow]]) -> None:
    """Show each group under its prompt: its continuations, the best first, and the data's own."""
    places = page("groups_page", len(groups), PER_PAGE)
    show_cards([_card(place + 1, groups[place]) for place in places], key="groups")


def _card(place: int, group: Sequence[SampleRow]) -> PromptCard:
    ranked = sorted(group, key=lambda e: float("-inf") if e.score is None else -e.score)
    answers: list[Answer] = [
        replace(
            policy_answer(one), id=f"{place}-{rank}", title=t("resets.continuation", number=rank)
        )
        for rank, one in enumerate(ranked, 1)
    ]
    first = group[0]
    start = (
        t("resets.at_prompt")
        if first.start == "prompt"
        else t("resets.tokens_of", given=first.prefix_tokens, all=first.offline_tokens)
    )
    answers[0] = replace(
        answers[0], figures=[Statistic(t("resets.start"), start), *answers[0].figures]
    )
    own = data_answer(first) if first.start == "reset" else None
    if own is not None:
        answers.append(replace(own, title=t("resets.own_answer")))
    scores = [e.score for e in group if e.score is not None]
    mean = number(sum(scores) / len(scores)) if scores else "–"
    return PromptCard(
        id=f"group-{place}",
        title=t("resets.group", number=place, count=len(group), mean=mean),
        prompt=first.prompt.strip(),
        answers=answers,
    )
