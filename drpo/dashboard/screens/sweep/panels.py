"""The charts of one sweep: its cells, what makes the difference, lines through the settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import streamlit as st

from drpo import metrics
from drpo.charts import sweep_axes, sweep_cells, sweep_charts
from drpo.dashboard import client
from drpo.dashboard.client.config import LIVE_SETTINGS
from drpo.dashboard.client.sweep import Board, Cell
from drpo.dashboard.components.live_chart import live_chart
from drpo.dashboard.state import url_state
from drpo.i18n import t


def cells(
    board: Board, title: str, unit: str, changed: Collection[str], on_pick: Callable[[str], None]
) -> None:
    """Show every cell where its settings say: a grid as a heat map, drawn cells as points.

    Args:
        board: The sweep.
        title: What its metric is called.
        unit: The metric's unit.
        changed: Runs in which a setting was changed in mid-run.
        on_pick: Called with the key of a cell that was clicked.
    """
    if board.plan.kind == "grid":
        _heatmap(board, title, unit, changed, on_pick)
    elif all(name in board.plan.names for name in LIVE_SETTINGS):
        _scatter(board, title, unit, changed, on_pick)


def colour(metric: str) -> str:
    """The meaning that a metric's cells are drawn in; grey where it has none."""
    meaning = metrics.of(metric).meaning
    # Ink on ink could not be read.
    return "muted" if meaning == "ink" else meaning


def _heatmap(
    board: Board, title: str, unit: str, changed: Collection[str], on_pick: Callable[[str], None]
) -> None:
    varied = [n for n in board.plan.names if len(sweep_cells.levels(board.cells, n)) > 1]
    names = varied or board.plan.names[:1]
    st.subheader(t("sweep.map"))
    x, y, shown = names[0], names[1] if len(names) > 1 else "", board.cells
    if len(names) > 2:
        x, y, shown = _slice(board, names)
    rows = len(sweep_cells.levels(shown, y)) if y else 1
    meaning = colour(board.metric)
    live_chart(
        sweep_charts.heatmap(shown, x, y, title=title, unit=unit, meaning=meaning, changed=changed),
        key="cells",
        revision=f"{board.id}{x}{y}",
        height=120 + 92 * rows,
        on_pick=on_pick,
        alt=t("sweep.map_alt" if y else "sweep.map_alt_row", metric=title, x=x, y=y),
    )
    st.caption(t("sweep.map_help"))


def _slice(board: Board, names: Sequence[str]) -> tuple[str, str, list[Cell]]:
    """Choose two of several axes, and one value of each other; the choices stand in the URL."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        x = _choose("sweep_x", t("sweep.x_axis"), names)
        rest = [name for name in names if name != x]
        y = _choose("sweep_y", t("sweep.y_axis"), rest)
        shown = board.cells
        for name in rest:
            if name != y:
                values = [
                    sweep_cells.setting_text(v) for v in sweep_cells.levels(board.cells, name)
                ]
                chosen = _choose(f"slice_{name}", t("sweep.slice", name=name), values)
                shown = [c for c in shown if sweep_cells.setting_text(c.values[name]) == chosen]
    return x, y, shown


def _choose(key: str, label: str, options: Sequence[str]) -> str:
    url_state.recall(key, options, options[0])
    chosen = str(st.selectbox(label, options, key=key))
    url_state.record(key, chosen, options[0])
    return chosen


def _scatter(
    board: Board, title: str, unit: str, changed: Collection[str], on_pick: Callable[[str], None]
) -> None:
    reset_prob, kl_coef = "reset_prob", "kl_coef"
    st.subheader(t("sweep.points"))
    figure = sweep_axes.scatter(
        board.cells,
        reset_prob,
        kl_coef,
        title=title,
        unit=unit,
        meaning=colour(board.metric),
        changed=changed,
    )
    live_chart(
        figure,
        key="points",
        revision=board.id,
        height=380,
        on_pick=on_pick,
        alt=t("sweep.map_alt", metric=title, x=reset_prob, y=kl_coef),
    )
    st.caption(t("sweep.points_help"))


def importance(board: Board) -> None:
    """Show how much of the difference between cells each setting accounts for."""
    st.subheader(t("sweep.importance"))
    shares = _shares(board.id, tuple((c.key, c.mean, c.state) for c in board.cells), board)
    if not shares:
        st.caption(t("sweep.importance_none"))
        return
    live_chart(
        sweep_charts.importance(shares),
        key="importance",
        revision=board.id,
        height=260,
        alt=t("sweep.importance_help"),
    )
    st.caption(t("sweep.importance_help"))


@st.cache_data(show_spinner=False, max_entries=32)
def _shares(
    _sweep_id: str,
    results: tuple[tuple[str, float | None, str], ...],  # noqa: ARG001 - the key of the cache
    _board: Board,
) -> dict[str, float]:
    return client.sweep.importance(_board)


def parallel(board: Board, title: str, changed: Collection[str]) -> None:
    """Show cells as lines through their settings.

    Args:
        board: The sweep.
        title: What its metric is called.
        changed: Runs in which a setting was changed in mid-run.
    """
    st.subheader(t("sweep.parallel"))
    figure = sweep_axes.parallel(
        board.cells,
        board.plan.names,
        title=title,
        meaning=colour(board.metric),
        changed=changed,
    )
    if not figure["data"]:
        st.caption(t("sweep.nothing_yet"))
        return
    live_chart(figure, key="parallel", revision=board.id, height=260, alt=t("sweep.parallel_help"))
    st.caption(t("sweep.parallel_help"))
