"""The store's observer, with trackers beside it that hear the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.config.settings import AlarmSettings
from drpo.config.stored import without_secrets
from drpo.metrics import Stage
from drpo.runs.run_observer import RunObserver
from drpo.store import workspace
from drpo.trackers.backends import plain
from drpo.trackers.relay import Relay
from drpo.trackers.tracker import About
from drpo.types import Control, Sample


class Reporting(RunObserver):
    """Passes everything to the run's observer, which alone decides, and tells trackers of it.

    Args:
        observer: The run's.
        relay: Tells the trackers; nothing of it may fail.
    """

    def __init__(self, observer: RunObserver, relay: Relay) -> None:
        self._observer = observer
        self._relay = relay

    def progress(self, stage: str, done: int, total: int) -> None:
        """Pass it on."""
        self._observer.progress(stage, done, total)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Pass it on, and tell."""
        self._observer.metrics(step, values)
        self._relay.metrics(step, values)

    def begin_stage(self, stage: Stage) -> None:
        """Pass it on."""
        self._observer.begin_stage(stage)

    def stage_metrics(self, stage: Stage, step: int, values: Mapping[str, float]) -> None:
        """Pass it on, and tell under the names that the store gives."""
        self._observer.stage_metrics(stage, step, values)
        self._relay.metrics(step, {metrics.in_stage(stage, k): v for k, v in values.items()})

    def samples(self, samples: Sequence[Sample]) -> None:
        """Pass it on, and tell."""
        self._observer.samples(samples)
        self._relay.samples(samples)

    def event(self, step: int, kind: str, message: str, payload: Mapping[str, Any]) -> None:
        """Pass it on, and tell."""
        self._observer.event(step, kind, message, payload)
        self._relay.event(step, kind, message)

    def note(self, **figures: Any) -> None:  # noqa: ANN401 - any JSON
        """Pass it on."""
        self._observer.note(**figures)

    def rewind(self, step: int, live_settings: Mapping[str, float] | None = None) -> None:
        """Pass it on."""
        self._observer.rewind(step, live_settings)

    def watch(self, limits: AlarmSettings, resume_step: int, remembered: Mapping[str, Any]) -> None:
        """Pass it on."""
        self._observer.watch(limits, resume_step, remembered)

    def control(self, step: int) -> Control:
        """Ask the run's observer alone."""
        return self._observer.control(step)

    def remembered(self) -> Mapping[str, Any]:
        """Ask the run's observer alone."""
        return self._observer.remembered()

    def should_stop(self) -> bool:
        """Ask the run's observer alone."""
        return self._observer.should_stop()


@contextmanager
def listening(
    config: RunConfig, folder: Path, observer: RunObserver, *, run_id: str, step: int = 0
) -> Iterator[RunObserver]:
    """Lend whom a run talks to: its observer, with the trackers beside it that its settings name.

    Args:
        config: The run's settings.
        folder: The run's folder.
        observer: The run's observer.
        run_id: What trackers know the run by; told again, they go on with it.
        step: Updates done when it goes on.
    """
    if not config.run.report_to:
        yield observer
        return
    shown = RunConfig.from_nested(without_secrets(config.model_dump(mode="json"))).flat()
    name = config.run.name or run_id
    about = About(run_id, name, plain(shown), folder, workspace(), step)
    relay = Relay(config.run.report_to, about)
    try:
        yield Reporting(observer, relay)
    finally:
        relay.close()
