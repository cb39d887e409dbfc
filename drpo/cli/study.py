"""`drpo study`: run the study, or go on with it, and write docs/study.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drpo.cli.advise import ShownDrawing
from drpo.cli.options import Json
from drpo.cli.output import ProgressLine, print_json, say
from drpo.errors import ConfigError
from drpo.evaluation.storage import evaluation_of
from drpo.home import home_url
from drpo.i18n import t
from drpo.store import Store, workspace
from drpo.study import execute, report
from drpo.study.calibration import LOOK
from drpo.study.plan import EXPERIMENTS, GRIDS, LADDER, Planned, whole

LOOK_SECONDS = 120.0
"""How long the study draws from a task's start policy for advice: half of what `advise` takes."""
HALF_RESET = ("drpo", "p0.5")
"""Arms with uniform resets at half of the episodes: what they are reset into is looked at."""
JUDGED = ("tldr", "methods")
"""Experiments whose answers are held against the chosen ones."""


def study(
    only: Annotated[
        str, typer.Option(help=f"Experiments, comma-separated: {', '.join(EXPERIMENTS)}.")
    ] = ",".join(EXPERIMENTS),
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Fewer or more seeds than planned.")
    ] = None,
    hours: Annotated[float, typer.Option(min=0, help="Most time to take; then runs save.")] = 3.0,
    out: Annotated[Path, typer.Option(help="Where study.md goes.")] = Path("docs"),
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Run nothing; write what there is.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run.")] = False,
    as_json: Json = False,
) -> None:
    """Run the study behind the claims and write it down; stopped, it goes on when called again.

    Runs go through the ordinary queue of this workspace, two at a time (DRPO_CPU_SLOTS).
    """
    names = [name.strip() for name in only.split(",")]
    unknown = [name for name in names if name not in EXPERIMENTS]
    if unknown:
        raise ConfigError(
            f"--only: unknown experiment {', '.join(unknown)}; expected some of "
            f"{', '.join(EXPERIMENTS)}."
        )
    if home_url() is not None:
        raise ConfigError(
            "The study keeps its start policies in a folder that all its runs read, and DRPO_HOME "
            f"is {home_url()}; set DRPO_HOME to a folder."
        )
    planned = whole(names, seeds=seeds)
    store, line = Store(), ProgressLine()
    policies = workspace() / "policies"
    left = execute.hours_left(store, planned, policies)
    if not as_json and not report_only:
        say(t("study.budget", hours=f"{left:.1f}", most=f"{hours:g}"), err=True)
    if dry_run:
        _say(planned, store, None, as_json=as_json)
        return
    if not report_only:
        execute.carry_out(store, planned, policies, hours=hours, progress=line.show)
        _judge(store, planned, line)
        _look(store, planned, policies, line)
    line.end()
    _say(planned, store, report.write(store, planned, out), as_json=as_json)


def _judge(store: Store, planned: list[Planned], line: ProgressLine) -> None:
    """Hold finished runs' answers against the chosen ones, once each."""
    from drpo.evaluation.evaluate import evaluate
    from drpo.evaluation.policies import contestant  # loads torch

    for one in planned:
        run = execute.run_of(store, one)
        if one.experiment not in JUDGED or run is None or run.status != "finished":
            continue
        found = contestant(store, run.id)
        if evaluation_of(store, found.run_id, found.step) is None:
            line.show(t("study.evaluating", name=one.story))
            evaluate(store, [found])


def _look(store: Store, planned: list[Planned], policies: Path, line: ProgressLine) -> None:
    """Look at each task as `drpo advise` does, once."""
    from drpo.advice.carry import look_at  # loads torch
    from drpo.advice.look import as_document

    for task in {one.experiment: None for one in planned if one.experiment in (*LADDER, *GRIDS)}:
        if store.documents.get(LOOK, task) is None:
            line.show(t("study.looking", task=task))
            arms = (one for one in planned if one.experiment == task)
            one = next(one for one in arms if one.arm in HALF_RESET)
            found = look_at(one.config(policies), store, ShownDrawing(), seconds=LOOK_SECONDS)
            store.documents.put(LOOK, task, as_document(found))


def _say(planned: list[Planned], store: Store, path: Path | None, *, as_json: bool) -> None:
    standing = execute.standing(store, planned)
    document = {
        "runs": len(planned),
        "finished": standing.finished,
        "live": standing.live,
        "failed": standing.failed,
        "missing": standing.missing,
        "report": None if path is None else str(path),
    }
    if as_json:
        print_json({**document, "planned": [one.story for one in planned]})
        return
    say(t("study.runs", count=len(planned), standing=standing.text()))
    if path is not None:
        say(f"-> {path}")
