"""This code, or an older checkout of it, at a workload: seconds of every update but the first.

    python -m benchmarks.cpu.ours '{"loads": [...], "updates": 4, "checkout": "...", "threads": 2}'

A process of its own; prints JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.cpu import workloads
from benchmarks.cpu.workloads import Workload, peak_mib, processor_seconds

if TYPE_CHECKING:
    from drpo.types import Control


class Watch:
    """An observer that keeps the clocks of every update."""

    def __init__(self) -> None:
        self.begun = (0.0, 0.0)
        self.took: list[dict[str, float]] = []

    def control(self, step: int) -> Control:  # noqa: ARG002
        """Begin an update's clocks; ask for nothing."""
        from drpo.types import Control  # of the checkout that is measured

        self.begun = (time.perf_counter(), processor_seconds())
        return Control()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:  # noqa: ARG002
        """Stop the clocks where the figures are an update's."""
        from drpo import metrics  # of the checkout that is measured

        if metrics.TIMING_S_UPDATE not in values:
            return
        found = {
            "wall_s": time.perf_counter() - self.begun[0],
            "processor_s": processor_seconds() - self.begun[1],
        }
        found["rollout_s"] = values[metrics.TIMING_S_ROLLOUT]
        found["scoring_s"] = values[metrics.TIMING_S_SCORING]
        found["learning_s"] = values[metrics.TIMING_S_LEARNING]
        # By name: an older checkout has no such metric.
        padding = values.get(getattr(metrics, "TIMING_PADDING", ""), 0.0)
        self.took.append(found | {"padding": padding})


def watching() -> Watch:
    """Return a watch that hears whatever the checkout that is measured says to an observer."""
    from drpo.types import Observer

    class Listener(Watch, Observer):
        """What a watch does not care for, an observer takes."""

    return Listener()


def prepare(load: Workload, updates: int, folder: Path) -> tuple[Any, ...]:
    """Return what `train` takes: models, pairs, held-out pairs and the run's settings."""
    from drpo.config.run_config import RunConfig
    from drpo.data.pairs import Pair
    from drpo.modeling.models import load_models

    rows = workloads.rows_of(load)
    pairs = [
        Pair(row["prompt"], row["chosen"], row["rejected"], row=n)
        for n, row in enumerate(rows, start=1)
    ]
    config = RunConfig.of(
        **workloads.SHARED,
        data="given",
        device="cpu",
        dtype="float32",
        policy=str(workloads.policy_of(load, folder / "policy")),
        reward_model=str(workloads.REWARD),
        response_length=load.answer,
        episodes_per_update=load.episodes,
        num_ppo_epochs=load.passes,
        advantage=load.advantage,
        reset_prob=load.reset_prob,
        updates=updates,
        eval_every=10_000,
        eval_prompts=1,
        sample_prompts=1,
        checkpoint_every=10,
    )
    return load_models(config), pairs, pairs[:2], config


def measure(load: Workload, updates: int) -> list[dict[str, float]]:
    """Train; the clocks of every update."""
    from drpo.rl.trainer import train

    with tempfile.TemporaryDirectory() as name:
        watch = watching()
        prepared = prepare(load, updates, Path(name))
        train(*prepared, watch, checkpoint_dir=Path(name, "checkpoints"))
    return watch.took


def main() -> None:
    asked = json.loads(sys.argv[1])
    sys.path.insert(0, asked["checkout"])
    torch.set_num_threads(asked["threads"])
    for given in asked["loads"]:
        load = Workload(**given)
        took = measure(load, asked["updates"])
        print(json.dumps({"load": asdict(load), "took": took, "peak_mib": peak_mib()}), flush=True)


if __name__ == "__main__":
    main()
