"""Which answers show what an alarm says."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import takewhile

from drpo.alarms.alarms import Evidence
from drpo.alarms.repetition import repetition
from drpo.types import Sample

SHOWN = 3
"""Answers linked from one alarm; a person reads these before deciding."""


def pick(worst: str, samples: Sequence[Sample]) -> tuple[Evidence, ...]:
    """Return the answers that show an alarm best, the clearest first.

    Held-out answers come before training episodes when both would do: they can be compared with
    the same prompt's earlier answers.
    """
    chosen = _PICKS[worst](list(samples)) if worst in _PICKS else []
    written: Counter[tuple[str, int, str]] = Counter()
    numbers = {}
    for sample in samples:
        place = (sample.kind, sample.item, sample.start)
        numbers[id(sample)] = written[place]
        written[place] += 1
    return tuple(Evidence(s.step, s.kind, s.item, s.start, numbers[id(s)]) for s in chosen[:SHOWN])


def _highest(key: Callable[[Sample], float]) -> Callable[[list[Sample]], list[Sample]]:
    """Order by a key, highest first; held-out answers win ties."""
    return lambda samples: sorted(
        samples, key=lambda s: (key(s), s.kind == "heldout"), reverse=True
    )


def _hacked(samples: list[Sample]) -> list[Sample]:
    """High learned score with low true reward: the rank in one against the rank in the other."""
    known = [s for s in samples if s.score is not None and s.gold is not None]
    by_score = {id(s): rank for rank, s in enumerate(sorted(known, key=lambda s: s.score or 0.0))}
    by_gold = {id(s): rank for rank, s in enumerate(sorted(known, key=lambda s: s.gold or 0.0))}
    return sorted(known, key=lambda s: by_gold[id(s)] - by_score[id(s)])


def _same(samples: list[Sample]) -> list[Sample]:
    """The answers that share the most frequent text, one a prompt."""
    at_prompt = [s for s in samples if s.start == "prompt"]
    if not at_prompt:
        return []
    text, _ = Counter(s.response for s in at_prompt).most_common(1)[0]
    return list({s.prompt: s for s in at_prompt if s.response == text}.values())


def _alike(samples: list[Sample]) -> list[Sample]:
    """Answers that go the same way for longest, as a share of the longest of them."""
    # In the order of their texts, those that begin alike stand side by side.
    ordered = sorted((s for s in samples if s.start == "prompt"), key=lambda s: s.response)
    groups = [ordered[at : at + SHOWN] for at in range(max(1, len(ordered) - SHOWN + 1))]
    return max(groups, key=_common_share)


def _common_share(answers: list[Sample]) -> float:
    longest = max((len(answer.response) for answer in answers), default=0)
    letters = zip(*(answer.response for answer in answers), strict=False)
    common = sum(1 for _ in takewhile(lambda letter: len(set(letter)) == 1, letters))
    return common / longest if longest else 1.0


def _unusual(samples: list[Sample]) -> list[Sample]:
    """Episodes whose score is furthest from the mean: what the critic had to foresee."""
    known = [s for s in samples if s.kind == "episode" and s.score is not None]
    if not known:
        return []
    mean = statistics.fmean(s.score or 0.0 for s in known)
    return sorted(known, key=lambda s: -abs((s.score or 0.0) - mean))


def _by_length(sign: int) -> Callable[[list[Sample]], list[Sample]]:
    """The longest answers, or with -1 the shortest; after a reset only the rest was written."""
    order = _highest(lambda s: sign * s.response_tokens)
    return lambda samples: order([s for s in samples if s.start == "prompt"])


def _from_resets(samples: list[Sample]) -> list[Sample]:
    """Episodes from the offline answer that was used most."""
    resets = [s for s in samples if s.start == "reset"]
    uses = Counter(s.offline for s in resets)
    return sorted(resets, key=lambda s: -uses[s.offline])


_PICKS: dict[str, Callable[[list[Sample]], list[Sample]]] = {
    "kl": _highest(lambda s: s.kl if s.kl is not None else float("-inf")),
    "long": _by_length(1),
    "short": _by_length(-1),
    "repeated": _highest(lambda s: repetition(s.response)),
    "unfinished": lambda samples: [s for s in samples if not s.finished],
    "hacked": _hacked,
    "same": _same,
    "alike": _alike,
    "unusual": _unusual,
    "reset": _from_resets,
}
