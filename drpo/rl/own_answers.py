"""The policy's own answers that resets go into, and where each of its failures went wrong.

    successes   whole answers that reached `reset_success`: PrefixRL, arXiv:2601.18795
    failures    answers from the bare prompt that did not: RRPO and SRPO, arXiv:2605.25507

They are kept from the run's earlier updates; successes may also be drawn by rejection before the
first one (`drpo.rl.own_draws`). What an answer is reset at may be the first wrong token of a
failure (SRPO): the gold score's account of it tells, where that score is trained on, else the
critic's largest drop, else groups that continue it find it as the run goes on. The papers reset in
the update that wrote the answer, and SRPO lets the model look for its fault; not so here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from drpo.config.run_config import RunConfig
from drpo.data.gold_reward import Gold
from drpo.modeling.scorers import Completion
from drpo.modeling.tokenization import TokenizedPair, Vocabulary

if TYPE_CHECKING:
    from drpo.rl.resets import Start

OWN = ("successes", "failures")
"""The reset sources that are kept here."""
PER_PROMPT = 4
"""Answers kept of a prompt, the newest."""
MOST = 20_000
"""Answers kept in all; those of the prompts that were seen longest ago go first."""


def finder_of(config: RunConfig) -> Literal["account", "critic", "groups"]:
    """Return what finds the first wrong token of a failure in a run.

    The gold score's account is taken only where that score is the reward: elsewhere it would teach
    what the run is measured by.
    """
    if config.reset.reset_fault == "account" and config.models.reward_source == "gold":
        return "account"
    return "critic" if config.ppo.advantage == "gae" else "groups"


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """One answer, and how many of its tokens stand before its first wrong one."""

    ids: tuple[int, ...]
    finished: bool
    low: int = 0
    """That many tokens are right at least."""
    high: int = 0
    """And at most that many; equal to `low` once the fault is found."""

    @property
    def right(self) -> int:
        """How much of it to give: the middle of what is not known yet, rounded up."""
        return (self.low + self.high + 1) // 2

    def seen(self, prefix: int, *, winnable: bool) -> OwnAnswer:
        """Take what came of continuing it after `prefix` tokens.

        Where any continuation succeeds, nothing before was wrong; else something was, and what was
        thought right is given up as far as it contradicts that.
        """
        if winnable:
            low = max(self.low, prefix)
            return replace(self, low=low, high=max(self.high, low))
        high = max(0, min(self.high, prefix - 1))
        return replace(self, low=min(self.low, high), high=high)


@dataclass
class OwnAnswers:
    """What is kept, by the row of its prompt; the newest last."""

    config: RunConfig
    kept: dict[int, list[OwnAnswer]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.kept.values()))

    def wanted(self, start: Start, score: float, *, finished: bool) -> bool:
        """Whether an answer is one that the run resets into."""
        reset = self.config.reset
        if reset.reset_source == "successes":
            return finished and score >= reset.reset_success
        return reset.reset_source == "failures" and not start.reset and score < reset.reset_success

    def keep(self, item: int, answer: OwnAnswer) -> None:
        """Keep one more answer to a row's prompt, unless it is kept already."""
        others = [one for one in self.kept.pop(item, []) if one.ids != answer.ids]
        self.kept[item] = [*others, answer][-PER_PROMPT:]
        while len(self) > MOST:
            self.kept.pop(next(iter(self.kept)))

    def offline(
        self, prompts: Iterable[TokenizedPair], vocabulary: Vocabulary
    ) -> dict[int, list[TokenizedPair]]:
        """Return the answers kept to some prompts, as resets take them."""
        return {
            prompt.item: [
                TokenizedPair(
                    prompt.item,
                    "own",
                    prompt.prompt,
                    one.ids,
                    cut=not one.finished,
                    inside=vocabulary.breaks.inside(one.ids),
                )
                for one in self.kept[prompt.item]
            ]
            for prompt in prompts
            if prompt.item in self.kept
        }

    def place(self, answer: TokenizedPair, lengths: Sequence[int]) -> int:
        """Return the longest prefix on offer that ends before an answer's first wrong token."""
        found = self._find(answer)
        right = len(answer.answer) if found is None else found.right
        return max(0, bisect_right(lengths, right) - 1)

    def learn(self, starts: Sequence[Start], scores: Sequence[float]) -> None:
        """Let groups that continued failures say how far these were right."""
        wanted = self.config.reset.reset_success
        best: dict[Start, float] = {}
        for start, score in zip(starts, scores, strict=True):
            best[start] = max(score, best.get(start, score))
        for start, score in best.items():
            found = self._find(start.pair) if start.reset else None
            if found is not None:
                answers = self.kept[start.pair.item]
                seen = found.seen(start.prefix, winnable=score >= wanted)
                answers[answers.index(found)] = seen

    def _find(self, answer: TokenizedPair) -> OwnAnswer | None:
        return next(
            (one for one in self.kept.get(answer.item, ()) if one.ids == answer.answer), None
        )

    def state(self) -> dict[str, Any]:
        """Return all that a resume needs, as JSON values."""
        return {
            str(item): [
                [" ".join(map(str, one.ids)), one.finished, one.low, one.high] for one in answers
            ]
            for item, answers in self.kept.items()
        }

    @classmethod
    def from_state(cls, config: RunConfig, state: Mapping[str, Any]) -> OwnAnswers:
        """Rebuild what `state` described."""
        kept = {
            int(item): [
                OwnAnswer(tuple(map(int, ids.split())), finished, low, high)
                for ids, finished, low, high in answers
            ]
            for item, answers in state.items()
        }
        return cls(config, kept)


def right_by_gold(gold: Gold, vocabulary: Vocabulary, answer: Completion) -> int:
    """Return how many tokens of a failure the gold score finds nothing wrong with.

    Where nothing that it says is wrong, its end is: something is missing.
    """
    ids, facts = answer.ids, answer.facts or {}
    at = gold.first_wrong(answer.text, facts)
    if at is None:
        return len(ids) - 1
    until = bisect_right(
        range(1, len(ids) + 1),
        at,
        key=lambda count: len(vocabulary.continuation(answer.prompt_ids, ids[:count])),
    )
    return min(until, len(ids) - 1)


def right_by_critic(values: Sequence[float], score: float) -> int:
    """Return how many tokens of a failure stand before the one that cost the most.

    Args:
        values: What the critic foresaw before each token.
        score: What came of it all.
    """
    after = [*values[1:], score]
    drops = [now - then for now, then in zip(values, after, strict=True)]
    return drops.index(max(drops))
