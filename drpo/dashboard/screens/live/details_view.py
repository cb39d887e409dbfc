"""Behind the answer on Live: path, resets, lengths, losses, all metrics, events, log, machine."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import groupby

import pandas as pd
import psutil
import streamlit as st

from drpo import metrics
from drpo.charts import metric_charts, run_charts
from drpo.charts.annotations import annotations_of
from drpo.charts.figures import Figure
from drpo.dashboard.client.analysis import Feed, axis_end, changes_in_words
from drpo.dashboard.client.config import as_trained, without_secrets
from drpo.dashboard.client.data import table_csv
from drpo.dashboard.client.runs import (
    Gpu,
    event_words,
    gpu_use,
    places_of_run,
    where,
    worker_log,
)
from drpo.dashboard.client.store import Run, run_folder, store
from drpo.dashboard.components.live_chart import live_chart
from drpo.dashboard.components.notices import notice
from drpo.dashboard.screens.live import metrics_view
from drpo.dashboard.state import url_state
from drpo.dashboard.state.shared import shared
from drpo.i18n import language, t
from drpo.i18n.format import share, size
from drpo.metrics import words

FRESH_SECONDS = 3.0
"""Ticks and tabs share one look at the machine; nvidia-smi takes a tenth of a second or more."""
HEIGHT = 420


def show_details(run: Run, feed: Feed) -> None:
    """Show one of the details; which one is in the URL."""
    views: dict[str, Callable[[Run, Feed], None]] = {
        "path": _path,
        "resets": _resets,
        "lengths": _lengths,
        "losses": _losses,
        "all": _all,
        "events": _events,
        "log": _log,
        "machine": _machine,
        "config": _config,
    }
    st.subheader(t("live.details"))
    url_state.recall("view", list(views), "path")
    chosen = st.segmented_control(
        t("live.view"),
        list(views),
        key="view",
        required=True,
        label_visibility="collapsed",
        format_func=lambda name: t(f"live.view_{name}"),
        wrap=True,
    )
    url_state.record("view", str(chosen), "path")
    views[str(chosen)](run, feed)


def _chart(
    make: Callable[[], Figure], name: str, run: Run, feed: Feed, *, linked: bool = True
) -> None:
    help_key = f"live.{name}_help"
    st.caption(t(help_key))
    figure = shared((name, run.id, feed.version, language()), make)
    if not figure["data"]:
        st.caption(t("live.not_yet"))
        return
    live_chart(
        figure,
        key=f"detail_{name}",
        revision=run.id,
        alt=t(help_key),
        height=HEIGHT,
        group=run.id if linked else "",
        version=feed.version,
    )


def _path(run: Run, feed: Feed) -> None:
    _chart(lambda: run_charts.path(feed), "path", run, feed, linked=False)


def _resets(run: Run, feed: Feed) -> None:
    def make() -> Figure:
        return run_charts.by_start(feed, annotations=annotations_of(feed.events))

    _chart(make, "resets", run, feed)


def _lengths(run: Run, feed: Feed) -> None:
    def make() -> Figure:
        events = annotations_of(feed.events)
        return run_charts.lengths(feed, until=axis_end(run), annotations=events)

    _chart(make, "lengths", run, feed)


def _losses(run: Run, feed: Feed) -> None:
    def make() -> Figure:
        return run_charts.losses(feed, annotations=annotations_of(feed.events))

    _chart(make, "losses", run, feed)


def _all(run: Run, feed: Feed) -> None:
    wanted, weight, log = metrics_view.ask()
    panels = [
        panel
        for panel in metric_charts.metric_panels(feed.series)
        if any(wanted.lower() in name.lower() for name in panel.members)
    ]
    if not panels:
        st.caption(t("live.no_metric"))
    annotations = annotations_of(feed.events)
    for group, members in groupby(panels, key=lambda panel: panel.group):
        st.markdown(f"**{group}**")
        grid = st.grid(3, min_column_width=300)
        for panel in members:
            with grid.cell():
                live_chart(
                    partial(
                        metric_charts.metric_chart,
                        feed,
                        panel,
                        weight=weight,
                        log=log,
                        annotations=annotations,
                    ),
                    version=(feed.version, weight, log),
                    # Only charts of the same steps zoom together.
                    key=f"metric_{panel.name}",
                    revision=run.id,
                    group=run.id + panel.stage,
                    height=230,
                    alt=f"{panel.name}. {words.meaning(panel.name)}",
                )
                st.caption(words.meaning(panel.name))
    st.download_button(
        t("live.download_metrics"),
        lambda: _csv(feed),
        f"{run.id}-metrics.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="metrics_csv",
    )


def _csv(feed: Feed) -> str:
    """All metrics by step; `clock` says whose steps: the policy's updates, or a stage's own."""
    clocks: dict[str, dict[str, pd.Series]] = {}
    for name, series in feed.series.items():
        columns = clocks.setdefault(metrics.of(name).steps_of or "update", {})
        columns[name] = pd.Series(series.values, index=series.steps)
    tables = {clock: pd.DataFrame(columns) for clock, columns in clocks.items()}
    return table_csv(pd.concat(tables, names=["clock", "step"]), index=True) if tables else ""


def _events(_run: Run, feed: Feed) -> None:
    if not feed.events:
        st.caption(t("live.no_events"))
        return
    rows = [
        {
            t("live.event_time"): datetime.fromtimestamp(event.created_at, UTC),
            t("live.event_step"): event.step,
            t("live.event_kind"): event_words.kind(event),
            t("live.event_message"): event_words.describe(event, feed.events),
            t("live.event_who"): event_words.who(event),
        }
        for event in reversed(feed.events)
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="events", alt=t("live.view_events"))


def _log(run: Run, _feed: Feed) -> None:
    log = worker_log(run)
    if not log:
        st.caption(t("live.no_log"))
        return
    st.code(log, language=None, height=360)


def _machine(run: Run, feed: Feed) -> None:
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(run_folder(run.id).parent.parent))
    speed = feed.last(metrics.EPS)
    graphics = _gpus_of(run)
    with st.grid(4, min_column_width=150):
        st.metric(t("live.processor"), share(_processor()), border=True)
        st.metric(t("live.memory"), f"{size(memory.used)} / {size(memory.total)}", border=True)
        st.metric(t("live.disk"), t("live.free", amount=size(disk.free)), border=True)
        st.metric(
            t("live.speed"),
            "–" if speed is None else f"{speed:.1f}",
            border=True,
            help=t("live.speed_help"),
        )
        for gpu in graphics:
            st.metric(t("details.gpu", name=gpu.index), share(gpu.use), border=True)
            st.metric(
                t("details.gpu_memory", name=gpu.index),
                border=True,
                value="–" if math.isnan(gpu.used) else f"{size(gpu.used)} / {size(gpu.total)}",
            )
    if not graphics:
        st.caption(t("details.no_gpu"))
    host, device, pid = where(run) or "–", run.device or "–", run.pid or "–"
    st.caption(t("live.device", host=host, device=device, pid=pid))
    _cluster(run)


def _cluster(run: Run) -> None:
    """The nodes of the cluster that a run was given to, and what is free there."""
    found = places_of_run(store(), run)
    if found is None:
        return
    st.caption(t("details.elsewhere"))
    if found.away:
        notice("warning", t("details.cluster_away"))
    rows = [
        {
            t("details.node"): node.name,
            t("details.node_device"): node.device,
            t("details.node_free"): t(
                "details.node_stands" if node.lives else "details.node_lost",
                free=node.free,
                places=node.places,
            ),
        }
        for node in found.nodes
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="nodes", alt=t("details.nodes"))


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _processor() -> float:
    """Share of the processor in use. Measured now: psutil's own memory is of one thread only."""
    return psutil.cpu_percent(interval=0.1) / 100


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _gpus() -> list[Gpu]:
    return gpu_use()


def _gpus_of(run: Run) -> list[Gpu]:
    """The GPU that a run has; of a run without one all of the machine."""
    found = _gpus()
    names = (run.device or "").removeprefix("cuda:").split(",")
    own = [gpu for gpu in found if gpu.index in names or gpu.uuid in names]
    return own or found


def _config(run: Run, feed: Feed) -> None:
    st.caption(t("live.config_help"))
    frame = pd.DataFrame(
        [(name, str(value)) for name, value in as_trained(run.config).items()],
        columns=[t("live.setting"), t("live.setting_value")],
    )
    st.dataframe(frame, hide_index=True, key="config", alt=t("live.view_config"))
    by_hand = changes_in_words(feed.setting_changes)
    if by_hand:
        st.caption(t("details.changed", what=by_hand))
    st.download_button(
        t("live.download_config"),
        lambda: settings_json(run),
        f"{run.id}-config.json",
        "application/json",
        icon=":material/download:",
        on_click="ignore",
        key="config_json",
    )


def settings_json(run: Run) -> str:
    """The settings and what was changed in mid-run, in the shape of `drpo show --json`."""
    changes = store().events.setting_changes(run.id)
    record = {"run": run.id, "config": without_secrets(run.config), "knobs": changes}
    return json.dumps(record, indent=2, ensure_ascii=False)
