"""What a running run writes to the store, and what people ask of it through the store.

The pipeline talks to a `StoreObserver` as to any `RunObserver`. Nothing the observer writes may
break training or hold it up: while the store cannot be written to, writes wait in an `Outbox`, and
every checkpoint carries what waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from drpo import metrics
from drpo.alarms.alarms import Alarm
from drpo.alarms.handler import AlarmHandler, kept_state
from drpo.config.settings import AlarmSettings
from drpo.errors import first_line
from drpo.metrics import Stage
from drpo.runs.figures import sum_up
from drpo.runs.outbox import Outbox, insist
from drpo.runs.setting_replay import SettingReplay
from drpo.runs.store_writes import makers
from drpo.store import Store
from drpo.store.schema import Command
from drpo.types import Control, Sample, finite

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
HEARD_EVERY = 0.5
"""Seconds between two looks at the commands inside a long stage."""
REWRITTEN = ("checkpoint",)
"""Events after the last checkpoint that a resumed run writes again."""
STAGE_PATIENCE = 60.0
"""Seconds that a finished stage, which is not done again, waits for a store that is away."""
END_PATIENCE = 600.0
"""The same at a run's end."""
TOLD_FROM = 5.0
"""Seconds; a store that was away for less is not worth a note."""


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
        self.outbox = Outbox(makers(store, run_id, self._tell), self._store_is_back)
        self.paused = False
        self.heard_stop = False
        """Whether a person asked it to stop; a signal alone may be a cluster's."""
        run = insist(lambda: store.runs.get(run_id))
        self.step = run.step
        self.summary: dict[str, Any] = dict(run.summary)
        self._wall_before = float(self.summary.get("wall_seconds", 0.0))
        self._began = time.monotonic()
        self.stage = ("starting", 0, 0)
        self._who: dict[str, str] = {}
        self._taken: set[int] = set()
        """Commands obeyed, of which the store may not know yet."""
        self._saved_at: int | None = None
        """The step of the newest checkpoint that is told of."""
        self._replay = SettingReplay()
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
            _safely(self.alarms.close)
        self._write_summary()
        if not self.outbox.wait(END_PATIENCE):
            self.outbox.give_up()
        if self.outbox.lost:
            self._write_summary()
        self._ended.set()
        if self._beat.is_alive():
            self._beat.join()

    def rewind(self, step: int, live_settings: Mapping[str, float] | None = None) -> None:
        """Forget what lies after the checkpoint a resumed run goes on from.

        Settings changed after it will be changed again at the same updates, so that the resumed
        run does what the interrupted one did.

        Args:
            step: Updates done at the checkpoint; -1 to begin anew.
            live_settings: The values in the checkpoint of what may change in mid-run, by name.
        """
        changes = self.store.events.since(self.run_id, kinds=("setting",))
        self._replay.take(changes, step, live_settings or {})
        insist(lambda: self._forget_after(step))
        self.step = max(0, step)
        if step < 0:
            self.summary = {
                key: self.summary[key] for key in self.summary if key in self._before_updates
            }
        elif self.summary.get("last", {}).get("step", 0) > step:
            # The next evaluation writes it again; until then none is better than one of weights
            # that are gone.
            del self.summary["last"]
        self.outbox.put("run", values={"step": self.step})
        saved = self.store.events.since(self.run_id, kinds=("checkpoint",))
        self._saved_at = step if any(event.step == step for event in saved) else None

    def _forget_after(self, step: int) -> None:
        self.store.metrics.truncate(self.run_id, after_step=step)
        self.store.samples.truncate(self.run_id, after_step=step)
        self.store.events.truncate(self.run_id, after_step=step, kinds=REWRITTEN)
        for kind in ("evaluation", "comparison"):
            self.store.documents.remove_of(kind, self.run_id, after_step=step)

    def watch(self, limits: AlarmSettings, resume_step: int, remembered: Mapping[str, Any]) -> None:
        """Look out for alarms from now on, and take up what was remembered at the checkpoint."""
        state = remembered.get("monitor")
        if state is None and resume_step >= 0:
            state = kept_state(self.store, self.run_id, resume_step)

        def hand_over(alarm: Alarm) -> None:
            self.outbox.put("alarm", alarm=alarm.to_payload())

        self.alarms = AlarmHandler(
            self.store, self.run_id, limits, state=state, hand_over=hand_over
        )
        self.outbox.restore(remembered.get("unwritten", ()))
        if resume_step >= 0:
            # Killed between writing the checkpoint and telling of it.
            self.event(resume_step, "checkpoint", *_checkpoint_words(resume_step))

    def remembered(self) -> dict[str, Any]:
        """What a resume from here needs of this side: the alarms' memory, and what is unwritten."""
        # The alarms first: they look at the step, and what they find may have to wait in line.
        monitor = {} if self.alarms is None else {"monitor": self.alarms.to_state()}
        return {**monitor, "unwritten": self.outbox.unwritten()}

    # From training to the store.

    def progress(self, stage: str, done: int, total: int) -> None:
        """Remember how far a stage is; the beat writes it."""
        self.stage = (stage, done, total)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Write one update's metrics and keep the run's figures up to date."""
        self.step = step
        self.outbox.put("metrics", step=step, values=dict(values))
        sum_up(self.summary, step, values)
        self._write_summary()
        if self.alarms is not None:
            alarms = self.alarms
            _safely(lambda: alarms.metrics(step, values))

    def begin_stage(self, stage: Stage) -> None:
        """Forget the curves of a stage that was cut off and begins anew."""
        self.outbox.put("forget", stage=stage)

    def stage_metrics(self, stage: Stage, step: int, values: Mapping[str, float]) -> None:
        """Write figures of a stage before the policy's training, over the stage's own steps."""
        named = {metrics.in_stage(stage, name): value for name, value in values.items()}
        self.outbox.put("metrics", step=step, values=named)

    def note(self, **figures: Any) -> None:  # noqa: ANN401 - any JSON
        """Keep a finished stage's figures in the run's summary."""
        self.summary |= figures
        self._write_summary()

    def samples(self, samples: Sequence[Sample]) -> None:
        """Write answers down."""
        self.outbox.put("samples", rows=[asdict(sample) for sample in samples])
        if self.alarms is not None:
            alarms = self.alarms
            _safely(lambda: alarms.samples(samples))

    def event(self, step: int, kind: str, message: str, payload: Mapping[str, Any]) -> None:
        """Write something that happened; a changed setting carries the name of who changed it."""
        if kind == "checkpoint":
            if step == self._saved_at:
                return  # saved again at the same step, as a pause and a stop do
            self._saved_at = step
        who = self._who.get(str(payload.get("name")), "") if kind == "setting" else ""
        self._put_event(step, kind, message, payload, who)
        if kind == "stage":
            self.outbox.wait(STAGE_PATIENCE)

    # From people to training.

    def control(self, step: int) -> Control:
        """Return what people asked for; called between two updates, never blocks."""
        settings: dict[str, Any] = {}
        if self.alarms is not None:
            # Before the commands are read: an alarm may be set to pause the run.
            _safely(self.alarms.close_step)
        for again in self._replay.due(step):
            # Only now: a run that ends before has still to make it when it is resumed once more.
            self.outbox.put("unsaid", event=again.id)
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
        return [
            command
            for command in found
            if command.id not in self._taken and (kinds is None or command.kind in kinds)
        ]

    def _take(self, command: Command, step: int) -> dict[str, Any]:
        """Note what one command asks for; returns the new values of settings in it."""
        self._taken.add(command.id)
        self.outbox.put("done", command=command.id)
        if command.kind == "set":
            for event in self._replay.overrule(command.payload):
                self.outbox.put("unsaid", event=event.id)
            return self._credited(command.payload, command.who)
        if command.kind == "stop":
            self.heard_stop = True
            self.stop_asked.set()
            self._put_event(step, "stop", "Asked to stop and save.", {}, command.who)
        elif command.kind in ("pause", "resume") and self.paused != (command.kind == "pause"):
            self.paused = command.kind == "pause"
            self.outbox.put("run", values={"status": "paused" if self.paused else "running"})
            told = "Paused." if self.paused else "Going on."
            self._put_event(step, command.kind, told, {}, command.who)
        return {}

    def _credited(self, settings: Mapping[str, Any], who: str) -> dict[str, Any]:
        """Remember who asked for these values, for the event that will tell of them."""
        self._who |= dict.fromkeys(settings, who)
        return dict(settings)

    def _put_event(
        self, step: int, kind: str, message: str, payload: Mapping[str, Any], who: str = ""
    ) -> None:
        self.outbox.put(
            "event",
            step=step,
            kind=kind,
            message=message,
            payload=dict(payload),
            who=who,
            at=time.time(),
        )

    # Figures and the beat.

    def _write_summary(self) -> None:
        self.summary["wall_seconds"] = self._wall_before + time.monotonic() - self._began
        if self.outbox.lost:
            self.summary["lost_writes"] = self.outbox.lost
        self.outbox.put("run", values={"summary": finite(self.summary), "step": self.step})

    def _keep_beating(self) -> None:
        while True:
            try:
                self._write_beat()
            except Exception as error:
                log.warning("no beat: %s", first_line(error))
            self.outbox.retry()
            if self._ended.wait(BEAT_SECONDS):
                return

    def _write_beat(self) -> None:
        stage, done, total = self.stage
        self.store.runs.change(
            self.run_id,
            heartbeat_at=time.time(),
            stage=stage,
            stage_done=done,
            stage_total=total,
        )

    def _tell(self, alarm: Alarm) -> None:
        if self.alarms is not None:
            self.alarms.tell(alarm)

    def _store_is_back(self, seconds: float, writes: int) -> None:
        if seconds >= TOLD_FROM:
            told = f"The store was away for {seconds:.0f} s; {writes} writes waited and were made."
            away = {"how": "store_away", "seconds": round(seconds), "writes": writes}
            self._put_event(self.step, "note", told, away)


def _checkpoint_words(step: int) -> tuple[str, dict[str, Any]]:
    return f"Checkpoint after update {step}.", {"folder": f"step-{step:06d}"}


def _safely(look: Callable[[], object]) -> None:
    try:
        look()
    except Exception:
        # Whatever is wrong with an alarm, hours of training must not end with it.
        log.exception("the alarms could not be asked")
