"""Where an update's time goes, and the least it could take: its matrix products alone.

    python -m benchmarks.cpu.floor '{"loads": [...], "threads": 2}'

The products of an update's linear layers are written down by shape and then multiplied by
themselves, with the library that is faster at each shape; attention's products are not counted. The
time of that is the floor, as of the machine at that moment. Prints JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.cpu.ours import Watch, prepare, watching
from benchmarks.cpu.workloads import Workload, processor_seconds
from drpo.modeling.linear import WIDER, _product
from drpo.rl import trainer

Shape = tuple[int, int, int]
"""Rows, read and written features."""
GROUPS = {
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "mkldnn::_linear_pointwise"),
    "attention": ("scaled_dot_product",),
    "optimiser": ("Optimizer.", "adam", "lerp", "addcdiv", "_foreach"),
    "element by element": (
        "aten::mul", "aten::add", "aten::silu", "aten::div", "aten::neg", "aten::pow", "aten::exp",
        "aten::rsqrt", "aten::mean", "aten::sum", "softmax", "aten::where", "aten::sub",
    ),
    "copies": ("aten::copy_", "aten::cat", "aten::index", "aten::gather", "aten::fill_", "scatter"),
}  # fmt: skip
ROUNDED = 128
"""Rows of products are counted as multiples of it."""


@contextmanager
def counting(models: Any) -> Iterator[Counter[Shape]]:  # noqa: ANN401
    """Count the products of all linear layers; one that learns is three."""
    counted: Counter[Shape] = Counter()

    def note(layer: nn.Module, read: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, nn.Linear)
        rows = read[0].numel() // layer.in_features
        rows = max(1, round(rows / ROUNDED)) * ROUNDED
        learns = torch.is_grad_enabled() and layer.weight.requires_grad
        counted[rows, layer.in_features, layer.out_features] += 3 if learns else 1

    networks = (models.policy, models.frozen, models.critic, models.learned.model.classifier)
    handles = [
        layer.register_forward_pre_hook(note)
        for network in networks
        if network is not None
        for layer in network.modules()
        if isinstance(layer, nn.Linear)
    ]
    try:
        yield counted
    finally:
        for handle in handles:
            handle.remove()


def floor_of(counted: Counter[Shape]) -> dict[str, float]:
    """Return the seconds that the counted products take alone, and their billions of operations."""
    wall = processor = operations = 0.0
    for (rows, read, written), times in counted.items():
        left, right = torch.randn(rows, read), torch.randn(written, read)
        ways: list[Callable[[], Tensor]] = [lambda: left @ right.t()]  # noqa: B023
        if WIDER:
            ways.append(lambda: _product(left, right))  # noqa: B023
        took = min(_seconds(way) for way in ways)
        wall, processor = wall + times * took[0], processor + times * took[1]
        operations += 2e-9 * times * rows * read * written
    return {"wall_s": wall, "processor_s": processor, "gigaflop": operations}


@torch.no_grad()
def _seconds(way: Callable[[], Tensor]) -> tuple[float, float]:
    """Least seconds of three tries, by the clock and of the processor."""
    way()
    found = []
    for _ in range(3):
        began, spent, times = time.perf_counter(), processor_seconds(), 0
        while times < 3 or time.perf_counter() - began < 0.01:
            way()
            times += 1
        found.append(((time.perf_counter() - began) / times, (processor_seconds() - spent) / times))
    return min(wall for wall, _ in found), min(processor for _, processor in found)


def group_of(operation: str) -> str:
    """Return the row of the profile that an operation counts in."""
    for group, names in GROUPS.items():
        if any(name in operation for name in names):
            return group
    return "all other, Python between"


def measure(load: Workload) -> dict[str, Any]:
    """Take three updates: the first is left out, the second counted, the third profiled."""
    with tempfile.TemporaryDirectory() as name:
        models, pairs, heldout, config = prepare(load, 3, Path(name))
        plain, profiled, took = trainer._one_update, profile(activities=[ProfilerActivity.CPU]), []

        def watched(*given: Any) -> Any:  # noqa: ANN401
            began = time.perf_counter()
            if len(took) == 2:
                with profiled:
                    update = plain(*given)
            else:
                update = plain(*given)
            took.append(time.perf_counter() - began)
            return update

        trainer._one_update = watched
        watch = watching()
        with counting(models) as counted:
            begin = _Begin(watch, counted)
            train = trainer.train
            train(models, pairs, heldout, config, begin, checkpoint_dir=Path(name, "saved"))
        trainer._one_update = plain
    shares: Counter[str] = Counter()
    for event in profiled.key_averages():
        shares[group_of(event.key)] += event.self_cpu_time_total / 1e6
    shares["all other, Python between"] += max(0.0, took[2] - sum(shares.values()))
    return {
        "load": asdict(load),
        "floor": floor_of(begin.counted),
        "profile": {name: seconds / took[2] for name, seconds in shares.items()},
        "update": watch.took[1],
    }


class _Begin:
    """Hands everything on to the watch; keeps what was counted in the second update."""

    def __init__(self, watch: Watch, counted: Counter[Shape]) -> None:
        self.watch, self.running = watch, counted
        self.counted: Counter[Shape] = Counter()
        self.before: Counter[Shape] = Counter()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self.watch, name)

    def control(self, step: int) -> Any:  # noqa: ANN401
        """Begin an update."""
        self.before = self.running.copy()
        return self.watch.control(step)

    def metrics(self, step: int, values: Any) -> None:  # noqa: ANN401
        """End an update; evaluations come here too."""
        self.watch.metrics(step, values)
        if len(self.watch.took) == 2 and not self.counted:
            self.counted = self.running - self.before


def main() -> None:
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(asked["threads"])
    for given in asked["loads"]:
        print(json.dumps(measure(Workload(**given))), flush=True)


if __name__ == "__main__":
    main()
