"""Advantage estimators side by side on the sample tasks: gold, KL, speed of learning, cost.

    python benchmarks/estimators.py            # the runs that are still missing, then the page
    python benchmarks/estimators.py --page     # the page from the rows that are there

Each run has a process of its own, one thread, and is measured in processor seconds, so that other
work on the machine hardly shows. About an hour and a half of one core in all.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

ROOT = Path(__file__).resolve().parents[1]
RAW = ROOT / "docs" / "study" / "estimators.csv"
PAGE = ROOT / "docs" / "estimators.md"
TASKS, RESETS = ("tldr", "strict"), ("0.5", "0")
PRETRAINED = {
    "advantage": "gae",
    "critic_init": "reward_model",
    "critic_pretraining_epochs": 1.0,
    "critic_learning_rate": 3e-4,
}
ESTIMATORS: dict[str, dict[str, Any]] = {
    "gae": {"advantage": "gae"},
    "gae pretrained": PRETRAINED,
    "rloo": {"advantage": "rloo"},
    "grpo": {"advantage": "grpo"},
}
SEEDS = (0, 1, 2)
UPDATES, EVERY = 30, 5
HALF = {"tldr": (4.727 + 6.66) / 2, "strict": 0.47}
"""Half way from the start to the best that was seen: mean gold of 7, share of right answers."""
COLUMNS = [
    "task",
    "reset_prob",
    "advantage",
    "seed",
    "gold_start",
    "gold",
    "score",
    "kl",
    "half_episodes",
    "seconds",
    "peak_gib",
    "explained_variance",
    "slope",
    "slope_se",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(",".join(run(*asked.one)))
        return
    done = {tuple(row[name] for name in COLUMNS[:4]) for row in read()}
    for arm in itertools.product(TASKS, RESETS, ESTIMATORS, map(str, SEEDS)):
        if not asked.page and arm not in done:
            words = [sys.executable, __file__, "--one", *arm]
            out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
            with RAW.open("a", encoding="utf-8") as file:
                file.write(out.strip().splitlines()[-1] + "\n")
    write_page(read())


def run(task: str, reset_prob: str, advantage: str, seed: str) -> list[str]:
    """Train one arm and return its row."""
    import resource
    import tempfile
    import time

    import torch

    from drpo import metrics
    from drpo.data.run_data import load_run_data
    from drpo.modeling.models import load_models
    from drpo.rl import trainer
    from drpo.rl.rewards import whiten
    from drpo.runs.demo import demo_config
    from drpo.types import Observer

    torch.set_num_threads(1)
    settings = {"reset_prob": float(reset_prob), "eval_every": EVERY} | ESTIMATORS[advantage]
    config = demo_config(task, seed=int(seed), updates=UPDATES, device="cpu", **settings)
    data = load_run_data(config, None)
    models = load_models(config, gold=data.gold)
    told: dict[int, dict[str, float]] = {}
    places: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    class Listener(Observer):
        def metrics(self, step, values):  # noqa: ANN001, ANN202
            told.setdefault(step, {}).update(values)

    plain = trainer.metrics_of

    def spied(update, state, episodes):  # noqa: ANN001, ANN202
        acted = update.rollout.acted
        if state.step >= UPDATES // 3:
            white = whiten(update.credit.advantages, acted, shift_mean=True)
            left = acted.sum(1, keepdim=True) - 1 - torch.arange(acted.shape[1])
            episode = torch.arange(len(acted))[:, None].expand_as(acted) + len(acted) * state.step
            places.append((left[acted].double(), white[acted].double(), episode[acted]))
        return plain(update, state, episodes)

    trainer.metrics_of = spied
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        trainer.train(
            models, data.train, data.heldout, config, Listener(), checkpoint_dir=Path(folder)
        )
    seconds = time.process_time() - began
    evals = {step: values for step, values in told.items() if metrics.EVAL_GOLD in values}
    first, last = evals[min(evals)], evals[max(evals)]
    explained = [
        v
        for s, w in told.items()
        if s >= 10 and (v := w.get(metrics.VAL_EXPLAINED_VARIANCE)) is not None
    ]
    slope, slope_se = clustered_slope(
        *(torch.cat(part).numpy() for part in zip(*places, strict=True))
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    gold = {step: values[metrics.EVAL_GOLD] for step, values in evals.items()}
    half = half_episodes(gold, HALF[task], config.ppo.episodes_per_update)
    figures = [
        first[metrics.EVAL_GOLD],
        last[metrics.EVAL_GOLD],
        last[metrics.EVAL_SCORES],
        last[metrics.EVAL_KL],
        half,
        seconds,
        peak,
        float(np.median(explained)) if explained else None,
        slope,
        slope_se,
    ]
    return [task, reset_prob, advantage, seed, *("" if f is None else f"{f:.5g}" for f in figures)]


def clustered_slope(
    x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], cluster: np.ndarray[Any, Any]
) -> tuple[float, float]:
    """Return a fitted slope and its standard error, the tokens of an episode taken as one draw."""
    x = x - x.mean()
    slope = float((x * y).sum() / (x**2).sum())
    residual = x * (y - y.mean() - slope * x)
    sums = np.bincount(np.unique(cluster, return_inverse=True)[1], weights=residual)
    return slope, float(np.sqrt((sums**2).sum()) / (x**2).sum())


def half_episodes(gold: dict[int, float], target: float, episodes: int) -> float | None:
    """Return how many episodes it took to the target, read off the line between evaluations."""
    before: tuple[int, float] | None = None
    for step in sorted(gold):
        if gold[step] >= target:
            if before is None:
                return float(step * episodes)
            share = (target - before[1]) / (gold[step] - before[1])
            return (before[0] + share * (step - before[0])) * episodes
        before = (step, gold[step])
    return None


def read() -> list[dict[str, str]]:
    """Read the rows; an empty file gets its head."""
    if not RAW.exists():
        RAW.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    with RAW.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def interval(values: list[float], digits: int = 2) -> str:
    """Mean over seeds with its 95 % interval (Student's t)."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    wide = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return f"{mean:.{digits}f} ± {wide:.{digits}f}"


def write_page(rows: list[dict[str, str]]) -> None:
    """Write the page between its marks; what people wrote around them stays."""
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split("<!-- table -->\n")
    _, tail = rest.split("<!-- end -->\n")
    lines = [
        "| task | resets | estimator | gold at the end | KL | episodes to half of the best "
        "| seconds an update | peak GiB | explained variance | slope of the advantage a token |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for task, resets, estimator in itertools.product(TASKS, RESETS, ESTIMATORS):
        arm = [
            r
            for r in rows
            if (r["task"], r["reset_prob"], r["advantage"]) == (task, resets, estimator)
        ]
        if not arm:
            continue
        column = {name: [float(r[name]) for r in arm if r[name]] for name in COLUMNS[4:]}
        half = ", ".join(
            f"{float(r['half_episodes']):,.0f}" if r["half_episodes"] else "never" for r in arm
        )
        critic = ", ".join(f"{v:.2f}" for v in column["explained_variance"]) or "no critic"
        slope = ", ".join(
            f"{a:.3f} ({a / b:+.0f} se)"
            for a, b in zip(column["slope"], column["slope_se"], strict=True)
        )
        lines.append(
            f"| {task} | {resets} | {estimator} | {interval(column['gold'])} "
            f"| {interval(column['kl'])} | {half} "
            f"| {np.mean(column['seconds']) / UPDATES:.2f} | {max(column['peak_gib']):.2f} "
            f"| {critic} | {slope} |"
        )
    body = "<!-- table -->\n" + "\n".join(lines) + "\n<!-- end -->\n"
    PAGE.write_text(head + body + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
