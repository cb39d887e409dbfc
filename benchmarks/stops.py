"""Seconds from `drpo stop` to a saved run, in every stage of a real model.

    drpo models add smollm2
    python -m benchmarks.stops [--reward-model FOLDER]  # a table in Markdown; some minutes

Each row is a run of its own on the real demo's material, stopped a few seconds after it came to a
stage. Whatever a stage computes with a network it computes pass by pass, and asks before each.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, field
from typing import Any

from drpo.executors.process import start_worker
from drpo.runs.demo import demo_config
from drpo.store import Store

LOOK_SECONDS = 0.05
GIVEN = "reward_model"


@dataclass(frozen=True)
class Case:
    """Where a run is stopped."""

    what: str
    stage: str
    """The name under which an observer is told of it."""
    wait: float
    """Seconds after it began."""
    settings: dict[str, Any] = field(default_factory=dict)
    judged: bool = True
    """Whether a reward model is given, so that none has to be trained first."""


NO_EVALUATION = {"eval_every": 1000, "eval_prompts": 4, "sample_prompts": 4}
TOO_LARGE_FOR_A_TOY = {"lora_rank": 0, "response_length": 200}
CASES = (
    Case("trying what fits", "trying what fits", 2.0, TOO_LARGE_FOR_A_TOY),
    Case("reward model", "reward model", 6.0, judged=False),
    Case("SFT", "sft", 6.0, {"method": "sft"}),
    Case("DPO", "dpo", 6.0, {"method": "dpo"}),
    Case("measuring the reward model", "reward model accuracy", 2.0),
    Case("evaluation", "evaluation", 4.0),
    Case("update: drawing", "training", 2.0, NO_EVALUATION),
    Case("update: learning", "training", 9.0, NO_EVALUATION),
    Case(
        "update: learning from long answers",
        "training",
        30.0,
        NO_EVALUATION | {"response_length": 200},
    ),
    Case("best of n", "best of n", 4.0, {"method": "best_of_n"}),
)


def seconds_to_stop(store: Store, case: Case, reward_model: str | None) -> tuple[float, str]:
    """Stop a run at a stage; how long it took, and what it was at by then.

    Raises:
        SystemExit: The run ended before it came there, or did not end as a stopped one.
    """
    judged = {GIVEN: reward_model} if case.judged else {}
    run = store.runs.create(demo_config("reviews", name=case.what, **judged, **case.settings))
    worker = start_worker(store, run.id, "cpu")
    while store.runs.get(run.id).stage != case.stage:
        if worker.poll() is not None:
            raise SystemExit(f"{case.what}: {store.runs.get(run.id).error or 'ended too early'}")
        time.sleep(LOOK_SECONDS)
    time.sleep(case.wait)
    now = store.runs.get(run.id)
    began = time.monotonic()
    store.commands.add(run.id, "stop")
    worker.wait()
    took = time.monotonic() - began
    if store.runs.get(run.id).status != "stopped":
        raise SystemExit(f"{case.what}: {store.runs.get(run.id).status}")
    return took, f"{now.stage}, {now.stage_done} of {now.stage_total}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Seconds to a stop, by stage.")
    parser.add_argument("--reward-model", help="a folder; else cases that need one are left out")
    asked = parser.parse_args()
    store = Store()
    print(f"Load {os.getloadavg()[0]:.1f} at the start.\n")
    print("| stopped in | it was at | seconds |\n|---|---|---|")
    for case in CASES:
        if asked.reward_model or not case.judged:
            took, at = seconds_to_stop(store, case, asked.reward_model)
            print(f"| {case.what} | {at} | {took:.1f} |", flush=True)


if __name__ == "__main__":
    main()
