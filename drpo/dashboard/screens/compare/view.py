"""What the Compare screen asks, how it groups runs, and how a point opens what was written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import streamlit as st

from drpo import metrics
from drpo.charts import compare_charts, frontier_chart
from drpo.charts.compare_charts import RunGroup
from drpo.dashboard import navigation
from drpo.dashboard.client.analysis import Feed
from drpo.dashboard.client.config import as_trained
from drpo.dashboard.client.store import Run, store
from drpo.dashboard.components.generations import open_at, show_generations
from drpo.dashboard.components.live_chart import live_chart
from drpo.dashboard.components.run_choice import label
from drpo.dashboard.state import url_state
from drpo.dashboard.state.metric_series import config_of
from drpo.i18n import t
from drpo.i18n.format import distinct_names, number
from drpo.metrics import words

MOST = 6
"""More lines than this cannot be told apart."""
MOST_RUNS = 24
"""Runs behind those lines when seeds are joined."""
EVERY = "all"


def choose_runs(everything: Sequence[Run]) -> list[Run]:
    """Choose what is compared; archived runs are offered where they are shown, or named already."""
    named = {*url_state.asked("runs").split(","), *st.session_state.get("runs", ())}
    archived = url_state.recall_flag("archived")
    runs = {run.id: run for run in everything if archived or not run.archived or run.id in named}
    names = {run.id: label(run) for run in runs.values()}
    most = MOST_RUNS if url_state.recall_flag("by_seed") else MOST
    url_state.recall_many("runs", list(runs), list(runs)[:2], most)
    chosen = st.multiselect(
        t("compare.runs"),
        list(runs),
        key="runs",
        format_func=lambda run_id: names[run_id],
        max_selections=most,
        placeholder=t("compare.choose"),
    )
    url_state.record("runs", chosen)
    return [runs[run_id] for run_id in chosen]


def choose_metric(feeds: Sequence[Feed]) -> str:
    """Choose what is compared; the true reward first where it is known."""
    logged = {name for feed in feeds for name in feed.series}
    known = sorted(name for name in logged if metrics.of(name).part != "error")
    first = [name for name in metrics.REWARDS if name in known]
    options = [*first, *(name for name in known if name not in first)] or [metrics.EVAL_SCORES]
    url_state.recall("metric", options, options[0])
    chosen = st.selectbox(
        t("compare.metric"),
        options,
        key="metric",
        format_func=lambda name: words.heading(name)[0],
    )
    url_state.record("metric", chosen, options[0])
    return str(chosen)


def join_seeds() -> bool:
    """Whether runs that differ in their seed only become one line; in the URL like the rest."""
    url_state.recall_flag("by_seed")
    joined = st.toggle(t("compare.by_seed"), key="by_seed", help=t("compare.by_seed_help"))
    url_state.record_flag("by_seed", joined)
    return joined


def drawn_lines(runs: Sequence[Run], feeds: Sequence[Feed], *, by_seed: bool) -> list[RunGroup]:
    """The lines that are drawn; says so where there are more."""
    lines = lines_of(runs, feeds, by_seed=by_seed)
    if len(lines) > MOST:
        st.caption(t("compare.too_many", most=MOST))
    return lines[:MOST]


def lines_of(runs: Sequence[Run], feeds: Sequence[Feed], *, by_seed: bool) -> list[RunGroup]:
    """One line a run, or one line for all runs that differ in nothing but seed and name.

    A run in which a setting was changed did not keep to its settings: it is one of no group.
    """
    grouped: dict[str, list[tuple[Run, Feed]]] = {}
    for run, feed in zip(runs, feeds, strict=True):
        settings = as_trained(run.config) | {"seed": 0, "name": ""}
        same = repr(sorted(settings.items(), key=str))
        joined = by_seed and not feed.setting_changes
        grouped.setdefault(same if joined else run.id, []).append((run, feed))
    lines = list(grouped.values())
    names = distinct_names(
        [
            t("compare.changed_line", name=members[0][0].name)
            if by_seed and members[0][1].setting_changes
            else _line_name([run for run, _ in members])
            for members in lines
        ],
        [members[0][0].id for members in lines],
    )
    return [
        RunGroup(name, [feed for _, feed in members], [run.id for run, _ in members])
        for name, members in zip(names, lines, strict=True)
    ]


def _line_name(members: Sequence[Run]) -> str:
    if len(members) == 1:
        return members[0].name
    name = joint_name([run.name for run in members])
    return t("compare.seeds", name=name, count=len(members))


def joint_name(names: Sequence[str]) -> str:
    """What the names of runs of several seeds share: "beta 1, seed 0" and "seed 1" are "beta 1"."""
    at_common_steps = zip(*(name.split() for name in names), strict=False)
    shared = " ".join(
        words[0] for words in takewhile(lambda words: len({*words}) == 1, at_common_steps)
    )
    return re.sub(r"\W*(seed)?\W*$", "", shared, flags=re.IGNORECASE) or names[0]


def same_start(runs: Sequence[Run]) -> bool:
    """Whether all runs began at one policy: the same weights, tuned on nothing before."""
    configs = [config_of(run) for run in runs]
    tuned = any(config.stages.sft_epochs for config in configs)
    return not tuned and len({config.models.policy for config in configs}) == 1


def curves(lines: Sequence[RunGroup], metric: str, revision: str) -> None:
    """Draw the chosen metric over the updates, and beside it the KL that it took."""
    shown = (
        ("compare_metric", metric, revision + metric),
        ("compare_kl", metrics.EVAL_KL, revision),
    )
    for place, (key, name, kept) in zip(st.columns(2, gap="medium"), shown, strict=True):
        with place:
            live_chart(
                compare_charts.over_steps(lines, name),
                key=key,
                revision=kept,
                group="compare",
                height=400,
                alt=t("compare.alt", name=words.heading(name)[0]),
            )


def frontier(runs: Sequence[Run], lines: Sequence[RunGroup], metric: str, revision: str) -> None:
    """Draw reward against KL; a click on a point opens what that checkpoint writes, below."""
    ids = [run.id for run in runs]
    names = dict(zip(ids, distinct_names([run.name for run in runs], ids), strict=True))
    budget = _budget(lines, metric, names)
    # Drawn after the answers, which say what is open; it stands above them.
    picture = st.container()
    chosen = _answers(runs, lines)
    with picture:
        live_chart(
            frontier_chart.frontier(
                lines,
                metric,
                budget=budget,
                chosen=chosen,
                same_start=same_start(runs),
            ),
            key="compare_frontier",
            revision=revision,
            height=460,
            alt=t("compare.frontier_help"),
            on_pick=_open,
        )


def _budget(lines: Sequence[RunGroup], metric: str, names: dict[str, str]) -> float | None:
    """Ask how much KL may be spent, and say what is the best that it buys."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        budget: float | None = st.number_input(
            t("compare.budget"),
            min_value=0.0,
            value=None,
            key="budget",
            bind="query-params",
            format="%g",
            step=1.0,
            help=t("compare.budget_help"),
            placeholder=t("compare.budget_none"),
            width=240,
        )
        budget = budget or None
        if budget is None or metric not in metrics.REWARDS:
            # Of KL or repetition the highest is not the best.
            return budget
        best = frontier_chart.best_within(lines, metric, budget)
        if best is None:
            st.text(t("compare.none_within", budget=number(budget)))
        else:
            st.text(
                t(
                    "compare.best_within",
                    budget=number(budget),
                    name=names[best.run_id],
                    step=best.step,
                    metric=words.heading(metric)[0],
                    value=number(best.reward),
                    kl=number(best.kl),
                )
            )
    return budget


def _open(point: list[Any]) -> None:
    step, run_id, *_ = point
    st.session_state["of"] = str(run_id)
    open_at(str(run_id), int(step))


def _answers(runs: Sequence[Run], lines: Sequence[RunGroup]) -> tuple[str, int] | None:
    """Answers of one run at a checkpoint, or of one run a line side by side.

    Returns:
        The run and the step that are open, when it is one run.
    """
    by_id = {run.id: run for run in runs}
    url_state.recall("of", [EVERY, *by_id], EVERY)
    names = {run.id: label(run) for run in runs} | {EVERY: t("compare.of_all")}
    of = str(
        st.selectbox(
            t("compare.of"),
            [EVERY, *by_id],
            key="of",
            format_func=lambda name: names[name],
        )
    )
    url_state.record("of", of, EVERY)
    if of == EVERY:
        shown = [by_id[line.run_ids[0]] for line in lines]
        show_generations(shown, [run.name for run in shown])
        return None
    step = show_generations([by_id[of]], [by_id[of].name])
    if step is None:
        return None
    _to_episodes(of, step)
    return of, step


def _to_episodes(run_id: str, step: int) -> None:
    """A link to the episodes that the checkpoint's last update learned from."""
    kept = [known for known in store().samples.steps(run_id, "episode") if known <= step]
    if kept:
        st.page_link(
            navigation.path("resets"),
            label=t("compare.episodes", step=kept[-1]),
            icon=":material/restart_alt:",
            query_params={"run": run_id, "step": str(kept[-1])},
        )
