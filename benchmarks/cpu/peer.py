"""The peer, TRL's PPO, at a workload: seconds of every update but the first.

    python -m benchmarks.cpu.peer '{"loads": [...], "updates": 4, "threads": 2}'

Runs in an environment of its own that `build` makes: TRL of the version below, and beside it what
this project has installed, so that both use the same torch and transformers. Float32 and no
recomputed activations, as here: with its defaults, which halve the one and take the other, it would
not do the same work.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.cpu import workloads
from benchmarks.cpu.workloads import Workload, peak_mib, processor_seconds

VERSION = "1.12.0"


def build(folder: Path) -> Path:
    """Make the peer's environment where it is not there yet; return its Python."""
    home = folder / f"trl-{VERSION}"
    python = home / "bin/python"
    if (home / ".done").is_file():
        return python
    venv.create(home, clear=True, symlinks=True)
    packages = home.glob("lib/python3*/site-packages")
    own = next(packages)
    # Looked up after what is installed in the environment itself.
    (own / "project.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(own)]
    subprocess.run([*pip, f"trl=={VERSION}"], check=True)
    (home / ".done").touch()
    return python


def measure(load: Workload, updates: int) -> list[dict[str, float]]:
    """Train with TRL; wall and processor seconds of every update."""
    with tempfile.TemporaryDirectory() as name:
        took: list[dict[str, float]] = []
        _trainer(load, updates, Path(name), took).train()
    return took


def _trainer(load: Workload, updates: int, folder: Path, took: list[dict[str, float]]) -> Any:  # noqa: ANN401
    import torch
    from datasets import Dataset
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        TrainerCallback,
    )
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    class Clock(TrainerCallback):
        """Keeps the clocks between the ends of two updates."""

        def __init__(self) -> None:
            self.begun = (0.0, 0.0)

        def on_train_begin(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
            """Begin the first update's clocks."""
            self.begun = (time.perf_counter(), processor_seconds())

        def on_step_end(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
            """Stop an update's clocks and begin the next one's."""
            now = (time.perf_counter(), processor_seconds())
            took.append({"wall_s": now[0] - self.begun[0], "processor_s": now[1] - self.begun[1]})
            self.begun = now

    policy = workloads.policy_of(load, folder / "policy")
    tokenizer = AutoTokenizer.from_pretrained(policy, padding_side="left")
    rows = workloads.rows_of(load)
    prompts = Dataset.from_list([{"input_ids": tokenizer(r["prompt"])["input_ids"]} for r in rows])

    def language_model() -> Any:  # noqa: ANN401
        return AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32)

    def classifier(source: Path) -> Any:  # noqa: ANN401
        kind = AutoModelForSequenceClassification
        return kind.from_pretrained(source, num_labels=1, dtype=torch.float32)

    settings = PPOConfig(
        output_dir=str(folder / "out"),
        per_device_train_batch_size=load.episodes,
        gradient_accumulation_steps=1,
        num_mini_batches=1,
        num_ppo_epochs=load.passes,
        local_rollout_forward_batch_size=64,
        missing_eos_penalty=1.0,
        num_sample_generations=0,
        save_strategy="no",
        eval_strategy="no",
        response_length=load.answer,
        stop_token="eos",
        total_episodes=load.episodes * updates,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
        **workloads.SHARED,
    )
    return PPOTrainer(
        args=settings,
        processing_class=tokenizer,
        model=language_model(),
        ref_model=language_model(),
        reward_model=classifier(workloads.REWARD),
        value_model=classifier(policy),
        train_dataset=prompts,
        eval_dataset=prompts.select(range(2)),
        callbacks=[Clock()],
    )


def main() -> None:
    import torch

    asked = json.loads(sys.argv[1])
    torch.set_num_threads(asked["threads"])
    for given in asked["loads"]:
        load = Workload(**given)
        took = measure(load, asked["updates"])
        print(json.dumps({"load": asdict(load), "took": took, "peak_mib": peak_mib()}), flush=True)


if __name__ == "__main__":
    main()
