"""How deep resets go and which prompts are reset: by a rule, or by what the run saw of a prompt.

    uniform     any depth alike: "h in [H]" of arXiv:2404.08495
    fixed       a share of the answer; falling from 1 to 0 it is a curriculum from the end backwards
    binomial    so many tokens as coins of that share turn up: UFT, arXiv:2505.16984
    per_prompt  what each prompt needs, by bisection on past success: AdaBack, arXiv:2506.18110
    first_wrong all that is right of an own failure, see `own_answers`: SRPO, arXiv:2605.25507

`reset_prompts = failed` resets only prompts that failed when they were last begun bare, as BREAD
(arXiv:2506.17211) and POPE (arXiv:2601.18779) do. All of it is in `state()` for an exact resume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drpo.modeling.tokenization import TokenizedPair
from drpo.rl.own_answers import OwnAnswers, finder_of

if TYPE_CHECKING:
    from drpo.config.run_config import RunConfig
    from drpo.rl.resets import Start

WHOLE = (0.0, 1.0)
"""The interval of a prompt that nothing is known of."""


def key_of(pair: TokenizedPair) -> str:
    """Name the row that a prompt or answer belongs to, among pairs and demonstrations."""
    return f"{'demonstration' if pair.origin == 'demonstration' else 'pair'} {pair.item}"


@dataclass
class Curriculum:
    """What the run has seen of its prompts, and where that leads the next resets."""

    config: RunConfig
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """per_prompt: between which shares of the answer each prompt's next prefix is drawn."""
    bare: dict[str, float] = field(default_factory=dict)
    """failed: mean score of each prompt's episodes when it was last begun bare."""
    own: OwnAnswers = field(init=False)
    """successes, failures: the answers of the policy that are reset into."""

    def __post_init__(self) -> None:
        """Begin with no answers of the policy's own."""
        self.own = OwnAnswers(self.config)

    def may_reset(self, prompt: TokenizedPair) -> bool:
        """Whether a prompt may be reset: with `failed`, once it was seen to fail."""
        if self.config.reset.reset_prompts == "all":
            return True
        score = self.bare.get(key_of(prompt))
        return score is not None and score < self.config.reset.reset_success

    def place(
        self, answer: TokenizedPair, lengths: Sequence[int], draw: float, share: float
    ) -> int:
        """Return which of an answer's prefix lengths, counted from its shortest, is taken.

        Args:
            answer: What is reset into.
            lengths: The prefix lengths that it offers, ascending, at least 1.
            draw: Uniform in [0, 1).
            share: `reset_share` as scheduled.
        """
        rule, depths = self.config.reset.reset_depth, len(lengths)
        if rule == "first_wrong":
            return self.own.place(answer, lengths)
        if rule == "binomial":
            # Of a draw of exactly 0 scipy says -1.
            from scipy.stats import binom  # half a second that most runs need not

            return max(0, int(binom.ppf(draw, depths - 1, share)))
        if rule == "fixed":
            draw = share
        elif rule == "per_prompt":
            low, high = self.intervals.get(key_of(answer), WHOLE)
            draw = low + draw * (high - low)
        return min(int(draw * depths), depths - 1)

    def learn(self, starts: Sequence[Start], scores: Sequence[float]) -> None:
        """Take the scores of an update's episodes.

        A group succeeds when its mean score reaches `reset_success`. per_prompt: success at a share
        asks for less next time, anywhere from nothing up to it; failure for more, anywhere from it
        up to all. The far end is given back each time, so that the interval follows a policy that
        gets better or forgets.
        """
        reset = self.config.reset
        if reset.reset_depth == "first_wrong" and finder_of(self.config) == "groups":
            self.own.learn(starts, scores)
        if reset.reset_depth != "per_prompt" and reset.reset_prompts != "failed":
            return
        for start, mean in _means(starts, scores).items():
            success = mean >= reset.reset_success
            if not start.reset and reset.reset_prompts == "failed":
                self.bare[key_of(start.pair)] = mean
            elif start.reset and reset.reset_depth == "per_prompt":
                share = start.place / start.depths
                deeper = (start.place + 1) / start.depths
                self.intervals[key_of(start.pair)] = (0.0, share) if success else (deeper, 1.0)

    def needed_share(self) -> float | None:
        """The middle of the prompts' intervals, on average; None before any was reset."""
        if not self.intervals:
            return None
        return sum(low + high for low, high in self.intervals.values()) / (2 * len(self.intervals))

    def failed_share(self) -> float | None:
        """Share of the prompts begun bare that failed when they last were; None without any."""
        if not self.bare:
            return None
        wanted = self.config.reset.reset_success
        return sum(score < wanted for score in self.bare.values()) / len(self.bare)

    def state(self) -> dict[str, Any]:
        """Return all that a resume needs, as JSON values; empty where nothing is remembered."""
        intervals = {key: list(both) for key, both in self.intervals.items()}
        return {"intervals": intervals, "bare": self.bare, "own": self.own.state()}

    @classmethod
    def from_state(cls, config: RunConfig, state: Mapping[str, Any]) -> Curriculum:
        """Rebuild what `state` described; nothing is known where an earlier version wrote it."""
        intervals = {key: (low, high) for key, (low, high) in state.get("intervals", {}).items()}
        found = cls(config, intervals, dict(state.get("bare", {})))
        found.own = OwnAnswers.from_state(config, state.get("own", {}))
        return found


def _means(starts: Sequence[Start], scores: Sequence[float]) -> dict[Start, float]:
    """Mean score by start; the episodes of a group share theirs."""
    groups: dict[Start, list[float]] = {}
    for start, score in zip(starts, scores, strict=True):
        groups.setdefault(start, []).append(score)
    return {start: sum(group) / len(group) for start, group in groups.items()}
