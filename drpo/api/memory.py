"""What a run in this process says, kept in memory."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from drpo import metrics
from drpo.alarms.handler import check_settings
from drpo.alarms.monitor import Monitor
from drpo.api.progress_bar import ProgressBar
from drpo.api.records import Event, Point
from drpo.config.settings import AlarmSettings
from drpo.types import Control, Observer, Sample

log = logging.getLogger(__name__)


class MemoryObserver:
    """Keeps metrics, samples and events, and hands them on; raises alarms; moves the bar.

    Args:
        listener: Who else listens. What it asks for through `control` is done.
        bar: Shows where the run stands.
    """

    def __init__(self, listener: Observer, bar: ProgressBar) -> None:
        self.status = "running"
        self.error = ""
        self.step = 0
        self.stop_asked = False
        self.notes: dict[str, Any] = {}
        self._listener = listener
        self._bar = bar
        self._points: list[Point] = []
        self._samples: list[Sample] = []
        self._events: list[Event] = []
        self._limits: AlarmSettings | None = None
        self._monitor: Monitor | None = None
        self._heard: tuple[dict[str, float], list[Sample]] = ({}, [])
        """Metrics and samples that the monitor has not looked at yet."""

    # What a `Run` reads.

    def points(self) -> list[Point]:
        """Every metric, in order of writing."""
        return self._points

    def samples_of(self, kind: str, step: int | None) -> list[Sample]:
        """The samples of a kind, of one step or of all."""
        return [s for s in self._samples if s.kind == kind and step in (None, s.step)]

    def events(self) -> list[Event]:
        """What happened, in order."""
        return self._events

    # What training tells.

    def progress(self, stage: str, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.show(stage, done, total)
        self._listener.progress(stage, done, total)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the metrics of an update or of an evaluation."""
        self.step = step
        self._points += [Point(step, name, float(value)) for name, value in values.items()]
        self._heard[0].update(values)
        shown = (metrics.OBJECTIVE_SCORES, metrics.OBJECTIVE_KL)
        if all(name in values for name in shown):
            self._bar.say("score {:.3g}, kl {:.3g} nats".format(*(values[n] for n in shown)))
        self._listener.metrics(step, values)

    def samples(self, samples: Sequence[Sample]) -> None:
        """Keep answers."""
        self._samples += samples
        self._heard[1].extend(samples)
        self._listener.samples(samples)

    def event(self, step: int, kind: str, message: str, payload: Mapping[str, Any]) -> None:
        """Keep something that happened."""
        self._events.append(Event(step, kind, message, dict(payload)))
        self._listener.event(step, kind, message, payload)

    def begin_stage(self, prefix: str) -> None:
        """Forget an earlier attempt at a stage."""
        self._points = [p for p in self._points if not p.name.startswith(f"{prefix}/")]

    def stage_metrics(self, prefix: str, step: int, values: Mapping[str, float]) -> None:
        """Keep figures of a stage, by the stage's own steps."""
        named = {f"{prefix}/{name}": float(value) for name, value in values.items()}
        self._points += [Point(step, name, value) for name, value in named.items()]
        self._listener.metrics(step, named)

    def note(self, **figures: Any) -> None:  # noqa: ANN401 - any JSON
        """Keep something about the run as a whole."""
        self.notes |= figures

    def rewind(self, step: int, standing: Mapping[str, float] | None = None) -> None:
        """Begin at a checkpoint's step: this process has not seen what came before it."""
        del standing
        self.step = max(0, step)

    def watch(self, limits: AlarmSettings, resume_step: int, remembered: Mapping[str, Any]) -> None:
        """Look out for alarms, with what this process sees from here on."""
        del resume_step, remembered
        check_settings(limits)
        self._limits, self._monitor = limits, Monitor(limits)

    def remembered(self) -> Mapping[str, Any]:
        """Nothing: what a listener keeps is its own."""
        return {}

    # What training hears.

    def control(self, step: int) -> Control:
        """Pass on what the listener asks for; an interrupt from the keyboard stops."""
        alarmed = self.look_for_alarms()
        asked = self._listener.control(step)
        return Control(
            stop=asked.stop or self.stop_asked or alarmed,
            pause=asked.pause,
            settings=asked.settings,
        )

    def should_stop(self) -> bool:
        """Whether the keyboard interrupted."""
        return self.stop_asked

    def look_for_alarms(self) -> bool:
        """Raise what the last step calls for; say whether one of `alarm_pause` was among it.

        Here such an alarm stops the run: it saves, and nobody could let a paused cell go on.
        """
        heard, self._heard = self._heard, ({}, [])
        if self._monitor is None or self._limits is None or not any(heard):
            return False
        try:
            news = [a for a in self._monitor.update(self.step, *heard) if a.count == 1]
        except Exception:
            log.exception("The alarms of step %d could not be looked at", self.step)
            return False
        for alarm in news:
            log.warning("step %d: %s", alarm.last_step, alarm.message)
            self.event(alarm.last_step, "alarm", alarm.message, alarm.to_payload())
        return any(alarm.name in self._limits.alarm_pause for alarm in news)
