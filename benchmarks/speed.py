"""Processor time of one update, this code against another checkout of it.

    python benchmarks/speed.py [--old FOLDER] [--pairs 3] [--updates 4] [--quick]

Workload A is a random Llama of 4.5 million parameters, prompts of 64 tokens, answers of 48; B is
the sample task `tldr` with its policy and reward model, answers of 53. Both take 64 episodes and
four passes an update, with one processor thread. Checkouts are measured in turn, each time in a
process of its own; the first update of a process is left out. Processor time (user and system) does
not count what else the machine does, but a busy machine makes it longer all the same: compare
within a pair.
`--quick` takes one small update of each workload and says whether it works.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drpo import metrics

if TYPE_CHECKING:
    from drpo.types import Control

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample_data"
SHARED: dict[str, Any] = {
    "data": "given",
    "device": "cpu",
    "dtype": "float32",
    "episodes_per_update": 64,
    "num_ppo_epochs": 4,
    "learning_rate": 1e-6,
    "eval_every": 10_000,
    "eval_prompts": 1,
    "sample_prompts": 1,
    "checkpoint_every": 10,
    "reward_model": str(SAMPLES / "models/tldr-reward"),
}
TOLD = {
    "rollout_s": metrics.TIMING_S_ROLLOUT,
    "scoring_s": metrics.TIMING_S_SCORING,
    "learning_s": metrics.TIMING_S_LEARNING,
    # By name: an older checkout that is measured has no such metric.
    "padding": getattr(metrics, "TIMING_PADDING", ""),
}
COLUMNS = ("processor_s", *TOLD)


class Watch:
    """An observer that keeps the clock of every update."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.took: list[dict[str, float]] = []

    def control(self, step: int) -> Control:  # noqa: ARG002
        """Begin an update's clock; ask for nothing."""
        from drpo.types import Control  # of the checkout that is measured

        self.begun.append(processor_seconds())
        return Control()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:  # noqa: ARG002
        """Stop the clock where the figures are an update's."""
        if metrics.TIMING_S_UPDATE not in values:
            return
        spent = processor_seconds() - self.begun[-1]
        told = {name: values.get(metric, float("nan")) for name, metric in TOLD.items()}
        self.took.append({"processor_s": spent, **told})

    def progress(self, *_: Any) -> None:  # noqa: ANN401
        """Tell nobody."""

    samples = event = progress


def processor_seconds() -> float:
    """User and system time of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def random_policy(folder: Path) -> Path:
    """A random Llama that reads the sample task's tokens."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(SAMPLES / "models/tldr-policy")
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=5,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=256,
        initializer_range=0.05,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def random_pairs(count: int) -> Iterator[dict[str, str]]:
    """Prompts of about 64 tokens, answers of 24 to 60."""
    letters = random.Random(0)
    for _ in range(count):
        prompt = "".join(letters.choices("abcdefgh ", k=letters.randint(60, 64)))
        answer = "".join(letters.choices("abcdefgh", k=letters.randint(24, 60)))
        yield {"prompt": prompt, "chosen": answer, "rejected": "h"}


def sample_pairs(count: int) -> Iterator[dict[str, str]]:
    """Rows of the sample task."""
    with gzip.open(SAMPLES / "files/tldr.jsonl.gz", "rt", encoding="utf-8") as lines:
        for _, line in zip(range(count), lines, strict=False):
            yield json.loads(line)


def measure(workload: str, updates: int, settings: Mapping[str, Any]) -> dict[str, float]:
    """Train with the `drpo` that Python finds; medians over all updates but the first."""
    from drpo.config.run_config import RunConfig
    from drpo.data.pairs import Pair
    from drpo.modeling.models import load_models
    from drpo.rl.trainer import train

    with tempfile.TemporaryDirectory() as folder:
        if workload == "A":
            policy, length = random_policy(Path(folder, "policy")), 48
            rows = random_pairs(200)
        else:
            policy, length = SAMPLES / "models/tldr-policy", 53
            rows = sample_pairs(1000)
        pairs = [
            Pair(row["prompt"], row["chosen"], row["rejected"], row=n)
            for n, row in enumerate(rows, start=1)
        ]
        own = {"policy": str(policy), "response_length": length, "updates": updates}
        config = RunConfig.of(**{**SHARED, **own, **settings})
        watch = Watch()
        train(
            load_models(config),
            pairs,
            pairs[:2],
            config,
            watch,
            checkpoint_dir=Path(folder, "checkpoints"),
        )
    took = watch.took[1:] or watch.took
    return {name: statistics.median(row[name] for row in took) for name in COLUMNS}


def measured_apart(
    checkout: Path, workload: str, updates: int, settings: Mapping[str, Any]
) -> dict[str, float]:
    """Measure a checkout in a process of its own."""
    asked = json.dumps([workload, updates, settings])
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__)), "--measure", asked]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{checkout} could not be measured: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(
    checkouts: Mapping[str, Path],
    cases: Mapping[str, tuple[str, dict[str, Any]]],
    args: argparse.Namespace,
) -> Iterator[str]:
    """Yield the lines of a table: a median over the pairs for each case and checkout."""
    yield "| workload | code | " + " | ".join(COLUMNS) + " |"
    yield "|---" * (len(COLUMNS) + 2) + "|"
    for case, (workload, settings) in cases.items():
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
        for _ in range(args.pairs):
            for name, folder in checkouts.items():
                rows[name].append(measured_apart(folder, workload, args.updates, settings))
        for name, found in rows.items():
            medians = (statistics.median(row[column] for row in found) for column in COLUMNS)
            yield f"| {case} | {name} | " + " | ".join(f"{m:.3f}" for m in medians) + " |"


def main(words: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", type=Path, help="another checkout, measured in turn with this one")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    if args.measure:
        print(json.dumps(measure(*json.loads(args.measure))))
        return
    checkouts = ({"old": args.old.resolve()} if args.old else {}) | {"new": ROOT}
    cases: dict[str, tuple[str, dict[str, Any]]] = {
        "A": ("A", {"reset_prob": 0.5}),
        "B": ("B", {"reset_prob": 0.5}),
        "B, no resets": ("B", {"reset_prob": 0.0}),
        "B, all resets": ("B", {"reset_prob": 1.0}),
    }
    if args.quick:
        small = {"episodes_per_update": 4, "num_ppo_epochs": 1}
        cases = {"A": ("A", small), "B": ("B", small)}
        args.pairs = args.updates = 1
    for line in compare(checkouts, cases, args):
        print(line, flush=True)


if __name__ == "__main__":
    main()
