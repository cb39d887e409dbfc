"""`drpo sweep ...`: many runs from one plan, on the command line."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from drpo.cli.options import FOLLOW_SECONDS, WHO, Detach, Json
from drpo.cli.output import ProgressLine, figure, print_json, print_table, say
from drpo.cli.setting_flags import given, with_settings
from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError, RunError
from drpo.i18n import t
from drpo.runs import background_supervisor, demo, preflight
from drpo.runs.supervisor import Supervisor
from drpo.store import Store
from drpo.store.schema import Sweep
from drpo.sweep import Axis, Board, SweepPlan, create, deleting, engine
from drpo.sweep.plan import AUTO, parse_seeds
from drpo.sweep.search import importance

app = typer.Typer(
    help="Try many settings with several seeds each, resets switched off always among them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command()
@with_settings(dict.fromkeys(("data", "policy"), "required unless --demo names it"))
def new(
    axis: Annotated[
        list[str],
        typer.Option(
            help="A setting to vary: kl_coef=0.05,0.2 or, for random and tpe, kl_coef=0.01:1:log. "
            "Give it once for each setting."
        ),
    ],
    kind: Annotated[str, typer.Option(help="grid, random or tpe.")] = "grid",
    seeds: Annotated[str, typer.Option(help="Seeds of every cell: 0,1,2 or 0-4.")] = "0-2",
    trials: Annotated[int, typer.Option(help="Cells that random and tpe draw.")] = 12,
    metric: Annotated[str, typer.Option(help="Metric a good cell is high in.")] = AUTO,
    budget_runs: Annotated[int | None, typer.Option(help="Runs at most.")] = None,
    budget_hours: Annotated[
        float | None, typer.Option(help="Hours of running at most, added up over runs.")
    ] = None,
    together: Annotated[int, typer.Option(help="Runs going on at once.")] = 2,
    early_stop: Annotated[bool, typer.Option(help="Stop cells that are clearly worse.")] = True,
    sweep_name: Annotated[str, typer.Option(help="A name to find the sweep by.")] = "",
    task: Annotated[
        str | None, typer.Option("--demo", help=f"Base it on a demo task: {', '.join(demo.TASKS)}.")
    ] = None,
    detach: Detach = False,
    as_json: Json = False,
    **settings: Any,  # noqa: ANN401 - the shared settings, checked by RunConfig
) -> None:
    """Plan a sweep and carry it out; the flags for settings give what all runs share."""
    shared = given(settings)
    base = demo.demo_config(task, **shared) if task else RunConfig.of(**shared)
    plan = SweepPlan.of(
        base,
        axes=tuple(Axis.parse(text) for text in axis),
        kind=kind,
        seeds=parse_seeds(seeds),
        trials=trials,
        metric=metric,
        budget_runs=budget_runs,
        budget_hours=budget_hours,
        together=together,
        early_stop=early_stop,
    )
    store = Store()
    preflight.check(base, store)
    _carry_out(store, create(store, plan, sweep_name), detach=detach, as_json=as_json)


@app.command("list")
def list_sweeps(as_json: Json = False) -> None:
    """List the sweeps, newest first."""
    store = Store()
    listed = [_listed(store, sweep) for sweep in deleting.listed(store)]
    if as_json:
        print_json(listed)
        return
    named = [{**one, "status": _status(one["status"])} for one in listed]
    rows = [["–" if said is None else str(said) for said in one.values()] for one in named]
    print_table(rows, [t(f"cli.{head}") for head in ("sweep", "name", "status", "cells", "runs")])


def _listed(store: Store, sweep: Sweep) -> dict[str, Any]:
    one = {"sweep": sweep.id, "name": sweep.name, "status": sweep.status}
    try:
        board = Board.read(store, sweep.id)
    except ConfigError:  # a plan of another version; `drpo sweep show` says what is wrong with it
        return {**one, "cells": None, "runs": None}
    return {**one, "cells": len(board.cells), "runs": len(board.runs)}


@app.command()
def show(sweep: str, as_json: Json = False) -> None:
    """Show a sweep's table: every cell with its seeds, mean and interval."""
    store = Store()
    _print(store, Board.read(store, _find(store, sweep)), as_json)


@app.command()
def stop(sweep: str, as_json: Json = False) -> None:
    """End a sweep; runs that are going on save and stop."""
    store = Store()
    found = _find(store, sweep)
    engine.stop(store, found, WHO)
    _print(store, Board.read(store, found), as_json)


@app.command()
def resume(sweep: str, detach: Detach = False, as_json: Json = False) -> None:
    """Let a sweep go on where it stopped."""
    store = Store()
    found = _find(store, sweep)
    board = Board.read(store, found)
    if board.status != "running" or board.only:
        engine.resume(store, found, WHO)
    _carry_out(store, found, detach=detach, as_json=as_json)


@app.command()
def queue(sweep: str, cell: str, as_json: Json = False) -> None:
    """Queue a cell's missing seeds; `drpo sweep show` names the cells."""
    store = Store()
    found = _find(store, sweep)
    engine.queue_cell(store, found, cell, WHO)
    background_supervisor.start_detached()
    _print(store, Board.read(store, found), as_json)


@app.command()
def delete(sweep: str) -> None:
    """Take a sweep that does not go on out of the lists; `drpo sweep restore` brings it back."""
    store = Store()
    found = _find(store, sweep)
    deleting.delete(store, found)
    say(t("cli.sweep_deleted", sweep=found))


@app.command()
def restore(sweep: str) -> None:
    """Bring a deleted sweep back."""
    store = Store()
    found = _find(store, sweep, deleted=True)
    deleting.restore(store, found)
    say(t("cli.sweep_restored", sweep=found))


def _carry_out(store: Store, sweep_id: str, *, detach: bool, as_json: bool) -> None:
    engine.advance(store, sweep_id)
    if detach:
        background_supervisor.start_detached()
    else:
        _follow(store, sweep_id)
    if detach and not as_json:
        say(sweep_id)
    else:
        _print(store, Board.read(store, sweep_id), as_json)


def _follow(store: Store, sweep_id: str) -> None:
    """Supervise until the sweep ends; Ctrl-C stops it, and `resume` lets it go on."""
    supervisor = Supervisor(store)
    supervisor.start()
    line = ProgressLine()
    try:
        while (board := Board.read(store, sweep_id)).status == "running":
            ended = len(board.runs) - len(board.live)
            moving = len(board.live) - len(board.paused)
            line.show(
                t(
                    "cli.sweep_paused" if board.paused else "cli.sweep_follow",
                    sweep=sweep_id,
                    ended=ended,
                    moving=moving,
                    paused=len(board.paused),
                )
            )
            time.sleep(FOLLOW_SECONDS)
    except KeyboardInterrupt:
        engine.stop(store, sweep_id, WHO)
        raise
    finally:
        line.end()
        background_supervisor.hand_over(supervisor)


def _print(store: Store, board: Board, as_json: bool) -> None:
    cells = board.rows()
    by_hand = store.events.setting_changes_of([run.id for run in board.runs])
    for row in cells:
        row["turned"] = {run_id: by_hand[run_id] for run_id in row["runs"] if run_id in by_hand}
    if as_json:
        print_json(
            {
                "sweep": board.id,
                "name": board.name,
                "status": board.status,
                "metric": board.metric,
                "hours": board.hours,
                "cells": cells,
                "importance": importance(board),
                "plan": board.plan.model_dump(mode="json"),
                "error": board.notes.get("error"),
            }
        )
        return
    names = list(board.plan.names)
    rows = [
        [
            row["cell"],
            *(str(row[name]) for name in names),
            _state(row),
            f"{row['seeds']}/{row['planned']}",
            *(figure(row[name]) for name in ("mean", "low", "high")),
        ]
        for row in cells
    ]
    status = _status(board.status, str(board.notes.get("error", "")))
    hours = f"{board.hours:.2f}"
    sweep, metric = board.id, board.metric
    say(t("cli.sweep_stands", sweep=sweep, status=status, metric=metric, hours=hours))
    heads = [t(f"cli.{head}") for head in ("state", "seeds", "mean", "low", "high")]
    print_table(rows, [t("cli.cell"), *names, *heads])


def _status(status: str, why: str = "") -> str:
    if status == "failed" and not why:
        return t("live.status_failed")
    return t(f"sweep.status_{status}", why=why)


def _state(row: Mapping[str, Any]) -> str:
    state = t(f"sweep.state_{row['state'].replace(' ', '_')}")
    return t("cli.changed", state=state) if row["turned"] else state


def _find(store: Store, text: str, *, deleted: bool = False) -> str:
    sweeps = deleting.listed(store, deleted=deleted)
    fits = [s.id for s in sweeps if s.id.startswith(text) or s.name == text]
    if text in fits:
        return text
    if len(fits) != 1:
        how_many = "No sweep begins" if not fits else f"{len(fits)} sweeps begin"
        raise (RunError if not fits else ConfigError)(
            f"{how_many} with {text!r}; `drpo sweep list` shows all."
        )
    return fits[0]
