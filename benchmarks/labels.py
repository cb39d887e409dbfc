"""What the check of labels finds, and what it brings; docs/labels.md holds the figures.

    python benchmarks/labels.py find [FILE[@MAP] ...] [--seeds 5]
    python benchmarks/labels.py bring [--seeds 5] [--pairs 1200]

`find` plants errors: it turns 20 % of a file's pairs around and looks for them, beside sorting by
how much shorter the chosen answer is, and beside drawing at random. Without files it takes the
sample material, whose own errors are known as well. `bring` trains the sample material's reward
model two passes on, over pairs with planted errors: all of them, without the suspects, and without
as many at random. Everything is drawn from seeds; time is processor time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpo.config.run_config import RunConfig
from drpo.data.gold_reward import load_gold
from drpo.data.io.source import Source
from drpo.data.labels.cross_fit import cross_fit
from drpo.data.labels.noise import estimate_noise
from drpo.data.loading import read_pairs
from drpo.data.pairs import Pair
from drpo.data.schema.column_mapping import parse_map
from drpo.system.bundled import bundled

SAMPLES = bundled("sample_data")
PLANTED = 0.2
FIRST = 100
DROPPED = 0.2
CANDIDATES, PROMPTS = 8, 60

Flags = NDArray[np.bool_]


def pairs_of(text: str) -> list[Pair]:
    """The pairs of FILE or FILE@MAP."""
    path, _, mapping = text.partition("@")
    return read_pairs(Source.from_path(Path(path)), mapping=parse_map(mapping)).pairs


def known_wrong(pairs: Sequence[Pair]) -> Flags:
    """Which labels go against the true score, where that is known."""
    return np.array(
        [
            pair.gold_chosen is not None
            and pair.gold_rejected is not None
            and pair.gold_chosen < pair.gold_rejected
            for pair in pairs
        ]
    )


def planted(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], Flags]:
    """Turn a share of the pairs around; say of all which are wrong now."""
    turned = np.random.default_rng([seed, 7]).random(len(pairs)) < share
    mixed = [
        replace(
            pair,
            chosen=pair.rejected,
            rejected=pair.chosen,
            gold_chosen=pair.gold_rejected,
            gold_rejected=pair.gold_chosen,
        )
        if turn
        else pair
        for pair, turn in zip(pairs, turned, strict=True)
    ]
    return mixed, known_wrong(pairs) ^ turned


def found_by(order: NDArray[np.int64], wrong: Flags) -> tuple[float, float]:
    """Precision of the first hundred, and the share of all errors in the first fifth."""
    fifth = order[: round(DROPPED * len(order))]
    return float(wrong[order[:FIRST]].mean()), float(wrong[fifth].sum() / max(1, wrong.sum()))


def one_search(pairs: Sequence[Pair], share: float, seed: int) -> dict[str, float]:
    """Plant errors, look for them in three ways, and estimate their share."""
    mixed, wrong = planted(pairs, share, seed)
    judged = cross_fit(mixed, seed=seed)
    noise = estimate_noise(judged.probability, judged.groups, seed=seed)
    longer = np.array([len(pair.chosen) - len(pair.rejected) for pair in mixed])
    ways = {
        "check": np.argsort(judged.probability, kind="stable"),
        "length": np.argsort(longer, kind="stable"),
        "random": np.random.default_rng([seed, 8]).permutation(len(mixed)),
    }
    figures = {"true": float(wrong.mean()), "accuracy": noise.accuracy.value or 0.0}
    for name, order in ways.items():
        figures[f"{name} precision"], figures[f"{name} recall"] = found_by(order, wrong)
    figures |= {
        "wrong": noise.wrong.value or 0.0,
        "low": noise.wrong.low or 0.0,
        "high": noise.wrong.high or 0.0,
        "at most": min(0.5, 1 - (noise.accuracy.low or 0.0)),
        "holds": float((noise.wrong.low or 0) <= wrong.mean() <= (noise.wrong.high or 1)),
    }
    return figures


def find(files: Sequence[str], seeds: int) -> None:
    """Print a row of the table for every file, with and without planted errors."""
    print(
        "| file | pairs | wrong | estimate (interval) | at most | agrees | precision: check, length"
        ", random | recall: check, length, random | s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in files:
        pairs = pairs_of(name)
        for share in (0.0, PLANTED) if known_wrong(pairs).any() else (PLANTED,):
            began = time.process_time()
            runs = [one_search(pairs, share, seed) for seed in range(seeds if share else 1)]
            seconds = (time.process_time() - began) / len(runs)
            print(_row(Path(name.partition("@")[0]).name, len(pairs), runs, seconds), flush=True)


def _row(name: str, count: int, runs: Sequence[dict[str, float]], seconds: float) -> str:
    mean = {figure: fmean(run[figure] for run in runs) for figure in runs[0]}

    def percent(figure: str) -> str:
        spread = stdev(run[figure] for run in runs) if len(runs) > 1 else 0.0
        return f"{mean[figure]:.0%}" + (f" ± {100 * spread:.0f}" if len(runs) > 1 else "")

    def three(what: str) -> str:
        return ", ".join(percent(f"{way} {what}") for way in ("check", "length", "random"))

    estimate = f"{mean['wrong']:.0%} ({mean['low']:.0%} to {mean['high']:.0%})"
    return (
        f"| {name} | {count:,} | {mean['true']:.1%} | {estimate} | {mean['at most']:.0%} | "
        f"{mean['accuracy']:.0%} | {three('precision')} | {three('recall')} | {seconds:.1f} |"
    )


def bring(seeds: int, count: int) -> None:
    """Train reward models on all pairs, without suspects and without as many at random."""
    everything = pairs_of(str(SAMPLES / "files" / "tldr.jsonl.gz"))
    clean = [
        pair
        for pair in pairs_of(str(SAMPLES / "files" / "tldr_heldout.jsonl.gz"))
        if pair.gold_chosen != pair.gold_rejected
    ]
    heldout = [
        replace(pair, chosen=pair.rejected, rejected=pair.chosen) if bad else pair
        for pair, bad in zip(clean, known_wrong(clean), strict=True)
    ]
    pool = candidates(heldout[:PROMPTS])
    rows: dict[str, list[tuple[float, float]]] = {}
    for seed in range(seeds):
        drawn = np.random.default_rng([seed, 9]).permutation(len(everything))[:count]
        mixed, _ = planted([everything[int(i)] for i in drawn], PLANTED, seed)
        order = np.argsort(cross_fit(mixed, seed=seed).probability, kind="stable")
        dropped = round(DROPPED * count)
        chance = np.random.default_rng([seed, 10]).permutation(count)
        arms = {
            "all pairs": np.arange(count),
            "without suspects": order[dropped:],
            "without as many at random": chance[dropped:],
        }
        for name, kept in arms.items():
            figures = trained([mixed[int(i)] for i in kept], heldout, pool, seed)
            rows.setdefault(name, []).append(figures)
            print(
                f"seed {seed}, {name}: accuracy {figures[0]:.3f}, gold {figures[1]:.3f}", flush=True
            )
    print("| trained on | accuracy on true labels | true score of the best of 8 |\n|---|---|---|")
    for name, figures in rows.items():
        cells = [
            f"{fmean(values):.3f} ± {stdev(values):.3f}" for values in zip(*figures, strict=True)
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    for name in ("all pairs", "without as many at random"):
        for place, what in enumerate(("accuracy", "true score")):
            gaps = [
                a[place] - b[place]
                for a, b in zip(rows["without suspects"], rows[name], strict=True)
            ]
            half = 2.776 * stdev(gaps) / len(gaps) ** 0.5 if len(gaps) == 5 else float("nan")
            print(f"without suspects less {name}: {what} {fmean(gaps):+.3f} ± {half:.3f}")


Pool = list[tuple[Pair, list[str]]]


def candidates(pairs: Sequence[Pair]) -> Pool:
    """Answers of the start policy, the same for every reward model."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = SAMPLES / "models" / "tldr-policy"
    policy = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    pool: Pool = []
    for pair in pairs:
        ids = tokenizer(pair.prompt, return_tensors="pt", return_token_type_ids=False)
        written = policy.generate(
            **ids, do_sample=True, max_new_tokens=28, num_return_sequences=CANDIDATES
        )
        start = ids["input_ids"].shape[1]
        pool.append((pair, tokenizer.batch_decode(written[:, start:], skip_special_tokens=True)))
    return pool


def trained(
    pairs: Sequence[Pair], heldout: Sequence[Pair], pool: Pool, seed: int
) -> tuple[float, float]:
    """Accuracy of a reward model on true labels, and the true score of what it picks."""
    from drpo.modeling.reward_model import load_reward_model
    from drpo.stages import train_reward_model

    config = RunConfig.of(
        data="-",
        policy=str(SAMPLES / "models" / "tldr-policy"),
        device="cpu",
        seed=seed,
        rm_pooling="sum",
        rm_epochs=2.0,
        rm_learning_rate=1e-3,
        rm_batch_size=24,
        rm_lm_weight=0.5,
        micro_batch_size=24,
    )
    with tempfile.TemporaryDirectory() as place:
        start = SAMPLES / "models" / "tldr-reward"
        result = train_reward_model(config, pairs, Path(place) / "rm", model=start, heldout=heldout)
        reward = load_reward_model(result.folder)
    gold = load_gold(SAMPLES / "files" / "tldr_heldout.jsonl.gz")
    if gold is None:
        sys.exit("the sample material lacks its true score")
    best: list[float] = []
    for pair, answers in pool:
        scores = reward.score_texts([pair.prompt] * len(answers), answers)
        best.append(gold(answers[int(np.argmax(scores))], pair.facts or {}))
    return result.metrics["accuracy"], fmean(best)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("what", choices=["find", "bring"])
    parser.add_argument("files", nargs="*")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=1_200)
    asked: Any = parser.parse_args()
    if asked.what == "bring":
        bring(asked.seeds, asked.pairs)
        return
    samples = [str(SAMPLES / "files" / f"{task}.jsonl.gz") for task in ("tldr", "strict")]
    find(asked.files or samples, asked.seeds)


if __name__ == "__main__":
    main()
