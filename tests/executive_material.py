"""Runs, pilots and votes for tests of verdicts and reports: real rows in a real store."""

from __future__ import annotations

from drpo.config.run_config import RunConfig
from drpo.store import Store
from drpo.types import Sample

PROMPTS = 40
HOSTILE = "</script><img src=x onerror=alert(1)> **bold** [a](http://example.org/beacon) `code`"


def add_run(
    store: Store,
    name: str = "a run",
    *,
    gold: list[float] | None = None,
    scores: list[float] | None = None,
    status: str = "finished",
    seconds: float = 60.0,
    kl: float = 1.5,
    prompts: int = PROMPTS,
    story: str = "",
    **settings,
):
    """Write a run whose answers change from step 0 to its last by the given differences.

    `gold[i]` and `scores[i]` are the gains on prompt i; None leaves that score out.
    """
    asked = {"data": "pairs.jsonl", "policy": "start", "reward_model": "reward", "updates": 10}
    config = RunConfig.of(**{**asked, "name": name, **settings})
    run = store.runs.create(config, story=story)
    # At once, or the supervisor of a running dashboard would take it off the queue.
    store.runs.change(run.id, status=status)
    for step in (0, 10):
        far = step / 10
        store.samples.append(
            run.id,
            [sample(step, item, far, gold, scores, kl) for item in range(prompts)],
        )
        values = {
            "eval/kl": kl * far,
            "eval/kl_se": 0.1,
            "eval/mean_length": 20.0,
            "eval/finished": 1.0,
        }
        if gold is not None:
            values |= {"eval/gold": 4 + mean(gold) * far, "eval/gold_se": 0.1}
        if scores is not None:
            values |= {"eval/scores": 1 + mean(scores) * far, "eval/scores_se": 0.1}
        store.metrics.append(run.id, step, values)
    last = {"step": 10, "kl": kl, "mean_length": 20.0}
    if gold is not None:
        last["gold"] = 4 + mean(gold)
    if scores is not None:
        last["scores"] = 1 + mean(scores)
    store.runs.change(
        run.id,
        status=status,
        step=10,
        started_at=1_700_000_000.0,
        finished_at=1_700_000_060.0,
        device="cpu",
        summary={
            "last": last,
            "first": {"step": 0},
            "episodes": 640,
            "wall_seconds": seconds,
            "versions": {"drpo": "0.1.0", "torch": "2.13.0"},
        },
    )
    return store.runs.get(run.id)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def sample(step, item, far, gold, scores, kl) -> Sample:
    text = HOSTILE if item == 0 else f" answer {item} at {step}"
    return Sample(
        step=step,
        kind="heldout",
        item=item,
        start="prompt",
        prompt=f"prompt {item}",
        response=text,
        offline=f" the data's answer {item}",
        offline_gold=7.0,
        kl=kl * far,
        gold=None if gold is None else 4 + far * gold[item % len(gold)],
        score=None if scores is None else 1 + far * scores[item % len(scores)],
        weights=f"hash{step}",
    )
