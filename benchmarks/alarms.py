"""How often alarms fire on healthy runs, and how often they stay silent on provoked ones.

    python benchmarks/alarms.py                  train short runs, write docs/alarms.md
    python benchmarks/alarms.py --workspace DIR  ask the monitor about the finished runs of a store

The short runs train the toy policy of `tests/alarm_runs.py` for real: healthy ones under settings
that people would choose, provoked ones with a foolish reward or one setting far off.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from drpo.config import RunConfig  # noqa: E402
from drpo.evaluation.statistics import wilson  # noqa: E402
from drpo.monitor import ALARMS, Monitor  # noqa: E402
from drpo.records import Sample  # noqa: E402
from drpo.store import Store  # noqa: E402

HEALTHY_UPDATES = 24
PROVOKED = {
    "no brake, reward counts one letter": (
        {"kl_coef": 0.0, "learning_rate": 2e-3, "missing_eos_penalty": None, "updates": 16},
        ("kl_runaway", "kl_budget", "reward_hacking", "length_drift", "repetition", "unfinished"),
    ),
    "no brake, reward is the length": (
        {"kl_coef": 0.0, "learning_rate": 2e-3, "missing_eos_penalty": None, "updates": 12},
        ("reward_hacking", "length_drift", "unfinished"),
    ),
    "learning rate sixty times too high": (
        {"learning_rate": 3e-2, "num_ppo_epochs": 4, "updates": 8, "eval_every": 8},
        ("identical_answers", "entropy_collapse"),
    ),
    "critic that does not learn": (
        {"vf_coef": 0.0, "critic_init": "reward_model", "updates": 15, "eval_every": 15},
        ("value_error",),
    ),
    "untaught policy, huge steps": (
        {"learning_rate": 3e-2, "num_ppo_epochs": 4, "updates": 4, "eval_every": 4, "kl_coef": 0.0,
         "missing_eos_penalty": None},
        ("clip_fraction",),
    ),
    "eight answers to reset into": ({"updates": 2}, ("few_reset_answers",)),
}  # fmt: skip
REWARDS = {
    "no brake, reward counts one letter": lambda answer: answer.text.count("e"),
    "no brake, reward is the length": lambda answer: len(answer.ids),
    "critic that does not learn": lambda answer: 0.01 * len(answer.text),
    "untaught policy, huge steps": lambda answer: len(answer.ids),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workspace", type=Path, help="replay the finished runs of this workspace")
    parser.add_argument("--healthy", type=int, default=20, help="healthy runs")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each provoked kind")
    asked = parser.parse_args()
    if asked.workspace:
        replay(asked.workspace)
    else:
        measure(asked.healthy, asked.seeds)


def replay(workspace: Path) -> None:
    """Let the monitor look at runs that are over, as it would have looked at them live."""
    os.environ["DRPO_HOME"] = str(workspace)
    store = Store()
    names = [field.name for field in fields(Sample)]
    for run in store.runs.all(statuses=("finished", "stopped"), archived=True):
        config = RunConfig.from_nested(run.config)
        monitor, seen = Monitor(config.alarms), {}
        rows = store.metrics.since(run.id)
        for step, group in rows.groupby("step"):
            told = dict(zip(group["name"], group["value"], strict=True))
            samples = [
                Sample(**{name: getattr(row, name) for name in names})
                for kind in ("episode", "heldout") for row in store.samples.at(run.id, step, kind)
            ]  # fmt: skip
            for alarm in monitor.update(int(step), told, samples):
                seen.setdefault(alarm.name, alarm.first_step)
        said = ", ".join(f"{name} at {step}" for name, step in seen.items()) or "none"
        print(f"{run.id:32s} kl_coef {config.kl.kl_coef:<6g} reset_prob "
              f"{config.reset.reset_prob:<5g} {run.step:4d} updates: {said}")  # fmt: skip


def measure(healthy: int, seeds: int) -> None:
    """Train all runs and write what was seen."""
    import conftest
    import torch
    import transformers
    from alarm_runs import teach, watch
    from toy import toy_pairs

    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = conftest.make_byte_tokenizer()
        policy = teach(folder / "taught", tokenizer)
        reward = conftest.make_reward_folder(folder / "reward", tokenizer)
        raw = folder / "untaught"
        conftest.tiny_model("llama").save_pretrained(raw)
        tokenizer.save_pretrained(raw)
        rows = []
        for seed in range(healthy):
            settings = {
                "seed": seed, "reset_prob": (0.0, 0.25, 0.5, 0.75, 1.0)[seed % 5],
                "kl_coef": (0.05, 0.1, 0.2, 0.5)[seed // 5 % 4], "updates": HEALTHY_UPDATES,
            }  # fmt: skip
            run = watch(policy, reward, folder / f"healthy{seed}", **settings)
            rows.append(("healthy", seed, HEALTHY_UPDATES, run.names))
            print(*rows[-1])
        for kind, (settings, _) in PROVOKED.items():
            for seed in range(seeds):
                run = watch(
                    raw if kind.startswith("untaught") else policy, reward,
                    folder / f"{kind[:12]}{seed}", rule=REWARDS.get(kind),
                    pairs=toy_pairs(8) if kind.startswith("eight") else None,
                    **{"seed": seed, **settings},
                )  # fmt: skip
                rows.append((kind, seed, settings["updates"], run.names))
                print(*rows[-1])
    write(rows, time.perf_counter() - began)


def write(rows: list[tuple[str, int, int, set[str]]], seconds: float) -> None:
    """Write the raw rows and the page for people."""
    with (ROOT / "benchmarks" / "alarms.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["kind", "seed", "updates", "alarms"])
        out.writerows([kind, seed, n, " ".join(sorted(names))] for kind, seed, n, names in rows)
    healthy = [names for kind, _, _, names in rows if kind == "healthy"]
    any_false = sum(bool(names) for names in healthy)
    lines = [
        "# Alarms: how often they are wrong",
        "",
        "Measured by `python benchmarks/alarms.py` on short real runs of a small policy that was",
        "taught a toy task first; the raw rows are in `benchmarks/alarms.csv`. Intervals are",
        "Wilson's, 95 %. The runs are small: take the rates as what the rules do when their",
        "assumptions hold, not as a promise for a model of billions of parameters.",
        "",
        f"**False alarms.** {len(healthy)} healthy runs of {HEALTHY_UPDATES} updates (reset",
        "probability 0 to 1, KL coefficient .05 to .5, default thresholds):",
        f"{rate(any_false, len(healthy))} raised any alarm.",
        "",
        "**Missed alarms.** Runs that were provoked, and the alarms that each kind should raise:",
        "",
        "| provoked by | alarm | missed | false on healthy runs |",
        "|---|---|---|---|",
    ]
    for kind, (_, expected) in PROVOKED.items():
        mine = [names for one, _, _, names in rows if one == kind]
        for alarm in expected:
            missed = sum(alarm not in names for names in mine)
            false = sum(alarm in names for names in healthy)
            lines.append(
                f"| {kind} | `{alarm}` | {rate(missed, len(mine))} | {rate(false, len(healthy))} |"
            )
    covered = {alarm for _, expected in PROVOKED.values() for alarm in expected}
    rest = [f"`{alarm}`" for alarm in ALARMS if alarm not in covered]
    lines += [
        "",
        f"{' and '.join(rest)} look at one figure with a threshold of its own (the reward model's",
        "held-out accuracy; the interval of people's votes): their rates are those of that figure.",
        "",
        f"{len(rows)} runs in {seconds / 60:.0f} minutes on one busy core.",
    ]
    (ROOT / "docs" / "alarms.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def rate(hits: int, n: int) -> str:
    """A share with its interval, as people read it."""
    found = wilson(hits, n)
    return f"{hits} of {n} ({100 * (found.low or 0):.0f} to {100 * (found.high or 0):.0f} %)"


if __name__ == "__main__":
    main()
