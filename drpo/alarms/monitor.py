"""The monitor: metrics and answers in, alarms out.

It holds no texts and asks no clock, so that the same run raises the same alarms, also after a
resume: what it remembers goes into the checkpoint as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from drpo.alarms.alarms import Alarm, Choice
from drpo.alarms.examples import pick
from drpo.alarms.history import History
from drpo.alarms.rules import RULES, Finding, Rule
from drpo.config.settings import AlarmSettings
from drpo.store.earlier import event_payload
from drpo.types import Sample

QUIET = 3
"""An alarm closes after its rule was asked this often without firing; later it is a new one."""


@dataclass
class _Open:
    """An alarm that may be seen again, and how long it has been quiet."""

    alarm: Alarm
    quiet: int = 0


class Monitor:
    """Watches one run.

    Args:
        limits: Thresholds, as in the run's config.
        state: What `to_state` gave, to go on after a resume.
    """

    def __init__(self, limits: AlarmSettings, state: Mapping[str, Any] | None = None) -> None:
        self.limits = limits
        self._history = History.from_state(state["history"]) if state else History()
        self._open: dict[str, _Open] = {}
        for kept in state["open"] if state else ():
            # What an earlier version kept names choices by other words.
            alarm = Alarm.from_payload(event_payload(kept["alarm"]))
            self._open[alarm.name] = _Open(alarm, kept["quiet"])

    def update(
        self, step: int, metrics: Mapping[str, float], samples: Sequence[Sample] = ()
    ) -> list[Alarm]:
        """Take what one step told and return the alarms that it raises.

        Args:
            step: Updates done.
            metrics: Metrics of the update, those of its evaluation included.
            samples: Training episodes and held-out answers of the step.

        Returns:
            Alarms raised now. One that was open already comes back with a higher `count` and its
            old `first_step`; only those with `count == 1` are news.
        """
        self._history.take_metrics(step, metrics)
        self._history.take_samples(step, samples, enough_resets=self.limits.alarm_min_reset_answers)
        raised = []
        for rule in RULES:
            if any(self._history.last_step(name) == step for name in rule.inputs):
                finding = rule.check(self._history, self.limits)
                if finding is None:
                    self._quieten(rule)
                else:
                    raised.append(self._raise(rule, step, finding, samples))
        return raised

    def to_state(self) -> dict[str, Any]:
        """Everything remembered, as JSON."""
        return {
            "history": self._history.to_state(),
            "open": [
                {"alarm": one.alarm.to_payload(), "quiet": one.quiet} for one in self._open.values()
            ],
        }

    def _raise(self, rule: Rule, step: int, finding: Finding, samples: Sequence[Sample]) -> Alarm:
        known = self._open.get(rule.name)
        choices = (Choice("ignore"), Choice("pause"))
        alarm = Alarm(
            name=rule.name,
            first_step=known.alarm.first_step if known else step,
            last_step=step,
            count=known.alarm.count + 1 if known else 1,
            values=finding.values,
            evidence=pick(finding.worst or rule.worst, samples),
            choices=(*choices, finding.remedy) if finding.remedy else choices,
        )
        if known and not alarm.evidence:
            alarm = replace(alarm, evidence=known.alarm.evidence)
        self._open[rule.name] = _Open(alarm)
        return alarm

    def _quieten(self, rule: Rule) -> None:
        known = self._open.get(rule.name)
        if known is None:
            return
        known.quiet += 1
        if known.quiet >= QUIET:
            del self._open[rule.name]
