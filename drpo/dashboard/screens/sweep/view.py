"""What the sweep screen shows of one sweep: its answer, its cells, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from drpo.charts import sweep_cells
from drpo.dashboard import client, navigation
from drpo.dashboard.client.analysis import paired_difference
from drpo.dashboard.client.data import table_csv
from drpo.dashboard.client.store import store
from drpo.dashboard.client.sweep import ENDED, Board, Cell, SweepRun
from drpo.dashboard.components.notices import guarded, notice, show_problem
from drpo.dashboard.components.run_controls import visitor
from drpo.dashboard.screens.sweep import panels
from drpo.dashboard.state import url_state
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.i18n.format import duration, number
from drpo.metrics import words

TICK = 2.0
OPENED = "opened_cell"
LAST = "last_sweep"


def show_sweep(sweep_id: str) -> None:
    """Show a sweep, and keep it up to date while it goes on."""
    live = client.sweep.board_of(sweep_id).status == "running"
    opened = st.session_state.pop(OPENED, None)
    if opened:
        asked = {"runs": opened, "by_seed": "1"}
        st.switch_page(navigation.path("compare"), query_params=asked)
    st.fragment(guarded(_show), run_every=TICK if live else None)(sweep_id, live)


def _show(sweep_id: str, live: bool) -> None:
    board = client.sweep.board_of(sweep_id)
    # A fragment may not leave the page: what was opened in it is obeyed by the whole page. Nor may
    # it set its own timer, when a sweep ends or a click here lets one go on.
    if OPENED in st.session_state or live != (board.status == "running"):
        st.rerun()
    _status(board)
    title, unit = words.heading(board.metric)
    if board.best() is None:
        st.caption(t("sweep.nothing_yet"))
    else:
        _answer(board, title)
    changed = _changes(board)
    panels.cells(board, title, unit, changed, on_pick=lambda key: _open(board, key))
    _missing(board)
    left, right = st.columns(2, gap="medium")
    with left:
        panels.importance(board)
    with right:
        panels.parallel(board, title, changed)
    _table(board, changed)


def _status(board: Board) -> None:
    why = str(board.notes.get("error", ""))
    live, waiting = board.live, board.paused
    # Nothing moves until a person lets the paused run go on, or stops it.
    stands = board.status == "running" and waiting and len(waiting) == len(live)
    state = "waiting" if stands else board.status
    status = t(f"sweep.status_{state}", why=why)
    known = sum(cell.planned for cell in board.cells)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.text(
            t(
                "sweep.progress",
                status=status,
                ended=len(board.runs) - len(live),
                planned=known,
                live=len(live),
                hours=duration(3600 * board.hours),
            )
        )
        if board.status == "running":
            st.button(
                t("sweep.stop"),
                key="sweep_stop",
                icon=":material/stop:",
                help=t("sweep.stop_help"),
                on_click=_ask,
                args=("stop", board.id),
            )
        if "stopped" in (board.status, board.notes.get("only", {}).get("then")):
            st.button(
                t("sweep.resume"),
                key="sweep_resume",
                icon=":material/resume:",
                on_click=_ask,
                args=("resume", board.id),
            )
    for problem in st.session_state.pop("sweep_said", []):
        show_problem(problem)
    if board.only:
        names = [sweep_cells.cell_name(cell) for cell in board.cells if cell.key in board.only]
        notice("note", t("sweep.only", cells="; ".join(names)))
    _paused(waiting)


def _paused(runs: Sequence[SweepRun]) -> None:
    """Say which runs wait for a person, each with the way to where it is resumed."""
    if not runs:
        return
    notice("warning", "\n".join([t("sweep.paused", count=len(runs)), *(r.name for r in runs)]))
    for run in runs:
        st.page_link(
            navigation.path("live"),
            label=t("sweep.paused_open", run=run.id),
            icon=":material/pause_circle:",
            query_params={"run": run.id},
        )


def _changes(board: Board) -> dict[str, str]:
    """What was changed in mid-run, by run; only of runs in which something was."""
    changes = store().events.setting_changes_of([run.id for run in board.runs])
    return {
        run_id: client.analysis.changes_in_words(changed) for run_id, changed in changes.items()
    }


def _ask(order: str, sweep_id: str, key: str = "") -> None:
    try:
        if order == "stop":
            client.sweep.stop(sweep_id, visitor())
        elif order == "resume":
            client.sweep.resume(sweep_id, visitor())
        else:
            seeds = client.sweep.queue_cell(sweep_id, key, visitor())
            st.toast(t("sweep.queued_seeds", count=len(seeds)), icon=":material/queue:")
    except DrpoError as error:
        # It may have ended between the drawing of the button and the click.
        st.session_state["sweep_said"] = [error]


def _answer(board: Board, title: str) -> None:
    """The best cell, what it reaches, and what resets add to it."""
    best = board.best()
    if best is None:
        return
    with st.grid(3, min_column_width=220):
        st.metric(
            t("sweep.best"),
            " · ".join(map(sweep_cells.setting_text, best.values.values())),
            border=True,
            delta=" · ".join(best.values),
            delta_color="off",
            delta_arrow="off",
        )
        st.metric(
            t("sweep.best_value", metric=title),
            number(best.mean),
            border=True,
            delta=_interval(best.interval, best.n),
            delta_color="off",
            delta_arrow="off",
        )
        gain, note = against_control(board, best)
        st.metric(
            t("sweep.against_control"),
            number(gain, sign=True),
            border=True,
            delta=note,
            delta_color="off",
            delta_arrow="off",
        )


def against_control(board: Board, cell: Cell) -> tuple[float | None, str]:
    """What a cell gains over the same settings without resets, paired by seed."""
    if cell.is_control:
        return None, t("sweep.is_control")
    control = board.control_of(cell)
    if control is None:
        return None, t("sweep.state_not_run")
    with_resets = {run.seed: run.final for run in cell.runs if run.final is not None}
    without = {run.seed: run.final for run in control.runs if run.final is not None}
    common = sorted(set(with_resets) & set(without))
    if len(common) < 2:
        return None, t("sweep.unpaired")
    found = paired_difference([with_resets[s] for s in common], [without[s] for s in common])
    low, high = found.t.low, found.t.high
    interval = None if low is None or high is None else (low, high)
    return found.t.value, _interval(interval, len(common))


def _interval(interval: tuple[float, float] | None, n: int) -> str:
    if interval is None:
        return t("sweep.one_seed")
    return t("sweep.interval", low=number(interval[0]), high=number(interval[1]), n=n)


def _missing(board: Board) -> None:
    """Cells without a full result, each with a button that queues what is missing."""
    # What a sweep that goes on will queue by itself needs no button.
    open_states = ("not run", "part") if board.status != "running" or board.only else ()
    due = [c for c in board.cells if c.state in (*open_states, *ENDED, "stopped early")]
    if not due:
        return
    st.markdown(f"**{t('sweep.fill')}**", help=t("sweep.fill_help"))
    with st.container(horizontal=True, gap="small"):
        for cell in due:
            st.button(
                t(
                    "sweep.fill_cell",
                    cell=sweep_cells.cell_name(cell),
                    state=sweep_cells.state_text(cell),
                ),
                key=f"fill_{cell.key}",
                icon=":material/add:",
                on_click=_ask,
                args=("queue", board.id, cell.key),
            )


def _table(board: Board, changed: Mapping[str, str]) -> None:
    st.subheader(t("sweep.table"))
    frame = pd.DataFrame(board.rows())
    names = list(board.plan.names)
    frame["state"] = [sweep_cells.state_text(cell) for cell in board.cells]
    frame["open"] = [t("sweep.compare")] * len(frame)
    frame["turned"] = [
        "; ".join(
            f"{t('sweep.seed', seed=run.seed)}: {changed[run.id]}"
            for run in cell.runs
            if run.id in changed
        )
        for cell in board.cells
    ]
    number_column = st.column_config.NumberColumn
    st.dataframe(
        frame[
            [
                "open",
                *names,
                "state",
                "seeds",
                "mean",
                "low",
                "high",
                "control",
                *(["turned"] if changed else []),
            ]
        ],
        hide_index=True,
        key="cells_table",
        alt=t("sweep.table"),
        placeholder="–",
        column_config={
            "open": st.column_config.ButtonColumn(
                "",
                type="tertiary",
                key="open_cell",
                on_click=_open_row,
                args=(board,),
                help=t("sweep.compare_help"),
                width="small",
            ),
            "state": st.column_config.TextColumn(t("sweep.col_state")),
            "seeds": number_column(t("sweep.col_seeds")),
            "turned": st.column_config.TextColumn(t("compare.changed")),
            "control": st.column_config.CheckboxColumn(t("sweep.col_control")),
            # Of a learning rate three digits count, wherever they stand.
            **{
                name: number_column(name, format="%.3g")
                for name in names
                if pd.api.types.is_numeric_dtype(frame[name])
            },
            **{
                name: number_column(t(f"sweep.col_{name}"), format="%.3f")
                for name in ("mean", "low", "high")
            },
        },
    )
    st.download_button(
        t("sweep.download"),
        lambda: _csv(board),
        f"{board.id}.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="sweep_csv",
    )


def _open(board: Board, key: str) -> None:
    """Ask for a cell's runs on Compare, beside those of its control."""
    cell = next((one for one in board.cells if one.key == key), None)
    if cell is None:
        return
    control = board.control_of(cell)
    runs = [*cell.runs, *(control.runs if control and control is not cell else ())]
    st.session_state[OPENED] = ",".join(run.id for run in runs)


def _open_row(board: Board) -> None:
    _open(board, board.cells[st.session_state["open_cell"]["row"]].key)


def _csv(board: Board) -> str:
    frame = pd.DataFrame(board.rows())
    frame["runs"] = frame["runs"].map(" ".join)
    return table_csv(frame)


def choose_sweep(sweeps: Sequence[tuple[str, str]]) -> str:
    """Choose a sweep; the choice stands in the URL."""
    names = dict(sweeps)
    # The browser's way back from Compare loses the link's sweep, but not what was looked at last.
    last = st.session_state.get(LAST)
    url_state.recall("sweep", list(names), last if last in names else next(iter(names)))
    chosen = st.selectbox(
        t("sweep.choose"), list(names), key="sweep", format_func=lambda key: names[key]
    )
    url_state.record("sweep", str(chosen))
    st.session_state[LAST] = str(chosen)
    return str(chosen)
