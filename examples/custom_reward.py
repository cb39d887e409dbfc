"""Train on a reward of your own: any Python function of prompts and answers.

Here a summary should name what its post names, in few words. The pairs are in memory; what they
are needed for now is where resets start, since no reward model is learned from them.

    python examples/custom_reward.py                      # some minutes on two cores
    python examples/custom_reward.py --updates 2          # a glance
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

import drpo

WORD = re.compile(r"[a-z]+")
WORDS_WANTED = 10


def reward(prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
    """Score each answer: the share of its words that the post has, less what is too long.

    It is called once an update with all answers, so a model or a service can score them in one
    batch. The answers are whole: a reset's prefix is part of them.
    """
    scores = []
    for prompt, answer in zip(prompts, answers, strict=True):
        words, known = WORD.findall(answer.lower()), set(WORD.findall(prompt.lower()))
        shared = sum(word in known for word in words) / max(len(words), 1)
        scores.append(shared - 0.1 * max(len(words) - WORDS_WANTED, 0))
    return scores


def main(**settings: float) -> drpo.Run:
    """Train, and print answers of the start policy and of the trained one side by side."""
    sample = drpo.demo_config("tldr", **settings)
    pairs = drpo.load_pairs(sample.data.data).pairs[:500]  # or [drpo.Pair(prompt, chosen, ...)]
    config = sample.replace(data="500 posts", heldout=None, reward_model=None)
    run = drpo.train(config, pairs=pairs, reward=reward)

    print(run.metrics()[["eval/scores", "eval/kl", "eval/mean_length"]].dropna())
    for before, after in zip(run.samples(step=0)[:3], run.samples(step=run.step)[:3], strict=True):
        print(f"\n{before.score:.2f} {before.response}\n{after.score:.2f} {after.response}")
    return run


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=20)
    main(updates=parser.parse_args().updates)
