"""Who listens to a whole run: the store's observer in a worker, one in memory in a notebook."""

# ruff: noqa: ARG002 - what a listener does by default uses nothing it is told

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from drpo.config.settings import AlarmSettings
from drpo.metrics import Stage
from drpo.types import Observer


class RunObserver(Observer, Protocol):
    """An `Observer` that also hears the stages around the policy's training."""

    def begin_stage(self, stage: Stage) -> None:
        """Forget what an earlier attempt at a stage said: all of its metrics."""
        return

    def stage_metrics(self, stage: Stage, step: int, values: Mapping[str, float]) -> None:
        """Take figures of a stage by its own steps, to be named as its metrics are."""
        return

    def note(self, **figures: Any) -> None:  # noqa: ANN401 - any JSON
        """Keep something about the run as a whole: versions, data, a finished stage's figures."""
        return

    def rewind(self, step: int, live_settings: Mapping[str, float] | None = None) -> None:
        """Forget what lies after the checkpoint that the run goes on from.

        Args:
            step: Updates done at the checkpoint; -1 where the method begins anew.
            live_settings: The values in it of the settings that may change while a run goes on.
        """
        return

    def watch(self, limits: AlarmSettings, resume_step: int, remembered: Mapping[str, Any]) -> None:
        """Look out for alarms from now on: the policy's training begins.

        Args:
            limits: The run's alarm settings.
            resume_step: Updates done at the checkpoint that it goes on from; -1 for a fresh start.
            remembered: What `remembered` gave for that checkpoint; empty without one.
        """
        return
