"""Draw before training: from the bare prompt, and from prefixes of each tenth of the depth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from statistics import fmean

import torch

from drpo.advice.look import GROUP, TENTHS, Depth, Look
from drpo.modeling.seeding import generator_for
from drpo.modeling.tokenization import TokenizedPair
from drpo.rl.batches import Episodes, sampling_of
from drpo.rl.own_draws import answered_by_start
from drpo.rl.reset_filter import coverage
from drpo.rl.resets import Start, prefixes
from drpo.types import Observer

AT_ONCE = 4
"""Prompts of a block, each begun at every depth."""
STAGE = "advice"


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
