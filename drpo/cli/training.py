"""`drpo train`, `drpo demo` and `drpo resume`: start a run and follow it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from drpo import metrics
from drpo.cli.documents import run_document
from drpo.cli.options import FOLLOW_SECONDS, INTERRUPTED, WHO, Detach, Json
from drpo.cli.output import ProgressLine, figure, padded, print_json, say
from drpo.cli.runs import named_values
from drpo.cli.setting_flags import given, with_settings, written
from drpo.config import presets, reset_methods
from drpo.config.command_line import command_line
from drpo.config.methods import PLACE_SETTINGS, RESUME_SETTINGS
from drpo.config.run_config import RunConfig
from drpo.i18n import has, t
from drpo.i18n.format import size
from drpo.i18n.message import Message
from drpo.runs import (
    background_supervisor,
    demo,
    estimate,
    event_words,
    memory_fit,
    preflight,
    prompt_visits,
)
from drpo.runs.supervisor import Supervisor
from drpo.store import Store
from drpo.store.schema import LIVE_STATUSES, Run
from drpo.system import control

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan and the estimate; start nothing.")
]

DEMO_DEFAULTS = {
    **{leaf: f"default {written(value)}" for leaf, value in demo.COMMON.items()},
    **{leaf: f"default {written(value)}" for leaf, value in demo.TASKS["tldr"].settings.items()},
    **dict.fromkeys(demo.JUDGED, "default the sample's"),
    "name": "default demo tldr",
}
"""What the help of `drpo demo` says; `--dry-run` prints the plan of any task."""
TASK_HELP = f"{', '.join(f'{name} ({task.about})' for name, task in demo.TASKS.items())}."


BY_PRESET = dict.fromkeys(("data", "policy"), "required unless a preset names it")


@with_settings(BY_PRESET)
def train(
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"A paper's experiment, data and models too: {', '.join(presets.names())}."
        ),
    ] = None,
    variant: Annotated[
        str, typer.Option(help="Where a preset's paper and code differ: paper or code.")
    ] = "paper",
    dry_run: DryRun = False,
    detach: Detach = False,
    as_json: Json = False,
    **settings: Any,  # noqa: ANN401 - the settings themselves, checked by RunConfig
) -> None:
    """Train on preference pairs: stages as needed, then the method, then evaluation."""
    values = reset_methods.in_settings(given(settings))
    notes = _notes(settings["method"])
    if preset is not None:
        values = presets.settings(preset, variant) | values
        notes += presets.find(preset).notes
    _start(RunConfig.of(**values), dry_run=dry_run, detach=detach, as_json=as_json, notes=notes)


@with_settings(DEMO_DEFAULTS)
def run_demo(
    task: Annotated[str, typer.Option(help=TASK_HELP)] = "tldr",
    dry_run: DryRun = False,
    detach: Detach = False,
    as_json: Json = False,
    **settings: Any,  # noqa: ANN401 - the settings themselves, checked by RunConfig
) -> None:
    """Run DR-PO on the sample material: minutes, no GPU.

    The defaults below are those of the graded task; --dry-run prints the settings of any.
    """
    config = demo.demo_config(task, **given(settings))
    notes = _notes(settings["method"])
    _start(config, dry_run=dry_run, detach=detach, as_json=as_json, notes=notes)


def _notes(method: str | None) -> tuple[Message, ...]:
    """What a method does and how it differs from its paper, where one was asked for by name."""
    if method not in reset_methods.METHODS:
        return ()
    return (reset_methods.about(method), reset_methods.differs(method))


def resume(
    run: str,
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE...]",
            help=f"Go on with other values of {', '.join((*RESUME_SETTINGS, *PLACE_SETTINGS))}.",
        ),
    ] = None,
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Go on with a paused run, or with an ended one from its last checkpoint."""
    settings = named_values(values or ())
    store = Store()
    found = store.runs.find(run)
    control.resume(store, found.id, WHO, settings)
    _carry_out(store, found.id, detach=detach or found.status == "paused", as_json=as_json)


def _start(
    config: RunConfig,
    *,
    dry_run: bool,
    detach: bool,
    as_json: bool,
    notes: tuple[Message, ...] = (),
) -> None:
    if dry_run:
        _print_plan(config, as_json, notes)
        return
    store = Store()
    preflight.check(config, store)
    run = store.runs.create(config)
    _carry_out(store, run.id, detach=detach, as_json=as_json)


def _carry_out(store: Store, run_id: str, *, detach: bool, as_json: bool) -> None:
    interrupted = False
    if detach:
        background_supervisor.start_detached()
        run = store.runs.get(run_id)
    else:
        run, interrupted = follow(store, run_id)
    if as_json:
        print_json(run_document(run))
    elif detach:
        say(run_id)
    else:
        _print_end(store, run)
    if run.status in ("failed", "interrupted") and not detach:
        raise typer.Exit(1)
    if interrupted:
        sys.exit(INTERRUPTED)  # all is said; what Typer's own Exit ends with is complained of


def follow(store: Store, run_id: str) -> tuple[Run, bool]:
    """Show a run's progress until it ends; the first Ctrl-C asks it to save and stop.

    Unless a dashboard already does, this process supervises the queue meanwhile. The worker has a
    session of its own: a second Ctrl-C leaves it to finish saving alone.

    Returns:
        The run as it ended, and whether Ctrl-C asked it to.
    """
    supervisor = Supervisor(store)
    supervisor.start()
    line = ProgressLine()
    asked = False
    try:
        while (run := _next_look(store, run_id, line)) is None or run.status in LIVE_STATUSES:
            if run is None:
                if asked:
                    raise KeyboardInterrupt
                asked = True
                control.stop(store, run_id, WHO)
                line.show(t("cli.saving", run=run_id))
    finally:
        line.end()
        background_supervisor.hand_over(supervisor)
    return run, asked


def _next_look(store: Store, run_id: str, line: ProgressLine) -> Run | None:
    """Wait a moment, then show and return how the run stands; None when Ctrl-C came meanwhile."""
    try:
        time.sleep(FOLLOW_SECONDS)
        run = store.runs.get(run_id)
        if run.status in LIVE_STATUSES:
            line.show(_progress(run))
    except KeyboardInterrupt:
        return None
    return run


def _progress(run: Run) -> str:
    waits = run.status in ("queued", "paused")
    stage = t(f"live.status_{run.status}") if waits else event_words.stage_name(run.stage)
    parts = [t("cli.progress", run=run.id, stage=stage)]
    if run.stage_total:
        parts.append(f"{run.stage_done}/{run.stage_total}")
    last = run.summary.get("last")
    if last:
        parts += [
            f"{t(f'cli.{metrics.short(name)}')} {figure(value)}"
            for name in metrics.OUTCOME
            if (value := metrics.read(last, name)) is not None
        ]
    return "  ".join(parts)


def _print_end(store: Store, run: Run) -> None:
    first, last = run.summary.get("first"), run.summary.get("last")
    status = t(f"live.status_{run.status}")
    say(t("cli.ended", run=run.id, status=status, count=run.step))
    if run.error:
        say(event_words.trouble(run, store.events.since(run.id)), err=True)
    if first and last:
        for name in map(metrics.short, metrics.HEADLINE):
            if name in last:
                title = padded(t(f"cli.{name}"), 12)
                say(f"  {title} {figure(first.get(name))} -> {figure(last[name])}")
    say(t("cli.samples_hint", run=run.id))


def _print_plan(config: RunConfig, as_json: bool, notes: tuple[Message, ...]) -> None:
    store = Store()
    if Path(config.models.policy).expanduser().is_dir():
        preflight.check(config, store)  # no plan of what would be refused
    config, plan = memory_fit.planned(config, estimate.estimate_run(config, store))
    if as_json:
        settings = config.model_dump(mode="json")
        told = [str(note) for note in (*notes, *_warnings(config))]
        print_json({**plan.document(), "notes": told, "config": settings})
        return
    for text in _plan_lines(plan):
        say(text)
    for note in (*notes, *_warnings(config)):
        say(f"- {note.text()}")
    changed = {leaf: value for leaf, value in config.flat().items() if value != default_of(leaf)}
    say(command_line(changed))


def _warnings(config: RunConfig) -> tuple[Message, ...]:
    few = prompt_visits.few_visits(config)
    return () if few is None else (few,)


def _plan_lines(plan: estimate.Estimate) -> Iterator[str]:
    yield t("cli.stages", names=", ".join(map(_stage, plan.stages)))
    for download in plan.downloads:
        yield t("cli.download", name=download.text())
    yield t(
        "cli.cost_measured" if plan.source == "measured" else "cli.cost_calculated",
        time=_long(plan.seconds),
        device=t("cli.gpu" if plan.device == estimate.ON_GPU else "cli.cpu"),
        update=f"{plan.seconds_per_update:.2g}",
        memory=size(plan.memory_bytes),
    )
    stages = ", ".join(
        f"{event_words.stage_name(name)} {size(held)}"
        for name, held in plan.memory_by_stage.items()
    )
    yield t(f"cli.memory_{plan.memory_source}", stages=stages)


def _stage(stage: str) -> str:
    """A stage's name; methods are called the same in every language."""
    key = f"stage_{stage.replace(' ', '_')}"
    return t(f"cli.{key}") if has(f"cli.{key}") else stage


def _long(seconds: float) -> str:
    """A time span in words a person would use."""
    if seconds > 2 * 365 * 86_400:
        return t("cli.years")
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return t(f"cli.{unit}", count=f"{seconds / length:.0f}")
    return t("cli.whole_seconds", count=f"{seconds:.0f}")


def default_of(leaf: str) -> Any:  # noqa: ANN401 - any setting's value
    """A setting's value when nobody says otherwise."""
    from drpo.config.run_config import leaves

    field = leaves()[leaf][1]
    return None if field.is_required() else field.default
