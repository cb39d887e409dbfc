"""Where a run's alarms become events, pauses and webhooks, and a person's answer becomes a mark.

A run's observer holds one `AlarmHandler` and a review calls `raise_alarm`; screens and reports call
`alarms_of`, and Live calls `decide`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from drpo.alarms.alarms import ALARMS, Alarm, Part
from drpo.alarms.monitor import Monitor
from drpo.alarms.webhook import Webhook, check_address
from drpo.config.run_config import RunConfig
from drpo.config.settings import AlarmSettings
from drpo.errors import ConfigError, RunError
from drpo.store import Store
from drpo.system import control
from drpo.types import Sample

log = logging.getLogger(__name__)
ODD = (KeyError, TypeError, ValueError, AttributeError)
"""What reading a row raises that another version wrote, or nobody should have."""
_DECIDED = {"alarm_event", "choice", "setting", "value"}


class AlarmHandler:
    """The worker's side: collects what one step tells, asks the monitor, writes down its alarms.

    Args:
        store: Where events, states and commands are.
        run_id: The run.
        limits: The run's alarm settings.
        state: What `to_state` gave at the checkpoint that training goes on from; None for a fresh
            start.
        hand_over: Takes an alarm that was raised, and calls `tell` with it when the store can be
            written to; by default it is told at once.

    Raises:
        ConfigError: An alarm to pause for does not exist, or the webhook is no web address.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        limits: AlarmSettings,
        *,
        state: Mapping[str, Any] | None = None,
        hand_over: Callable[[Alarm], object] | None = None,
    ) -> None:
        check_settings(limits)
        self._store = store
        self._run_id = run_id
        self._limits = limits
        self._monitor = Monitor(limits, state)
        self._hand_over = hand_over or self.tell
        self._webhook = _webhook_of(limits)
        self._step = -1
        self._metrics: dict[str, float] = {}
        self._samples: list[Sample] = []

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Take the metrics of a step; they are looked at when the step is over."""
        self._turn_to(step)
        self._metrics.update(values)

    def samples(self, samples: Sequence[Sample]) -> None:
        """Take the answers of a step."""
        for sample in samples:
            self._turn_to(sample.step)
            self._samples.append(sample)

    def to_state(self) -> dict[str, Any]:
        """What a resume from here goes on with, the current step looked at."""
        self.close_step()
        return self._monitor.to_state()

    def close_step(self) -> list[Alarm]:
        """Look at what the current step told. A broken rule is logged and never stops training."""
        if not self._metrics and not self._samples:
            return []
        step, metrics, samples = self._step, self._metrics, self._samples
        self._metrics, self._samples = {}, []
        try:
            alarms = self._monitor.update(step, metrics, samples)
            for alarm in alarms:
                self._hand_over(alarm)
        except Exception:
            log.exception("The alarms of step %d could not be looked at", step)
            return []
        return alarms

    def close(self) -> None:
        """Look at the last step and let the webhook finish."""
        self.close_step()
        if self._webhook is not None:
            self._webhook.close()

    def _turn_to(self, step: int) -> None:
        if step != self._step:
            self.close_step()
            self._step = step

    def tell(self, alarm: Alarm) -> None:
        """Write an alarm down, pause the run where that is wished for, and tell the webhook.

        Told twice, it does each of them once.
        """
        if _event_of(self._store, self._run_id, alarm) is None:
            log.warning("step %d: %s", alarm.last_step, alarm.message)
            if alarm.name in self._limits.alarm_pause:
                # Before the event: once that stands, the alarm is no news and nothing is asked.
                self._store.commands.add(self._run_id, "pause", who=f"alarm {alarm.name}")
        news = write_down(self._store, self._run_id, alarm)
        if news and self._webhook is not None:
            self._webhook.send(_message(self._run_id, alarm))


def _webhook_of(limits: AlarmSettings) -> Webhook | None:
    if not limits.alarm_webhook:
        return None
    try:
        return Webhook(limits.alarm_webhook)
    except ConfigError as error:
        # An environment variable that is missing where the run is carried out: hours of earlier
        # stages must not end with it.
        log.warning("No alarm will be sent: %s", error)
        return None


def kept_state(store: Store, run_id: str, step: int) -> dict[str, Any] | None:
    """What the monitor remembered at a checkpoint of an earlier version, which kept it here."""
    return (store.documents.get("monitor", run_id) or {}).get(str(step))


def raise_alarm(store: Store, run_id: str, alarm: Alarm) -> bool:
    """Raise an alarm from outside of the run's worker, as its settings say; say if it is news."""
    if not write_down(store, run_id, alarm):
        return False
    run = store.runs.get(run_id)
    limits = RunConfig.from_nested(run.config).alarms
    log.warning("%s, step %d: %s", run_id, alarm.last_step, alarm.message)
    if limits.alarm_webhook:
        # Its thread ends by itself once the message is out; nobody here waits for that.
        webhook = Webhook(limits.alarm_webhook)
        webhook.send(_message(run_id, alarm))
        webhook.close(0)
    wanted = alarm.name in limits.alarm_pause and run.status == "running"
    if wanted and control.can_pause(run):
        control.pause(store, run_id, f"alarm {alarm.name}")
    return True


def _message(run_id: str, alarm: Alarm) -> dict[str, Any]:
    return {"run": run_id, "text": alarm.message, **alarm.to_payload()}


def write_down(store: Store, run_id: str, alarm: Alarm) -> bool:
    """Write an alarm as an event, or into the event it was first written to; say if it is news.

    It is no news either when a resumed run meets it again: it was told, sent and paused for then.
    """
    known = _event_of(store, run_id, alarm)
    if known is not None:
        store.events.amend(known, alarm.message, alarm.to_payload())
        return False
    store.events.add(run_id, alarm.last_step, "alarm", alarm.message, alarm.to_payload(), "monitor")
    return True


def check_settings(limits: AlarmSettings) -> None:
    """Refuse alarm settings that could never work, before a run is launched.

    Raises:
        ConfigError: An alarm to pause for does not exist, or the webhook is no web address.
    """
    unknown = sorted(set(limits.alarm_pause) - set(ALARMS))
    if unknown:
        raise ConfigError(
            f"alarm_pause: there is no alarm {', '.join(unknown)}; expected names among "
            f"{', '.join(ALARMS)}."
        )
    if limits.alarm_webhook is not None:
        check_address(limits.alarm_webhook)


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm as a screen shows it: with its event and what a person decided."""

    event_id: int
    alarm: Alarm
    decision: dict[str, Any] | None
    """`choice`, `setting`, `value`, `who`, `step` of the newest decision; None while it is open."""


def readable(payload: Mapping[str, Any]) -> Alarm | None:
    """Read an alarm; None where this version knows no such alarm, or cannot say it."""
    try:
        alarm = Alarm.from_payload(payload)
        for part in get_args(Part):
            alarm.describe(part)
    except ODD:
        return None
    return alarm


def alarms_of(store: Store, run_id: str) -> list[Raised]:
    """All alarms of a run that this version knows, newest first, each with the decision about it.

    Another version's stands among the run's events, in its own words.
    """
    raised, decisions = [], {}
    for event in store.events.since(run_id, kinds=("alarm", "decision")):
        if event.kind == "alarm":
            alarm = readable(event.payload)
            if alarm is not None:
                raised.append((event.id, alarm))
        elif event.payload.keys() >= _DECIDED:
            decisions[event.payload["alarm_event"]] = {
                **event.payload,
                "who": event.who,
                "step": event.step,
            }
    return [
        Raised(event_id, alarm, decisions.get(event_id))
        for event_id, alarm in sorted(raised, key=lambda pair: -pair[1].last_step)
    ]


def decide(
    store: Store,
    run_id: str,
    event_id: int,
    choice: str,
    *,
    who: str = "",
    setting: str = "",
    value: float | None = None,
) -> None:
    """Write down what a person decided about an alarm, and ask the run to do it.

    Args:
        store: The store.
        run_id: The run.
        event_id: The alarm's event.
        choice: `ignore`, `pause` (with a checkpoint) or `setting`.
        who: The person's name, for the mark on the curve.
        setting: `kl_coef` or `reset_prob` when the choice is `setting`.
        value: Its new value.

    Raises:
        RunError: There is no such alarm or choice, or the run has ended and cannot obey.
        ConfigError: The setting's value is out of range.
    """
    alarm = next((one.alarm for one in alarms_of(store, run_id) if one.event_id == event_id), None)
    if alarm is None:
        raise RunError(f"{run_id} has no alarm with event number {event_id}.")
    if choice == "pause":
        control.pause(store, run_id, who)
    elif choice == "setting":
        control.change_settings(store, run_id, {setting: value}, who)
    elif choice != "ignore":
        raise RunError(f"A decision is ignore, pause or setting; got {choice!r}.")
    said = f"{choice} {setting} = {value:g}" if value is not None else choice
    store.events.add(
        run_id,
        store.runs.get(run_id).step,
        "decision",
        f"{alarm.describe('title', 'en')}: {said}",
        {"alarm_event": event_id, "choice": choice, "setting": setting, "value": value},
        who,
    )


def _event_of(store: Store, run_id: str, alarm: Alarm) -> int | None:
    """The event that an open alarm was first written to."""
    for event in reversed(store.events.since(run_id, kinds=("alarm",))):
        payload = event.payload
        if (payload.get("name"), payload.get("first_step")) == (alarm.name, alarm.first_step):
            return event.id
    return None
