"""Draw before training: from the bare prompt, and from prefixes of each tenth of the depth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import torch

from drpo.modeling.seeding import generator_for
from drpo.modeling.tokenization import TokenizedPair
from drpo.rl.batches import Episodes, sampling_of
from drpo.rl.own_draws import answered_by_start
from drpo.rl.reset_filter import coverage
from drpo.rl.resets import Start, prefixes
from drpo.types import Observer

TENTHS = 10
GROUP = 4
"""Continuations of one start: whether they differ is what a group learns from."""
AT_ONCE = 4
"""Prompts of a block, each begun at every depth."""
STAGE = "advice"


@dataclass
class Depth:
    """What came of starts that were given so much of an answer."""

    share: float
    """0 is the bare prompt."""
    scores: list[list[float]] = field(default_factory=list)
    """One list a start: the scores of the continuations from it."""

    def success(self, level: float) -> tuple[int, int]:
        """How many continuations reached a score, and of how many."""
        every = [score for group in self.scores for score in group]
        return sum(score >= level for score in every), len(every)

    @property
    def mixed(self) -> tuple[int, int]:
        """How many groups scored not all alike, and of how many."""
        return sum(max(group) > min(group) for group in self.scores), len(self.scores)

    @property
    def mean(self) -> float:
        """The mean score."""
        return fmean(score for group in self.scores for score in group)


@dataclass(frozen=True)
class Look:
    """All that was drawn and measured."""

    depths: tuple[Depth, ...]
    """From the bare prompt to nine tenths of the answer."""
    level: float
    """Score from which on an answer counts as a success."""
    coverage: float
    """Mean log-likelihood per token of the data's answers under the start policy, nats."""
    prompts: int
    seconds: float
    episodes: int


def look(
    episodes: Episodes, answers: Sequence[TokenizedPair], observer: Observer, *, seconds: float
) -> Look:
    """Draw until the time is up, or every prompt has been asked once.

    Args:
        episodes: The data and models of the run that is thought of.
        answers: What it would reset into, one answer a prompt.
        observer: Hears how far it is, in seconds.
        seconds: About how long to draw; one block of prompts is always drawn.
    """
    began = time.perf_counter()
    level = _level(episodes, answers)
    depths = tuple(Depth(tenth / TENTHS) for tenth in range(TENTHS))
    asked: list[TokenizedPair] = []
    for number, block in _blocks(answers, episodes.config.run.seed):
        observer.progress(STAGE, min(int(time.perf_counter() - began), int(seconds)), int(seconds))
        starts = [
            _start(answer, depth.share)
            for answer in block
            for depth in depths
            for _ in range(GROUP)
        ]
        _, scores = answered_by_start(episodes, starts, STAGE, number)
        for place in range(0, len(scores), GROUP):
            depth = depths[place // GROUP % TENTHS]
            depth.scores.append(scores[place : place + GROUP])
        asked += block
        if time.perf_counter() - began > seconds:
            break
    sampling = sampling_of(episodes.models, episodes.config, 1.0)
    covered = coverage(episodes.models, episodes.config, asked, sampling)
    drawn = GROUP * TENTHS * len(asked)
    spent = time.perf_counter() - began
    return Look(depths, level, fmean(covered), len(asked), spent, drawn)


def _start(answer: TokenizedPair, share: float) -> Start:
    lengths = prefixes(answer)
    place = int(share * len(lengths))
    return Start(answer, share > 0, lengths[place], place, len(lengths))


def _level(episodes: Episodes, answers: Sequence[TokenizedPair]) -> float:
    """The mean score of the data's own answers; with all or nothing the run's own bar."""
    scores = [score for score, _ in episodes.offline_scores(answers[:256])]
    if set(scores) <= {0.0, 1.0}:
        return episodes.config.reset.reset_success
    return fmean(scores)


def _blocks(
    answers: Sequence[TokenizedPair], seed: int
) -> Iterator[tuple[int, list[TokenizedPair]]]:
    order = torch.randperm(len(answers), generator=generator_for(seed, 0, STAGE)).tolist()
    for begin in range(0, len(order), AT_ONCE):
        yield begin, [answers[at] for at in order[begin : begin + AT_ONCE]]
