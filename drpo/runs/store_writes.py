"""How each kind of write that waits in a run's `Outbox` is made."""

# ruff: noqa: ARG001 - what says how things are changes nothing when it is said again

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from drpo.alarms.alarms import Alarm
from drpo.metrics import Stage
from drpo.store import Store
from drpo.store.metric_blocks import BLOCK
from drpo.types import Sample


def makers(
    store: Store, run_id: str, tell: Callable[[Alarm], None]
) -> dict[str, Callable[..., object]]:
    """Return them by kind.

    Args:
        store: Where they are made.
        run_id: The run.
        tell: Writes an alarm down; told twice, it is written once.
    """
    unpacked = 0

    def metrics(*, step: int, values: dict[str, float], again: bool) -> None:
        nonlocal unpacked
        store.metrics.append(run_id, step, values, again=again)
        unpacked += len(values)
        if unpacked >= BLOCK:
            unpacked = 0
            store.metrics.pack(run_id)

    def samples(rows: list[dict[str, Any]], *, again: bool) -> None:
        store.samples.append(run_id, [Sample(**row) for row in rows], again=again)

    def alarm(alarm: dict[str, Any], *, again: bool) -> None:
        tell(Alarm.from_payload(alarm))

    def forget(stage: Stage, *, again: bool) -> None:
        store.metrics.forget(run_id, stage)

    def unsaid(event: int, *, again: bool) -> None:
        store.events.remove(event)

    def done(command: int, *, again: bool) -> None:
        store.commands.done([command])

    def run(values: dict[str, Any], *, again: bool) -> None:
        store.runs.change(run_id, **values)

    return {
        "metrics": metrics,
        "samples": samples,
        "event": partial(store.events.add, run_id),
        "alarm": alarm,
        "forget": forget,
        "unsaid": unsaid,
        "done": done,
        "run": run,
    }
