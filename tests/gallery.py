"""A furnished workspace: finished, failed and live runs, a sweep, a pilot, reviews with votes.

What is in it is written as a worker and people would have written it, on the sample material's own
prompts, so that every screen has something to show. Answers are sentences of which more and more
facts are right; their gold score is the real one.
"""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import screen_material

from drpo.alarms.alarms import Alarm, Choice
from drpo.alarms.handler import alarms_of, decide, write_down
from drpo.config.run_config import RunConfig
from drpo.data.gold_reward import GoldScorer, load_gold
from drpo.pilot import design
from drpo.review import ReviewSession, ReviewSource, create_review
from drpo.runs import demo
from drpo.store import Store
from drpo.sweep import Axis, SweepPlan, create
from drpo.sweep.plan import key_of
from drpo.types import Sample

PROMPTS = 48
SENTENCE = " On {day} my {who} {action} a {colour} {object} at the {place} and felt {feeling}."
UPDATES = 30
HELDOUT = demo.SAMPLES / "files" / "tldr_heldout.jsonl.gz"


@dataclass(frozen=True)
class Gallery:
    """The addresses of what was made."""

    run: str
    hacked: str
    broken: str
    live: str
    sweep: str
    review: str
    judged: str
    pilot: str
    pilot_begun: str


def furnish(store: Store) -> Gallery:
    """Write everything; half a minute of a worker's life in a few seconds."""
    broken = broken_run(store)
    swept = sweep(store)
    begun = design.create(store, "support-tickets", shared())
    tried = pilot_with_runs(store)
    plain = told_run(store, "no-resets", seed=1, reset_prob=0.0, gain=0.8)
    hacked = told_run(store, "weak-brake", seed=2, kl_coef=0.02, hack=1.0)
    alarmed(store, hacked)
    run = told_run(store, "with-resets", seed=0, gain=1.6)
    live = told_run(store, "still-learning", seed=3, upto=18, status="running")
    sources = [
        ReviewSource("start", run, 0),
        ReviewSource("no-resets", plain, UPDATES),
        ReviewSource("with-resets", run, UPDATES),
    ]
    judged = create_review(store, "three-policies", sources, items=60, repeats=6, seed=1)
    for seed, name in enumerate(("Ann", "Ben", "Chloé")):
        vote(store, judged.id, name, seed)
    open_review = create_review(store, "start-or-tuned", sources[::2], items=24, seed=2)
    return Gallery(
        run=run,
        hacked=hacked,
        broken=broken,
        live=live,
        sweep=swept,
        review=open_review.id,
        judged=judged.id,
        pilot=tried,
        pilot_begun=begun.id,
    )


# Prompts and answers.


@cache
def rows() -> list[dict[str, Any]]:
    with gzip.open(HELDOUT, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines][:PROMPTS]


@cache
def scorer() -> GoldScorer:
    found = load_gold(HELDOUT)
    assert found is not None
    return found


def answer(row: dict[str, Any], right: float, rng: np.random.Generator) -> str:
    """A summary in which each fact is right with the given probability."""
    said = {
        slot: word if rng.random() < right else str(rng.choice(scorer().slots[slot]))
        for slot, word in row["facts"].items()
    }
    return SENTENCE.format(**said)


def heldout(step: int, far: float, gain: float, hack: float, rng: np.random.Generator):
    """The answers to the held-out prompts at one evaluation."""
    made = []
    learned, true, kl = screen_material.curve(far, gain, hack)
    # A fact that is not meant to be right is so by chance, once in nine times.
    right = (max(true, 0.8) / 7 - 0.11) / 0.89
    for item, row in enumerate(rows()):
        text = answer(row, right, rng)
        if rng.random() < 0.3 * far * hack:
            text = text.removesuffix(".") + " and felt happy and felt happy and felt happy."
        gold = scorer()(text, row["facts"])
        made.append(
            Sample(
                step=step,
                kind="heldout",
                item=item,
                start="prompt",
                prompt=row["prompt"],
                response=text,
                offline=row["chosen"],
                response_tokens=18,
                offline_tokens=18,
                score=learned - 0.2 + 2 * (gold - true) + float(rng.normal(0, 1.5)),
                gold=gold,
                kl=float(rng.gamma(6, kl / 6)),
                finished=item != 5,
                offline_score=2.4,
                offline_gold=row["gold_chosen"],
                weights=f"{step:02d}f3a9c2",
            )
        )
    return made


def episodes(step: int, far: float, reset_prob: float, rng: np.random.Generator):
    """Some episodes of one update, reset at different depths."""
    made = []
    for item in range(12):
        row = rows()[(step * 7 + item) % PROMPTS]
        text = answer(row, 0.6 + 0.33 * far, rng)
        words = text.split(" ")
        kept = int(rng.integers(2, len(words) - 2)) if rng.random() < reset_prob else 0
        gold = scorer()(text, row["facts"])
        made.append(
            Sample(
                step=step,
                kind="episode",
                item=item,
                start="reset" if kept else "prompt",
                prompt=row["prompt"],
                prefix=" ".join(words[:kept]),
                response=(" " if kept else "") + " ".join(words[kept:]),
                offline=row["chosen"],
                prefix_tokens=kept,
                offline_tokens=len(words),
                response_tokens=len(words) - kept,
                score=0.7 * gold - 2.5 + 0.1 * kept,
                gold=gold,
                kl=float(rng.gamma(2, 0.3)) * far,
                offline_score=2.4,
                offline_gold=row["gold_chosen"],
            )
        )
    return made


# Runs.


def told_run(
    store: Store,
    name: str,
    *,
    seed: int,
    gain: float = 1.0,
    hack: float = 0.0,
    upto: int = UPDATES,
    **settings: Any,
) -> str:
    """A run with curves, answers to many prompts, episodes, a changed setting and checkpoints."""
    run = screen_material.add_run(
        store, name, updates=UPDATES, upto=upto, seed=seed, gain=gain, hack=hack, **settings
    )
    config = RunConfig.from_nested(run.config)
    sample = demo.demo_config("tldr").flat()
    paths = {leaf: sample[leaf] for leaf in ("data", "heldout", "policy", "reward_model")}
    store.runs.change(run.id, config=config.replace(**paths).model_dump(mode="json"))
    store.samples.truncate(run.id, after_step=-1)
    rng = np.random.default_rng(seed)
    written = []
    for step in range(upto + 1):
        far = step / UPDATES
        if step % 5 == 0:
            written += heldout(step, far, gain, hack, rng)
        if step:
            written += episodes(step, far, config.reset.reset_prob, rng)
    store.samples.append(run.id, written)
    for step in range(10, upto + 1, 10):
        store.events.add(
            run.id, step, "checkpoint", f"Checkpoint after update {step}.", {"folder": str(step)}
        )
    return run.id


def brief_run(
    store: Store,
    config: RunConfig,
    *,
    gain: float,
    kl: float = 1.4,
    story: str = "",
    **identity: Any,
) -> str:
    """A run with its evaluations, and answers at the first and the last."""
    run = store.runs.create(config, story=story, **identity)
    store.runs.change(run.id, status="finished")
    rng = np.random.default_rng(config.run.seed + 7)
    figures = []
    for step in range(0, UPDATES + 1, 5):
        far = step / UPDATES
        answers = heldout(step, far, gain, 0.0, rng)
        values = {
            "eval/gold": float(np.mean([one.gold for one in answers])),
            "eval/gold_se": 0.15,
            "eval/scores": float(np.mean([one.score for one in answers])),
            "eval/scores_se": 0.12,
            "eval/kl": kl * far,
            "eval/kl_se": 0.05,
            "eval/mean_length": 18.0,
            "eval/finished": 0.98,
        }
        store.metrics.append(run.id, step, values)
        figures.append(
            {
                "step": step,
                "gold": values["eval/gold"],
                "gold_se": 0.15,
                "scores": values["eval/scores"],
                "scores_se": 0.12,
                "kl": values["eval/kl"],
                "mean_length": 18.0,
            }
        )
        if step in (0, UPDATES):
            store.samples.append(run.id, answers)
    seconds = 70.0 + 9 * config.run.seed
    now = time.time()
    store.runs.change(
        run.id,
        step=UPDATES,
        stage_done=UPDATES,
        stage_total=UPDATES,
        started_at=now - seconds,
        finished_at=now,
        device="cpu",
        summary={
            "first": figures[0],
            "last": figures[-1],
            "episodes": 64 * UPDATES,
            "updates": UPDATES,
            "wall_seconds": seconds,
            "seconds_per_update": seconds / UPDATES,
        },
    )
    return run.id


def broken_run(store: Store) -> str:
    """A run whose worker vanished."""
    run = told_run(store, "broke-off", seed=5, upto=8)
    why = "Its worker ended without saying why; worker.log may tell."
    store.events.add(run, 8, "error", why, {"how": "vanished"})
    store.runs.change(run, status="interrupted", error=why)
    return run


def alarmed(store: Store, run: str) -> None:
    """Two alarms, one of them decided about."""
    write_down(store, run, Alarm("kl_budget", 21, 28, 6, {"kl": 26.3, "budget": 25.0}))
    hacking = {"since": 10, "score_gain": 1.9, "gold_loss": 1.2, "errors": 2}
    choices = (Choice("ignore"), Choice("pause"), Choice("setting", "kl_coef", 0.2))
    write_down(store, run, Alarm("reward_hacking", 24, 30, 2, hacking, choices=choices))
    [first] = [one for one in alarms_of(store, run) if one.alarm.name == "kl_budget"]
    decide(store, run, first.event_id, "ignore", who="Ann")


# What is made of runs.


def shared() -> dict[str, Any]:
    """Settings that both arms of a pilot share."""
    own = ("name", "seed", "reset_prob")
    return {leaf: value for leaf, value in demo.demo_config().flat().items() if leaf not in own}


def pilot_with_runs(store: Store) -> str:
    one = design.create(store, "first-trial", shared())
    for seed in one.seeds:
        for arm, gain in (("resets", 1.6 + 0.1 * seed), ("plain", 0.7)):
            brief_run(store, one.config(arm, seed), gain=gain, story=one.story)
    return one.id


def sweep(store: Store) -> str:
    """Resets by brake, three seeds; one cell has only some seeds and one was never run."""
    plan = SweepPlan.of(
        demo.demo_config("tldr"),
        seeds=(0, 1, 2),
        axes=(
            Axis(name="reset_prob", values=(0.25, 0.5)),
            Axis(name="kl_coef", values=(0.05, 0.2, 0.8)),
        ),
    )
    made = create(store, plan, "resets-by-brake")
    store.sweeps.change(made, status="stopped")
    cells = plan.known_cells()
    for place, values in enumerate(cells[:-1]):
        gain = 0.4 + values["reset_prob"] + 0.3 * (values["kl_coef"] == 0.2)
        for seed in plan.seeds[: 2 if place == len(cells) - 2 else 3]:
            brief_run(
                store,
                plan.config(values, seed),
                gain=gain,
                kl=2.2 - values["kl_coef"],
                sweep_id=made,
                run_id=f"{made}-{key_of(values)}-s{seed}",
            )
    return made


def vote(store: Store, review: str, name: str, seed: int) -> None:
    """Judge every item by its gold score, with a person's wavering."""
    session = ReviewSession(store, review, name)
    rng = np.random.default_rng(seed)
    facts = {row["prompt"].strip(): row for row in rows()}
    while (item := session.next()) is not None:
        row = facts[item.prompt.strip()]
        scores = [scorer()(text, row["facts"]) for text in (item.left, item.right)]
        gap = scores[0] - scores[1] + rng.normal(0, 0.5)
        choice = "tie" if abs(gap) < 0.4 else "left" if gap > 0 else "right"
        session.vote(item.item, choice, seconds=float(rng.uniform(4, 15)))
