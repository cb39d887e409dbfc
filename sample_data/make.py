"""Make the sample material: preference data and tiny models, from one seed.

    python sample_data/make.py            everything (about ten minutes on two cores)
    python sample_data/make.py data       the data files alone (seconds)
    python sample_data/make.py policies   the start policies alone
    python sample_data/make.py rewards    the reward models alone
    python sample_data/make.py ladder     the start policies of lock, addition and parity alone
    python sample_data/make.py start-policy --success 0.03 --out DIR
                                          one more start policy for the strict task

Output goes to files/ and models/ beside this script. Figures that the models reach are measured at
the end of their training and kept in models/<name>/metrics.json; the script fails when one misses
what the sample material promises.
"""

import argparse
import copy
import gzip
import json
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import dialogues
import formats
import grammar
import japanese
import ladder
import preferences

from drpo.config.run_config import RunConfig

HERE = Path(__file__).parent
FILES, MODELS, BUILD = HERE / "files", HERE / "models", HERE / "build"
STEPS = ["all", "data", "policies", "rewards", "ladder", "start-policy"]
SEED = 20240408
TRAINING_PAIRS, HELDOUT_PAIRS = 8000, 600
DIALOGUES = 300
RIGHT = {"tldr": 0.69, "strict": 0.52}
"""Probability that a start policy's demonstrations get a fact right."""


def make_data() -> None:
    """Write all data files."""
    posts = preferences.write_posts(TRAINING_PAIRS + HELDOUT_PAIRS, random.Random(SEED))
    for task in ("tldr", "strict"):
        rows = list(preferences.write_rows(task, posts, random.Random(SEED + 1)))
        _write_task(task, rows[:TRAINING_PAIRS])
        _write_task(f"{task}_heldout", rows[TRAINING_PAIRS:], task)
    talks = dialogues.write_dialogues(DIALOGUES, random.Random(SEED + 2))
    _write_gz("hh_style.jsonl.gz", talks)
    formats.write_bytes(FILES / "japanese.jsonl", formats.jsonl(japanese.write_pairs()))
    few = [
        row.record() for row in preferences.write_rows("tldr", posts[:14], random.Random(SEED + 1))
    ]
    formats.write_formats(FILES / "formats", few)

    for name, rung in ladder.RUNGS.items():
        _write_rung(name, rung)


def _write_rung(name: str, rung: ladder.Rung) -> None:
    asked = ladder.questions(rung, rung.rows + rung.heldout, random.Random(f"{SEED} {name}"))
    rng = random.Random(f"{SEED} {name} answers")
    gold = (json.dumps(rung.gold, indent=1) + "\n").encode()
    for part, some in (("", asked[: rung.rows]), ("_heldout", asked[rung.rows :])):
        _write_gz(f"{name}{part}.jsonl.gz", list(ladder.pairs(rung, some, rng)))
        formats.write_bytes(FILES / f"{name}{part}.jsonl.gz.gold.json", gold)
    for kind in (ladder.noisy, ladder.other):
        rows = list(kind(rung, asked[: rung.rows], rng))
        _write_gz(f"demonstrations/{name}_{kind.__name__}.jsonl.gz", rows)


def make_ladder() -> None:
    """Train and measure the start policies of the ladder."""
    import training

    for name, rung in ladder.RUNGS.items():
        _make_rung(name, rung, training)


def _make_rung(name: str, rung: ladder.Rung, training: ModuleType) -> None:
    tokenizer = training.build_tokenizer(ladder.vocabulary(), ladder.TOKEN_PATTERN)
    policy = training.build_model(tokenizer, SEED, training.NARROW)

    def write(rng: random.Random) -> tuple[str, str]:
        question = rung.ask(rng)
        return question.prompt, rung.answer(question, rung.care, rng)

    training.train(
        policy,
        tokenizer,
        write,
        steps=rung.steps,
        learning_rate=2e-3,
        seed=SEED,
        name=f"{name} policy",
    )
    training.save(policy, tokenizer, MODELS / f"{name}-policy")
    rng = random.Random(SEED + 4)
    asked = [rung.ask(rng) for _ in range(4000)]
    answers = training.sample(
        policy, tokenizer, [question.prompt for question in asked], seed=SEED + 4
    )
    scores = [rung.score(text, one.facts) for text, one in zip(answers, asked, strict=True)]
    success = sum(scores) / len(scores)
    _keep(
        f"{name}-policy",
        {
            "samples": len(scores),
            "temperature": 1.0,
            "success": success,
            "parameters": policy.num_parameters(),
        },
    )
    _promise(f"{name}-policy: success", success, 0.0, 0.3)


def _write_task(name: str, rows: list[preferences.Row], task: str | None = None) -> None:
    scorer = preferences.SCORERS[task or name]
    _write_gz(f"{name}.jsonl.gz", [row.record() for row in rows])
    gold = {
        "kind": "facts",
        "strict": scorer.strict,
        "max_words": scorer.max_words,
        "ending": scorer.ending,
        "slots": grammar.SLOTS,
    }
    text = json.dumps(gold, indent=1) + "\n"
    formats.write_bytes(FILES / f"{name}.jsonl.gz.gold.json", text.encode())


def _write_gz(name: str, rows: list[dict[str, Any]]) -> None:
    formats.write_bytes(FILES / name, gzip.compress(formats.jsonl(rows), mtime=0))


def make_policies() -> None:
    """Train and measure the two start policies."""
    import training

    tokenizer, copier = training.train_copier(SEED, BUILD / "copier")
    for task in ("tldr", "strict"):
        policy = copy.deepcopy(copier)
        training.make_careless(policy, tokenizer, RIGHT[task], seed=SEED + 3)
        training.save(policy, tokenizer, MODELS / f"{task}-policy")
        figures = training.measure_policy(policy, tokenizer, task, seed=SEED + 4)
        _keep(f"{task}-policy", figures)
        low, high = {"tldr": (4.45, 4.85), "strict": (0.005, 0.015)}[task]
        _promise(f"{task}-policy: mean gold", figures["gold"], low, high)


def make_rewards() -> None:
    """Fit and measure the two reward models, through the reward model stage of the library.

    Both start from networks that can copy; what they learn here is to judge. Graded scores add up
    over an answer's words; under the strict score the worst word decides, and what words are worth
    is carried over from the first.
    """
    import training

    from drpo.stages import train_reward_model

    training.train_copier(SEED, BUILD / "copier")
    recipes = {
        "tldr": (
            BUILD / "copier",
            {"rm_pooling": "sum", "rm_epochs": 2.0, "rm_learning_rate": 1e-3},
        ),
        "strict": (
            MODELS / "tldr-reward",
            {"rm_pooling": "min", "rm_epochs": 2.0, "rm_learning_rate": 5e-4},
        ),
    }
    for task, (start, settings) in recipes.items():
        config = RunConfig.of(
            data=task,
            policy=str(start),
            device="cpu",
            seed=0,
            rm_batch_size=24,
            rm_lm_weight=0.5,
            **settings,
        )
        training_pairs = [preferences.as_pair(row) for row in _rows(task)]
        heldout = [
            pair for row in _rows(f"{task}_heldout") for pair in preferences.without_noise(row)
        ]
        result = train_reward_model(
            config, training_pairs, MODELS / f"{task}-reward", heldout=heldout, progress=_tell
        )
        _keep(f"{task}-reward", {**result.metrics, "heldout_pairs": float(len(heldout))})
        _promise(
            f"{task}-reward: accuracy on noise-free held-out pairs",
            result.metrics["accuracy"],
            0.85,
            1.0,
        )


def _tell(stage: str, done: int, total: int, values: dict[str, float]) -> None:
    if done % 25 == 0:
        print(
            f"{stage}: step {done} of {total}, accuracy {values['accuracy']:.2f}",
            file=sys.stderr,
            flush=True,
        )


def _rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(FILES / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _keep(name: str, figures: dict[str, float]) -> None:
    record = {"seed": SEED, **{key: round(value, 4) for key, value in figures.items()}}
    (MODELS / name / "metrics.json").write_text(
        json.dumps(record, indent=1) + "\n", encoding="utf-8"
    )
    print(name, json.dumps(record), file=sys.stderr)


def _promise(what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise SystemExit(
            f"{what} is {value:.4f}, outside {low} to {high}; the recipe above needs tuning."
        )


def make_start_policy(success: float, out: Path) -> None:
    """Train one more start policy whose sampled answers are all right about as often as asked."""
    import training

    tokenizer, policy = training.train_copier(SEED, BUILD / "copier")
    # Facts are got right nearly independently; the copier's own slips take about .02 off each.
    right = min(1.0, success ** (1 / len(grammar.SLOTS)) + 0.02)
    training.make_careless(policy, tokenizer, right, seed=SEED + 3)
    training.save(policy, tokenizer, out)
    print(json.dumps(training.measure_policy(policy, tokenizer, "strict", seed=SEED + 4)))


def main() -> None:
    """Read the command line and make what it asks for."""
    parser = argparse.ArgumentParser(description="Make the sample data and models.")
    parser.add_argument("what", nargs="?", choices=STEPS, default="all")
    parser.add_argument("--success", type=float, help="share of faultless answers, as 0.03")
    parser.add_argument("--out", type=Path, help="folder of the extra start policy")
    options = parser.parse_args()
    if options.what == "start-policy":
        if options.success is None or options.out is None:
            parser.error("start-policy needs --success and --out")
        if not 0 < options.success < 1:
            parser.error(f"--success is a share between 0 and 1, got {options.success}")
        make_start_policy(options.success, options.out)
        return
    if options.what in ("all", "data"):
        make_data()
    if options.what in ("all", "policies"):
        make_policies()
    if options.what in ("all", "rewards"):
        make_rewards()
    if options.what in ("all", "ladder"):
        make_ladder()


if __name__ == "__main__":
    main()
