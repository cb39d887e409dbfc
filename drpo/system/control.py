"""Control of a run: stop, pause, resume, change a setting, end it at once.

The command line, the screens and alarms all ask through these functions, so all refuse the same
things with the same words. What is asked waits in the store's commands; between two updates the
run's observer hands it to the trainer as a `Control`, and the trainer reports what it did as an
event. Nothing here waits for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drpo.config import methods
from drpo.config.methods import LIVE_SETTINGS, PLACE_SETTINGS, UPDATING
from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError, RunError
from drpo.store import Store
from drpo.store.schema import LIVE_STATUSES, Run
from drpo.system import processes

RESUMABLE = ("stopped", "interrupted", "failed")


def can_pause(run: Run) -> bool:
    """Whether a run of this method hears a pause: only between two updates is there a moment."""
    return run.config["run"]["method"] in UPDATING


def live_settings(run: Run) -> tuple[str, ...]:
    """The settings that may be changed while this run goes on; none where its method has none."""
    return methods.live_settings(run.config["run"]["method"])


def resume_settings(run: Run) -> tuple[str, ...]:
    """The settings that this run may be resumed with other values of; none for most methods."""
    return methods.resume_settings(run.config["run"]["method"])


def stop(store: Store, run_id: str, who: str = "") -> str:
    """Ask a run to save and stop; a queued one leaves the queue at once. Returns its status.

    Raises:
        RunError: The run is unknown or has already ended.
    """
    if store.runs.move(run_id, from_statuses=["queued"], to="stopped"):
        store.events.add(
            run_id,
            store.runs.get(run_id).step,
            "stop",
            "Taken off the queue.",
            {"how": "unqueued"},
            who,
        )
        return "stopped"
    run = _live(store, run_id, "stop")
    store.commands.add(run_id, "stop", who=who)
    return run.status


def pause(store: Store, run_id: str, who: str = "") -> None:
    """Ask a run to pause after the update it is in.

    Raises:
        RunError: The run is unknown, not started, or has ended, or its method cannot pause.
    """
    run = _live(store, run_id, "pause")
    if not can_pause(run):
        raise RunError(
            f"{run_id} is a {run.config['run']['method']} run, and only {' and '.join(UPDATING)} "
            "can pause; stop it instead. Resumed, it begins the stage it was in anew."
        )
    if run.status == "queued":
        raise RunError(f"{run_id} has not started, so there is nothing to pause; stop it instead.")
    store.commands.add(run_id, "pause", who=who)


def resume(
    store: Store, run_id: str, who: str = "", settings: Mapping[str, Any] | None = None
) -> None:
    """Let a paused run go on, or queue an ended one to go on from its last good checkpoint.

    Args:
        store: Where the run is kept.
        run_id: The run.
        who: Who asks.
        settings: Values to go on with, as a run that diverged needs them. They are written among
            the run's events and marked in its charts, as every change in mid-run. `devices` says
            how many it goes on with, from now on.

    Raises:
        ConfigError: A setting cannot change in this run, or a value is out of its range.
        RunError: The run is unknown, deleted, finished, or going on already.
    """
    run = store.runs.get(run_id)
    if run.deleted_at is not None:
        # Queued, it would wait for ever: a supervisor sees no deleted run.
        raise RunError(
            f"{run_id} was deleted, and only a run that is in the lists can go on; bring it back "
            "first, then resume it."
        )
    checked = _for_resume(run, settings) if settings else {}
    place = {name: checked.pop(name) for name in PLACE_SETTINGS if name in checked}
    if run.status == "paused":
        if place:
            raise RunError(
                f"{run_id} is paused, and its worker keeps its devices; stop it, then resume it "
                f"with other {' and '.join(place)}."
            )
        if checked:
            store.commands.add(run_id, "set", checked, who)
        store.commands.add(run_id, "resume", who=who)
        return
    if run.status not in RESUMABLE:
        raise RunError(
            f"{run_id} is {run.status}; "
            "only a paused, stopped, interrupted or failed run can go on."
        )
    if not store.runs.requeue(
        run_id, from_statuses=RESUMABLE, settings=checked, config=_moved(run, place), who=who
    ):
        if settings:
            raise RunError(f"Somebody else resumed {run_id} at the same moment, as it was.")
        return  # somebody else asked at the same moment
    store.events.add(
        run_id,
        run.step,
        "resume",
        "Queued to go on from its last checkpoint.",
        {"how": "queued"},
        who,
    )


def _moved(run: Run, place: Mapping[str, Any]) -> dict[str, Any] | None:
    """A run's stored settings with other devices; None where they stay."""
    return {**run.config, "models": {**run.config["models"], **place}} if place else None


def _for_resume(run: Run, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings to go on with, as the run's own settings would be."""
    names = (*methods.resume_settings(run.config["run"]["method"]), *PLACE_SETTINGS)
    wrong = sorted(set(settings) - set(names))
    if wrong:
        raise ConfigError(
            f"{', '.join(wrong)} cannot change in {run.id}: when a "
            f"{run.config['run']['method']} run goes on, only {', '.join(names)} can. Start a new "
            "run for other settings."
        )
    checked = RunConfig.from_nested(run.config).replace(**settings).flat()
    return {name: checked[name] for name in settings}


def change_settings(store: Store, run_id: str, values: Mapping[str, Any], who: str = "") -> None:
    """Give a live run new values of `kl_coef` or `reset_prob`; they count from the next update.

    Raises:
        ConfigError: A name is not a live setting of this run, or a value is out of its range.
        RunError: The run is unknown or has ended.
    """
    wrong = sorted(set(values) - set(LIVE_SETTINGS))
    if wrong or not values:
        raise ConfigError(
            f"Only {' and '.join(LIVE_SETTINGS)} can be changed while a run goes on; "
            f"got {', '.join(wrong) or 'nothing'}. Start a new run for other settings."
        )
    run = _live(store, run_id, "change")
    names = live_settings(run)
    idle = sorted(set(values) - set(names))
    if idle:
        rest = f"only {' and '.join(names)}" if names else "nothing"
        raise ConfigError(
            f"{' and '.join(idle)} would do nothing in {run_id}: in a "
            f"{run.config['run']['method']} run {rest} can be changed. Start a new run, of the "
            "method drpo to use both."
        )
    checked = RunConfig.from_nested(run.config).replace(**values).flat()
    store.commands.add(run_id, "set", {name: checked[name] for name in values}, who)


def kill(store: Store, run_id: str, who: str = "") -> bool:
    """End a run's worker at once, without saving; say whether there was one.

    What it had saved stays: the run becomes interrupted and can be resumed. A worker on a cluster
    is ended by the supervisor, which alone talks to clusters.
    """
    run = store.runs.get(run_id)
    if run.job is not None and run.status in LIVE_STATUSES:
        store.commands.add(run_id, "kill", who=who)
        return True
    if not processes.kill_worker(run):
        return False
    if store.runs.move(run_id, from_statuses=LIVE_STATUSES, to="interrupted"):
        store.events.add(
            run_id, run.step, "stop", "Ended at once, without saving.", {"how": "killed"}, who
        )
    return True


def _live(store: Store, run_id: str, verb: str) -> Run:
    run = store.runs.get(run_id)
    if run.status not in LIVE_STATUSES:
        raise RunError(f"{run_id} is {run.status}; only a live run can {verb}.")
    return run
