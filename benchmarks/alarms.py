"""How often alarms fire on healthy runs, and how often they stay silent on provoked ones.

    python benchmarks/alarms.py                  train short runs, write docs/alarms.md
    python benchmarks/alarms.py --page           write it again from the last runs' raw rows
    python benchmarks/alarms.py --workspace DIR  ask the monitor about the finished runs of a store

The short runs train the toy policy of `tests/alarm_runs.py` for real: healthy ones under settings
that people would choose, provoked ones with a foolish reward or one setting far off. Two alarms
look at one count each (pairs that the reward model got right, votes); those are drawn. All of it
takes some ten minutes on one core.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from dataclasses import fields
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from drpo import metrics  # noqa: E402
from drpo.alarms import Monitor, people_disagree  # noqa: E402
from drpo.config.run_config import RunConfig  # noqa: E402
from drpo.runs.pipeline import RM_PAIRS  # noqa: E402
from drpo.stats.intervals import wilson  # noqa: E402
from drpo.store import Store  # noqa: E402
from drpo.types import Sample  # noqa: E402

RAW = ROOT / "benchmarks" / "alarms.csv"
LIMITS = RunConfig.of(data="pairs.jsonl", policy="model").alarms
HEALTHY_UPDATES = 24
PROVOKED = {
    "no brake, reward counts one letter": (
        {"kl_coef": 0.0, "learning_rate": 1e-3, "missing_eos_penalty": None, "updates": 20},
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
        {
            "critic_learning_rate": 1e-12,
            "critic_warmup_steps": 0,
            "critic_init": "reward_model",
            "updates": 22,
            "eval_every": 22,
        },
        ("value_error",),
    ),
    "untaught policy, huge steps": (
        {
            "learning_rate": 3e-2,
            "num_ppo_epochs": 4,
            "updates": 10,
            "eval_every": 10,
            "kl_coef": 0.0,
            "missing_eos_penalty": None,
        },
        ("clip_fraction",),
    ),
    "eight answers to reset into": ({"updates": 2}, ("few_reset_answers",)),
}
DRAWS = 2000
"""Counts drawn for each row of the second table."""
Row = tuple[str, int, int, set[str]]
REWARDS = {
    "no brake, reward counts one letter": lambda answer: answer.text.count("e"),
    "no brake, reward is the length": lambda answer: len(answer.ids),
    "critic that does not learn": lambda answer: 0.01 * len(answer.text),
    "untaught policy, huge steps": lambda answer: len(answer.ids),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workspace", type=Path, help="replay the finished runs of this workspace")
    parser.add_argument("--page", action="store_true", help="write the page from the raw rows")
    parser.add_argument("--healthy", type=int, default=20, help="healthy runs")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each provoked kind")
    asked = parser.parse_args()
    if asked.workspace:
        replay(asked.workspace)
    elif asked.page:
        write_page(read())
    else:
        rows = measure(asked.healthy, asked.seeds)
        write(rows)
        write_page(rows)


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
                for kind in ("episode", "heldout")
                for row in store.samples.at(run.id, step, kind)
            ]
            for alarm in monitor.update(int(step), told, samples):
                seen.setdefault(alarm.name, alarm.first_step)
        said = ", ".join(f"{name} at {step}" for name, step in seen.items()) or "none"
        print(
            f"{run.id:32s} kl_coef {config.kl.kl_coef:<6g} reset_prob "
            f"{config.reset.reset_prob:<5g} {run.step:4d} updates: {said}"
        )


def measure(healthy: int, seeds: int) -> list[Row]:
    """Train all runs and return what was seen."""
    import conftest
    import torch
    import transformers
    from alarm_runs import teach, watch
    from toy import toy_pairs

    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
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
                "seed": seed,
                "reset_prob": (0.0, 0.25, 0.5, 0.75, 1.0)[seed % 5],
                "kl_coef": (0.05, 0.1, 0.2, 0.5)[seed // 5 % 4],
                "updates": HEALTHY_UPDATES,
            }
            run = watch(policy, reward, folder / f"healthy{seed}", **settings)
            rows.append(("healthy", seed, HEALTHY_UPDATES, run.names))
            print(*rows[-1])
        for kind, (settings, _) in PROVOKED.items():
            for seed in range(seeds):
                run = watch(
                    raw if kind.startswith("untaught") else policy,
                    reward,
                    folder / f"{kind[:12]}{seed}",
                    rule=REWARDS.get(kind),
                    pairs=toy_pairs(8) if kind.startswith("eight") else None,
                    **{"seed": seed, **settings},
                )
                rows.append((kind, seed, settings["updates"], run.names))
                print(*rows[-1])
    return rows


def write(rows: list[Row]) -> None:
    """Write the raw rows."""
    with RAW.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["kind", "seed", "updates", "alarms"])
        out.writerows([kind, seed, n, " ".join(sorted(names))] for kind, seed, n, names in rows)


def read() -> list[Row]:
    """Read what `write` wrote."""
    with RAW.open(newline="") as file:
        return [
            (row["kind"], int(row["seed"]), int(row["updates"]), set(row["alarms"].split()))
            for row in csv.DictReader(file)
        ]


def write_page(rows: list[Row]) -> None:
    """Write the page for people."""
    healthy = [names for kind, _, _, names in rows if kind == "healthy"]
    others = sum(bool(names - {"value_error"}) for names in healthy)
    critic = sum("value_error" in names for names in healthy)
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
        f"{rate(others, len(healthy))} raised an alarm other than the critic's.",
        "",
        "The critic's alarm says that the critic explained next to nothing for ten updates. That",
        "is a finding about the critic and no verdict on the run: it was so in",
        f"{rate(critic, len(healthy))} of these runs, which did well all the same. Their",
        "reward is right or wrong, and soon nearly always right, so that little is left to",
        "explain; without a critic (`advantage = rloo`) such a run costs less.",
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
    lines += [
        "",
        "**Two alarms look at one count each**, and their rates are those of that count: of",
        "held-out pairs that the reward model gets right, and of comparisons that people decide.",
        f"Each row draws {DRAWS:,} such counts and asks the rule itself (default threshold",
        f"{LIMITS.alarm_rm_accuracy:g} for the accuracy). The draws are independent: reviewers who",
        "err together make votes count for less than their number.",
        "",
        "| what is so | alarm | should it fire | how often it did |",
        "|---|---|---|---|",
        *(
            f"| {truth} | `{alarm}` | {should} | {often} |"
            for truth, alarm, should, often in drawn()
        ),
    ]
    (ROOT / "docs" / "alarms.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def drawn() -> list[tuple[str, str, str, str]]:
    """How often the alarms that look at one count fire, where that count's chance is known."""
    rng, found = np.random.default_rng(0), []
    for truth, pairs in (
        (0.5, RM_PAIRS),
        (0.55, RM_PAIRS),
        (0.65, RM_PAIRS),
        (0.7, RM_PAIRS),
        (0.5, 50),
        (0.7, 50),
    ):
        told = [rng.binomial(pairs, truth) / pairs for _ in range(DRAWS)]
        hits = sum(bool(Monitor(LIMITS).update(0, {metrics.EVAL_RM_ACCURACY: one})) for one in told)
        what = f"reward model right in {100 * truth:.0f} % of pairs, {pairs} measured"
        should = "yes" if truth < LIMITS.alarm_rm_accuracy else "no"
        found.append((what, "weak_reward_model", should, f"{100 * hits / DRAWS:.1f} %"))
    for human, model, votes in (
        (0.7, 0.7, 60),
        (0.7, 0.85, 60),
        (0.6, 0.6, 60),
        (0.5, 0.5, 60),
        (0.4, 0.85, 60),
        (0.4, 0.85, 20),
        (0.5, 0.7, 60),
    ):
        hits = sum(_outvoted(rng, human, model, votes) for _ in range(DRAWS))
        what = (
            f"people prefer it in {100 * human:.0f} %, the reward model in "
            f"{100 * model:.0f} %, {votes} votes"
        )
        should = "yes" if human <= 0.5 < model else "no"
        found.append((what, "people_disagree", should, f"{100 * hits / DRAWS:.1f} %"))
    return found


def _outvoted(rng: np.random.Generator, human: float, model: float, votes: int) -> bool:
    seen = wilson(rng.binomial(votes, human), votes)
    alarm = people_disagree(
        0,
        human=seen.value or 0.0,
        low=seen.low or 0.0,
        high=seen.high or 0.0,
        votes=votes,
        model=rng.binomial(votes, model) / votes,
    )
    return alarm is not None


def rate(hits: int, n: int) -> str:
    """A share with its interval, as people read it."""
    found = wilson(hits, n)
    return f"{hits} of {n} ({100 * (found.low or 0):.0f} to {100 * (found.high or 0):.0f} %)"


if __name__ == "__main__":
    main()
