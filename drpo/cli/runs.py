"""`drpo runs`, `show`, `stop`, `pause` and `set`: see and steer runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

import typer

from drpo import metrics
from drpo.analysis.progress import counts_updates, updates_of
from drpo.cli.documents import full_document, run_document
from drpo.cli.options import WHO, Json
from drpo.cli.output import figure, print_json, print_table, say
from drpo.errors import ConfigError
from drpo.i18n import t
from drpo.i18n.format import count
from drpo.runs import event_words
from drpo.store import Store
from drpo.store.schema import LIVE_STATUSES, Run
from drpo.system import control


def list_runs(
    as_json: Json = False,
    archived: Annotated[bool, typer.Option(help="Archived runs too.")] = False,
) -> None:
    """List the runs, newest first."""
    runs = Store().runs.all(archived=archived)
    if as_json:
        print_json([run_document(run) for run in runs])
        return
    rows = []
    for run in runs:
        last = run.summary.get("last")
        rows.append(
            [
                run.id,
                t(f"live.status_{run.status}"),
                _progress(run),
                *(figure(metrics.read(last, name)) for name in metrics.OUTCOME),
                f"{run.summary.get('wall_seconds', 0):.0f}",
            ]
        )
    heads = ("run", "status", "progress_head", *map(metrics.short, metrics.OUTCOME), "seconds")
    print_table(rows, [t(f"cli.{head}") for head in heads])


def _progress(run: Run) -> str:
    """How far a run is: in updates, or in steps of the stage that it is in, or in no steps."""
    if counts_updates(run):
        return t("live.update_of", done=count(run.step), total=count(updates_of(run) or 0))
    if run.status not in LIVE_STATUSES:
        return str(run.config["run"]["method"])
    stage = event_words.stage_name(run.stage)
    if not run.stage_total:
        return stage
    of = t("live.step_of", done=count(run.stage_done), total=count(run.stage_total))
    return f"{stage}, {of}"


def show(run: str, as_json: Json = False) -> None:
    """Show one run: where it stands, its figures, its settings, what happened to it."""
    store = Store()
    found = store.runs.find(run)
    if as_json:
        print_json(full_document(store, found))
        return
    events = store.events.since(found.id)
    status, progress = t(f"live.status_{found.status}"), _progress(found)
    say(t("cli.stands", run=found.id, status=status, progress=progress))
    if found.error:
        say(event_words.trouble(found, events))
    points = [("start", found.summary.get("first")), ("now", found.summary.get("last"))]
    named = metrics.HEADLINE
    rows = [
        [t(f"cli.{label}"), str(point["step"]), *(figure(metrics.read(point, n)) for n in named)]
        for label, point in points
        if point
    ]
    heads = ("step", *map(metrics.short, named))
    print_table(rows, ["", *(t(f"cli.{head}") for head in heads)])
    for event in events:
        what, who = event_words.describe(event, events), event_words.who(event)
        key = "cli.event_by" if who else "cli.event"
        say(f"  {t(key, step=event.step, what=what, who=who)}")


def stop(
    run: str,
    as_json: Json = False,
    kill_after: Annotated[
        float | None,
        typer.Option(
            help="End it without saving when it has not stopped by then.", metavar="SECONDS"
        ),
    ] = None,
) -> None:
    """Ask a run to stop within seconds, saved as after its last whole update."""
    store = Store()
    found = store.runs.find(run)
    control.stop(store, found.id, WHO)
    if kill_after is not None:
        deadline = time.monotonic() + kill_after
        while store.runs.get(found.id).status in LIVE_STATUSES:
            if time.monotonic() > deadline:
                control.kill(store, found.id, WHO)
                break
            time.sleep(0.2)
    _say(store, found.id, as_json, "cli.obeys_stop")


def pause(run: str, as_json: Json = False) -> None:
    """Ask a run to pause after the update it is in; `drpo resume RUN` lets it go on."""
    store = Store()
    found = store.runs.find(run)
    control.pause(store, found.id, WHO)
    _say(store, found.id, as_json)


def change_settings(
    run: str,
    values: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...")],
    as_json: Json = False,
) -> None:
    """Give a live run a new kl_coef or reset_prob; it counts from the next update."""
    settings = named_values(values)
    store = Store()
    found = store.runs.find(run)
    control.change_settings(store, found.id, settings, WHO)
    _say(store, found.id, as_json)


def named_values(texts: Sequence[str]) -> dict[str, str]:
    """Read settings written as NAME=VALUE.

    Raises:
        ConfigError: One is written otherwise.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"Expected NAME=VALUE such as kl_coef=0.2, got {text!r}.")
        found[name.strip().replace("-", "_")] = value.strip()
    return found


def _say(store: Store, run_id: str, as_json: bool, words: str = "cli.obeys") -> None:
    run = store.runs.get(run_id)
    if as_json:
        print_json(run_document(run))
    else:
        say(t(words, run=run.id, status=t(f"live.status_{run.status}")))
