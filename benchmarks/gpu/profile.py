"""What the device was busy with, and for how much of the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity
from torch.profiler import profile as torch_profile

from benchmarks.gpu.ceilings import seconds

SHOWN = 8
"""Kernels that are listed, those that took longest."""


def profile(
    name: str, device: torch.device, act: Callable[[], object]
) -> dict[str, str | float | int]:
    """Run something under the profiler.

    Returns:
        Under `name_...`: seconds by the clock, the share of them in which a kernel ran, kernels
        started, and the longest of them as text.
    """
    on_gpu = device.type == "cuda"
    activity = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
    with torch_profile(activities=[activity]) as recorded:
        took = seconds(device, act)
    events: list[Any] = list(recorded.key_averages())
    times = {e.key: _microseconds(e, on_gpu=on_gpu) for e in events}
    busy = sum(times.values()) / 1e6
    longest = sorted(events, key=lambda e: times[e.key], reverse=True)[:SHOWN]
    return {
        f"{name}_seconds": took,
        f"{name}_busy": busy / took,
        f"{name}_kernels": sum(e.count for e in events if times[e.key] > 0),
        f"{name}_longest": "; ".join(
            f"{times[e.key] / 1e6 / max(busy, 1e-12):.0%} {e.key[:90]} x{e.count}" for e in longest
        ),
    }


def _microseconds(event: Any, *, on_gpu: bool) -> float:  # noqa: ANN401 - the profiler has no types
    return float(event.self_device_time_total if on_gpu else event.self_cpu_time_total)
