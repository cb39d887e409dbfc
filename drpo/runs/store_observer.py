"""What a running run writes to the store, and what people ask of it through the store.

The pipeline talks to a `StoreObserver` as to any `RunObserver`. Nothing the observer writes may
break training: a failed write is logged and counted, and training goes on without that point.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drpo import metrics
from drpo.alarms.handler import AlarmHandler
from drpo.config.settings import AlarmSettings
from drpo.metrics import Stage
from drpo.store import Store
from drpo.store.schema import Command, EventRow
from drpo.types import Control, Sample, finite

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
HEARD_EVERY = 0.5
"""Seconds between two looks at the commands inside a long stage."""
REWRITTEN = ("checkpoint",)
"""Events after the last checkpoint that a resumed run writes again."""


class StoreObserver:
    """The store's side of one run.

    Args:
        store: Where everything goes.
        run_id: The run.
        stop_asked: Set from outside (a signal) to stop and save.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        *,
        stop_asked: threading.Event | None = None,
    ) -> None:
        self.store = store
        self.run_id = run_id
        self.stop_asked = stop_asked or threading.Event()
        self.alarms: AlarmHandler | None = None
        """Watches the policy's training, from `watch` on."""
        self.lost_writes = 0
        self.paused = False
        run = store.runs.get(run_id)
        self.step = run.step
        self.summary: dict[str, Any] = dict(run.summary)
        self._wall_before = float(self.summary.get("wall_seconds", 0.0))
        self._began = time.monotonic()
        self._stage = ("starting", 0, 0)
        self._who: dict[str, str] = {}
        self._replay: list[EventRow] = []
        """Setting changes that a resumed run has yet to make again, in order."""
        self._before_updates = {"versions", "data", "sft", "reward_model", "dpo", "wall_seconds"}
        self._heard_at = 0.0
        self._ended = threading.Event()
        self._beat = threading.Thread(target=self._keep_beating, name="drpo-beat", daemon=True)

    def start(self) -> None:
        """Begin to beat: a thread says every second that the worker lives and what it is at."""
        self._beat.start()

    def close(self) -> None:
        """Stop beating and write the figures that stand at the end."""
        if self.alarms is not None:
            self._safely(self.alarms.close)
        self._ended.set()
        if self._beat.is_alive():
            self._beat.join()
        self._write_summary()

    def rewind(self, step: int, live_settings: Mapping[str, float] | None = None) -> None:
        """Forget what lies after the checkpoint a resumed run goes on from.

        Settings changed after it will be changed again at the same updates, so that the resumed
        run does what the interrupted one did.

        Args:
            step: Updates done at the checkpoint; -1 to begin anew.
            live_settings: The values in the checkpoint of what may change in mid-run, by name.
        """
        changes = self.store.events.since(self.run_id, kinds=("setting",))
        # Made at the checkpoint's own step, before it was written or just after? The last change
        # to the value that stands in it, and those before, need not be repeated: a paused run's
        # setting may be changed several times, back again too.
        held = {
            event.payload["name"]: event.id
            for event in changes
            if event.step == step
            and event.payload["new"] == (live_settings or {}).get(event.payload["name"])
        }
        for event in changes:
            name = str(event.payload["name"])
            kept = event.step == step and event.id <= held.get(name, 0)
            if event.step >= step and not kept:
                self._replay.append(event)
        self._replay.sort(key=lambda event: (event.step, event.id))
        self.store.metrics.truncate(self.run_id, after_step=step)
        self.store.samples.truncate(self.run_id, after_step=step)
        self.store.events.truncate(self.run_id, after_step=step, kinds=REWRITTEN)
        self.step = max(0, step)
        for kind in ("evaluation", "comparison"):
            self.store.documents.remove_of(kind, self.run_id, after_step=step)
        if step < 0:
            self.summary = {
                key: self.summary[key] for key in self.summary if key in self._before_updates
            }
        elif self.summary.get("last", {}).get("step", 0) > step:
            # The next evaluation writes it again; until then none is better than one of weights
            # that are gone.
            del self.summary["last"]
        self.store.runs.change(self.run_id, step=self.step)

    def watch(self, limits: AlarmSettings, resume_step: int) -> None:
        """Look out for alarms from now on, with what was remembered at the checkpoint."""
        self.alarms = AlarmHandler(self.store, self.run_id, limits, resume_step=resume_step)

    # From training to the store.

    def progress(self, stage: str, done: int, total: int) -> None:
        """Remember how far a stage is; the beat writes it."""
        self._stage = (stage, done, total)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Write one update's metrics and keep the run's figures up to date."""
        self.step = step
        self._safely(lambda: self.store.metrics.append(self.run_id, step, values))
        self._sum_up(step, values)
        if self.alarms is not None:
            alarms = self.alarms
            self._safely(lambda: alarms.metrics(step, values))

    def begin_stage(self, stage: Stage) -> None:
        """Forget the curves of a stage that was cut off and begins anew."""
        self._safely(lambda: self.store.metrics.forget(self.run_id, stage))

    def stage_metrics(self, stage: Stage, step: int, values: Mapping[str, float]) -> None:
        """Write figures of a stage before the policy's training, over the stage's own steps."""
        named = {metrics.in_stage(stage, name): value for name, value in values.items()}
        self._safely(lambda: self.store.metrics.append(self.run_id, step, named))

    def note(self, **figures: Any) -> None:  # noqa: ANN401 - any JSON
        """Keep a finished stage's figures in the run's summary."""
        self.summary |= figures
        self._write_summary()

    def samples(self, samples: Sequence[Sample]) -> None:
        """Write answers down."""
        self._safely(lambda: self.store.samples.append(self.run_id, samples))
        if self.alarms is not None:
            alarms = self.alarms
            self._safely(lambda: alarms.samples(samples))

    def event(self, step: int, kind: str, message: str, payload: Mapping[str, Any]) -> None:
        """Write something that happened; a changed setting carries the name of who changed it."""
        who = self._who.get(str(payload.get("name")), "") if kind == "setting" else ""
        self._safely(lambda: self.store.events.add(self.run_id, step, kind, message, payload, who))
        if self.alarms is not None and kind == "checkpoint":
            alarms = self.alarms
            self._safely(lambda: alarms.checkpoint(step))

    # From people to training.

    def control(self, step: int) -> Control:
        """Return what people asked for; called between two updates, never blocks."""
        settings: dict[str, Any] = {}
        if self.alarms is not None:
            # Before the commands are read: an alarm may be set to pause the run.
            self._safely(self.alarms.close_step)
        while self._replay and self._replay[0].step <= step:
            # Only now: a run that ends before has still to make it when it is resumed once more.
            again = self._drop_from_replay(self._replay[0])
            settings |= self._credited({again.payload["name"]: again.payload["new"]}, again.who)
        for command in self._pending():
            settings |= self._take(command, step)
        return Control(stop=self.stop_asked.is_set(), pause=self.paused, settings=settings)

    def should_stop(self) -> bool:
        """Whether a stage before the policy's training should stop; cheap, ask often."""
        if time.monotonic() - self._heard_at > HEARD_EVERY:
            self._heard_at = time.monotonic()
            for command in self._pending(kinds=("stop",)):
                self._take(command, self.step)
        return self.stop_asked.is_set()

    def _pending(self, kinds: Sequence[str] | None = None) -> list[Command]:
        try:
            found = self.store.commands.pending(self.run_id)
        except Exception:
            log.exception("could not read the commands")
            return []
        return [command for command in found if kinds is None or command.kind in kinds]

    def _take(self, command: Command, step: int) -> dict[str, Any]:
        """Note what one command asks for; returns the new values of settings in it."""
        self._safely(lambda: self.store.commands.done([command.id]))
        if command.kind == "set":
            self._overrule(command.payload)
            return self._credited(command.payload, command.who)
        if command.kind == "stop":
            self.stop_asked.set()
            self._log_event(step, "stop", "Asked to stop and save.", command.who)
        elif command.kind in ("pause", "resume") and self.paused != (command.kind == "pause"):
            self.paused = command.kind == "pause"
            self._status("paused" if self.paused else "running")
            self._log_event(
                step, command.kind, "Paused." if self.paused else "Going on.", command.who
            )
        return {}

    def _overrule(self, settings: Mapping[str, Any]) -> None:
        """Forget changes yet to be made again of settings for which somebody asks otherwise now."""
        for event in [event for event in self._replay if event.payload["name"] in settings]:
            self._drop_from_replay(event)

    def _drop_from_replay(self, event: EventRow) -> EventRow:
        self._replay.remove(event)
        self._safely(lambda: self.store.events.remove(event.id))
        return event

    def _credited(self, settings: Mapping[str, Any], who: str) -> dict[str, Any]:
        """Remember who asked for these values, for the event that will tell of them."""
        self._who |= dict.fromkeys(settings, who)
        return dict(settings)

    def _log_event(self, step: int, kind: str, message: str, who: str) -> None:
        self._safely(lambda: self.store.events.add(self.run_id, step, kind, message, {}, who))

    def _status(self, status: str) -> None:
        self._safely(lambda: self.store.runs.change(self.run_id, status=status))

    # Figures and the beat.

    def _sum_up(self, step: int, values: Mapping[str, float]) -> None:
        self.summary["updates"] = step
        if metrics.EPISODE in values:
            self.summary["episodes"] = int(values[metrics.EPISODE])
        if metrics.TIMING_S_UPDATE in values:
            self.summary["seconds_per_update"] = values[metrics.TIMING_S_UPDATE]
        if metrics.EVAL_KL in values:  # an evaluation; its scores may be unknown
            figures = {
                metrics.short(name): values[name] for name in metrics.SUMMARY if name in values
            }
            point = {"step": step, **figures}
            first = self.summary.get("first")
            if first is None or first["step"] >= step:
                self.summary["first"] = point
            self.summary["last"] = point
        self._write_summary()

    def _write_summary(self) -> None:
        self.summary["wall_seconds"] = self._wall_before + time.monotonic() - self._began
        if self.lost_writes:
            self.summary["lost_writes"] = self.lost_writes
        self._safely(
            lambda: self.store.runs.change(
                self.run_id, summary=finite(self.summary), step=self.step
            )
        )

    def _keep_beating(self) -> None:
        while True:
            self._safely(self._write_beat)
            if self._ended.wait(BEAT_SECONDS):
                return

    def _write_beat(self) -> None:
        stage, done, total = self._stage
        self.store.runs.change(
            self.run_id,
            heartbeat_at=time.time(),
            stage=stage,
            stage_done=done,
            stage_total=total,
        )

    def _safely(self, write: Callable[[], object]) -> None:
        try:
            write()
        except Exception:
            # Whatever went wrong with a chart, hours of training must not end with it.
            self.lost_writes += 1
            log.exception("a write to the store was lost")
