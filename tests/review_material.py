"""A store with two runs whose held-out answers can be reviewed."""

from drpo.config.run_config import RunConfig
from drpo.review import ReviewSource
from drpo.types import Sample


def add_run(store, name, answers, *, step=10):
    """Write a run with one held-out answer a prompt; `answers` are (text, score, gold)."""
    run = store.runs.create(RunConfig.of(data="d", policy="p", name=name, sample_prompts=200))
    store.samples.append(
        run.id,
        [
            Sample(
                step=step,
                kind="heldout",
                item=item,
                start="prompt",
                prompt=f"prompt {item}",
                response=text,
                score=score,
                gold=gold,
                offline=f"chosen answer {item}",
                offline_score=0.5,
                offline_gold=1.0,
            )
            for item, (text, score, gold) in enumerate(answers)
        ],
    )
    return ReviewSource(name, run.id, step)


def two_sources(store, prompts=40, score=(0.0, 1.0), gold=(0.0, 1.0)):
    """A start policy and a tuned one; by their scores the tuned one always wins."""
    start = add_run(
        store, "start", [(f"start says {n}", score[0], gold[0]) for n in range(prompts)]
    )
    tuned = add_run(
        store, "tuned", [(f"tuned says {n}", score[1], gold[1]) for n in range(prompts)]
    )
    return [start, tuned]


def vote_all(session, choose):
    """Vote on every item left; `choose` gets the blind item and returns what is pressed."""
    while (item := session.next()) is not None:
        session.vote(item.item, choose(item))


def prefers(word):
    """A reviewer who wants a word in the answer; ties where neither or both have it."""

    def choose(item):
        left, right = word in item.left, word in item.right
        if left == right:
            return "tie"
        return "left" if left else "right"

    return choose
