"""The Live screen's two shapes: one run in full, or two side by side.

Each is a fragment that runs every second while a run is live. When the last one ends, or an ended
one is resumed, the whole page is run once more, without a timer or with one; while nothing is live
there is no traffic.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import streamlit as st

from drpo import metrics
from drpo.charts import run_charts, stage_charts
from drpo.charts.annotations import annotations_of
from drpo.dashboard import navigation
from drpo.dashboard.client.analysis import Feed, axis_end, settings_that_differ
from drpo.dashboard.client.runs import event_words, seconds_silent
from drpo.dashboard.client.store import Run, store
from drpo.dashboard.components import alarm_cards
from drpo.dashboard.components.generations import show_generations
from drpo.dashboard.components.live_chart import live_chart
from drpo.dashboard.components.notices import guarded, notice
from drpo.dashboard.components.run_choice import label
from drpo.dashboard.components.run_controls import run_controls
from drpo.dashboard.components.run_status import status_line
from drpo.dashboard.screens.live.details_view import show_details
from drpo.dashboard.state import metric_series, url_state
from drpo.i18n import t
from drpo.i18n.format import count, distinct_names, duration, number, share

TICK = 1.0
"""Seconds between two looks at the store; a point is on the screen within two."""
HEIGHT = 460


def choose_beside(runs: Mapping[str, Run], run_id: str) -> str:
    """Choose a run to stand beside another; empty for none. The choice stands in the URL."""
    others = ["", *(other for other in runs if other != run_id)]
    names = {run.id: label(run) for run in runs.values()} | {"": t("live.none")}
    url_state.recall("beside", others, "")
    beside = st.selectbox(
        t("live.beside"), others, key="beside", format_func=lambda other: names[other]
    )
    url_state.record("beside", beside)
    return str(beside)


def show_run(run_id: str) -> None:
    """One run in full."""
    _while_live([run_id], lambda: _one(run_id))


def show_pair(left: str, right: str) -> None:
    """Two runs side by side on the same scales."""
    _while_live([left, right], lambda: _two(left, right))


def _while_live(run_ids: Sequence[str], draw: Callable[[], bool]) -> None:
    """Draw now, and each second while one of the runs is live, as `draw` returns."""
    live = any(metric_series.is_live(store().runs.get(run_id)) for run_id in run_ids)

    @st.fragment(run_every=TICK if live else None, key="live")
    @guarded
    def tick() -> None:
        # A click in a fragment runs only the fragment, and its timer is set by the whole page.
        if live != draw():
            st.rerun()

    tick()


def _one(run_id: str) -> bool:
    run = store().runs.get(run_id)
    feed = metric_series.feed(run_id)
    sticky("status_bar")
    with st.container(key="status_bar", horizontal=True, vertical_alignment="center"):
        status_line(run, feed)
        # The run's id: another run chosen on the same screen must not get this one's values.
        run_controls(run, feed, key=run.id)
    say_what_is_wrong(run, feed)
    alarm_cards.show_alarms(run, version=feed.version)
    if not feed.measured:
        say_what_is_awaited(run, feed)
        show_details(run, feed)
        return metric_series.is_live(run)
    until = axis_end(run)
    left, right = st.columns(2, gap="medium")
    with left:
        live_chart(
            lambda: run_charts.reward(feed, until=until, annotations=annotations_of(feed.events)),
            key="reward",
            revision=run_id,
            version=feed.version,
            alt=t("live.alt_reward", last=number(feed.last(metrics.EVAL_SCORES))),
            group=run_id,
            height=HEIGHT,
        )
    with right:
        live_chart(
            lambda: run_charts.kl(feed, until=until, annotations=annotations_of(feed.events)),
            key="kl",
            revision=run_id,
            version=feed.version,
            alt=t("live.alt_kl", last=number(feed.last(metrics.EVAL_KL))),
            group=run_id,
            height=HEIGHT,
        )
    _say_groups_without_spread(run, feed)
    show_generations([run], [run.name], version=feed.version)
    show_details(run, feed)
    return metric_series.is_live(run)


def _two(left: str, right: str) -> bool:
    runs = [store().runs.get(run_id) for run_id in (left, right)]
    feeds = [metric_series.feed(run.id) for run in runs]
    version = tuple(feed.version for feed in feeds)
    differing = settings_that_differ(runs, feeds)
    ranges = {name: run_charts.common_range(feeds, name) for name in metrics.on_chart("reward")}
    top = run_charts.common_range(feeds, metrics.EVAL_KL)
    names = distinct_names([run.name for run in runs], [run.id for run in runs])
    # A row of their own: above one run's charts they would push them down past the other's.
    for place, run, name in zip(st.columns(2, gap="large"), runs, names, strict=True):
        with place:
            alarm_cards.show_alarms(run, name)
    # Rows of both, one after the other: what is alike begins at one height on either side.
    for place, run, feed in zip(st.columns(2, gap="large"), runs, feeds, strict=True):
        with place:
            heading(run.name, dict(zip(differing.index, differing[run.id], strict=True)))
            status_line(run, feed)
    for place, run, feed in zip(st.columns(2, gap="large"), runs, feeds, strict=True):
        with place:
            run_controls(run, feed, key=run.id)
            say_what_is_wrong(run, feed)
    for place, run, feed in zip(st.columns(2, gap="large"), runs, feeds, strict=True):
        with place:
            if not feed.measured:
                say_what_is_awaited(run, feed)
                continue
            until, marks = axis_end(run), annotations_of(feed.events)
            live_chart(
                partial(run_charts.reward, feed, ranges=ranges, until=until, annotations=marks),
                version=version,
                key=f"reward_{run.id}",
                revision=run.id,
                group="pair",
                height=HEIGHT,
                alt=t("live.alt_reward", last=number(feed.last(metrics.EVAL_SCORES))),
            )
            live_chart(
                partial(run_charts.kl, feed, top=top, until=until, annotations=marks),
                version=version,
                key=f"kl_{run.id}",
                revision=run.id,
                group="pair",
                height=HEIGHT,
                alt=t("live.alt_kl", last=number(feed.last(metrics.EVAL_KL))),
            )
    show_generations(runs, [run.name for run in runs], version=version)
    return any(map(metric_series.is_live, runs))


def heading(name: str, differing: dict[str, str]) -> None:
    """A run's name and what sets it apart from its neighbour; both may hold anything."""
    settings = " · ".join(f"{setting} {value}" for setting, value in differing.items())
    # HTML for its size; both texts are escaped.
    st.html(
        f'<h3 style="font-size:1.2rem;margin:0;padding:0;overflow-wrap:anywhere">'
        f"{html.escape(name)}</h3>"
        f'<div style="color:var(--drpo-muted);overflow-wrap:anywhere">'
        f"{html.escape(settings or t('live.same_settings'))}</div>"
    )


def say_what_is_wrong(run: Run, feed: Feed) -> None:
    """Say why a run did not end as planned, that it stands still, or what its record lacks."""
    why = event_words.trouble(run, feed.events)
    if why:
        notice("problem", why)
    silent = seconds_silent(run)
    if silent is not None:
        notice("warning", t("live.stalled", time=duration(silent)))
    lost = run.summary.get("lost_writes")
    if lost:
        notice("warning", t("live.lost_writes", count=count(lost)))


def say_what_is_awaited(run: Run, feed: Feed) -> None:
    """Say what is being done before there is a first point, or why there will be none.

    A stage before the policy's own updates has curves of its own, which begin with its first step.
    """
    alone = run.config["run"]["method"] == "rm"
    live = metric_series.is_live(run)
    stage = stage_charts.latest_stage(feed.series)
    if alone:
        st.caption(t("live.no_policy"))
    elif not live:
        st.caption(t("live.nothing_written"))
    elif not stage:
        with st.container(border=True, height=160, vertical_alignment="center"):
            st.markdown(f"**{t('live.waiting')}**")
            st.caption(t("live.waiting_queue" if run.status == "queued" else "live.waiting_help"))
    if not stage or not (live or alone):
        return
    if live and not alone:
        st.caption(t("live.waiting_stage"))
    live_chart(
        stage_charts.stage_chart(feed, stage, until=run.stage_total if live else 0),
        key=f"stage_{run.id}",
        revision=run.id,
        alt=t("live.alt_stage"),
        group=f"{run.id}{stage}",
        height=HEIGHT,
    )


def _say_groups_without_spread(run: Run, feed: Feed) -> None:
    """Say how many groups taught nothing in the last update, and where to see which."""
    dead = feed.last(metrics.GROUP_ZERO_SPREAD)
    if dead is None or not dead > 0:
        return
    setting = metric_series.config_of(run).ppo.zero_spread_groups
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(t(f"live.groups_without_spread_{setting}", share=share(dead)))
        st.page_link(
            navigation.path("resets"),
            label=t("live.groups_without_spread_link"),
            icon=":material/restart_alt:",
            query_params={"run": run.id},
            width="content",
        )


def sticky(key: str) -> None:
    """Keep a keyed container at the top of the window while the page scrolls under it."""
    # Streamlit has no sticky container; the key is a name of ours.
    st.html(
        f"<style>div:has(> .st-key-{key}) {{ position: sticky; top: 3.75rem; z-index: 60; }} "
        f".st-key-{key} {{ background: var(--drpo-paper); padding: .4rem 0; "
        "border-bottom: 1px solid var(--drpo-line); }</style>"
    )
