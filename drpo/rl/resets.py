"""Where each episode starts: at the bare prompt, or part-way through an offline answer.

An episode draws whether it is reset, which offline answer it is reset into, and how deep. The
prefix length is uniform on {min_prefix, ..., L - 1}, L being the answer's tokens with its end
token, so a prefix never holds the end token and at least one token is left to choose. Lengths that
end inside a character or a mark of the chat template are left out. With `min_prefix` 0 this is
"h in [H]" of arXiv:2404.08495; 1 is what the authors' code does, where the first token of an answer
is then never trained on by a reset episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from drpo.errors import DataError
from drpo.modeling.seeding import again, generator_for
from drpo.modeling.tokenization import TokenizedPair
from drpo.rl.curriculum import Curriculum

ROOM = 4
"""Tokens that a reset into a cut answer leaves at least, beyond the one that is always left."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where one episode begins."""

    pair: TokenizedPair
    reset: bool
    """Whether the draw was a reset; its prefix may still be empty when `min_prefix` is 0."""
    prefix: int = 0
    """Tokens of the offline answer that are given, not chosen."""
    place: int = 0
    """Which of the prefix lengths that were on offer this is, from the shortest."""
    depths: int = 0
    """How many were on offer; 0 for what is no reset."""

    @property
    def given(self) -> tuple[int, ...]:
        """The tokens taken from the offline answer."""
        return self.pair.answer[: self.prefix]

    @property
    def context(self) -> tuple[int, ...]:
        """All tokens that stand before the policy's first choice."""
        return self.pair.prompt + self.given


def draw(episodes: int, seed: int, step: int, attempt: int = 0) -> Float[Tensor, "episodes draws"]:
    """Draw three uniform numbers an episode: reset or not, which answer, how deep.

    All three are always drawn, so turning the reset probability changes only where episodes start.
    """
    generator = generator_for(seed, step, again("starts", attempt))
    return torch.rand(episodes, 3, generator=generator, dtype=torch.float64)


def wants_reset(draws: Float[Tensor, "episodes draws"], reset_prob: float) -> list[bool]:
    """Return which episodes the draw sends into an offline answer."""
    # The draws lie in [0, 1), so probability 0 resets none and 1 resets all.
    return [bool(flag) for flag in draws[:, 0] < reset_prob]


def place_starts(
    prompts: Sequence[TokenizedPair],
    offline: Mapping[int, Sequence[TokenizedPair]],
    draws: Float[Tensor, "episodes draws"],
    *,
    reset_prob: float,
    min_prefix: int,
    pool: Sequence[TokenizedPair] = (),
    curriculum: Curriculum | None = None,
    share: float = 0.0,
) -> list[Start]:
    """Decide where each episode starts.

    A reset goes into one of the row's own offline answers when it has any to offer, else into any
    of `pool`: a filtered-out answer, or a demonstrations file, is replaced by a draw from what may
    be used, so the reset probability means what it says.

    Args:
        prompts: The bare prompt of each episode.
        offline: Offline answers by the pair's index.
        draws: From `draw`.
        reset_prob: Chance of a reset, in [0, 1].
        min_prefix: Shortest prefix, 0 or 1.
        pool: Answers for rows that have none of their own.
        curriculum: Which prompts may be reset, and how deep; without one all, and any depth alike.
        share: The share of an answer that its rule goes by, where it goes by one.

    Returns:
        One start an episode, in order. An answer shorter than two tokens starts at the prompt.
    """
    starts = []
    resets = wants_reset(draws, reset_prob)
    for prompt, reset, (_, which, depth) in zip(prompts, resets, draws.tolist(), strict=True):
        allowed = reset and (curriculum is None or curriculum.may_reset(prompt))
        choices = offline.get(prompt.item) or pool if allowed else ()
        chosen = choices[int(which * len(choices))] if choices else prompt
        lengths = prefixes(chosen)
        if not choices or len(lengths) < 2:
            starts.append(Start(chosen, reset=False))
            continue
        lengths = lengths[min_prefix:]  # they begin with 0
        depths = len(lengths)
        place = int(depth * depths)
        if curriculum is not None:
            place = curriculum.place(chosen, lengths, depth, share)
        starts.append(Start(chosen, True, lengths[place], place, depths))
    return starts


def reset_depths(pair: TokenizedPair) -> int:
    """Return how many prefix lengths an answer offers, the empty one among them.

    An answer that was cut at the length limit lacks its end. A reset near the cut would leave the
    policy no room to end in, so its last `ROOM` tokens, or its second half where that is less, are
    never given.
    """
    return len(prefixes(pair))


def prefixes(pair: TokenizedPair) -> Sequence[int]:
    """Return the prefix lengths that an answer offers, ascending from 0."""
    room = min(ROOM, len(pair.answer) // 2) if pair.cut else 0
    every = range(len(pair.answer) - room)
    inside = frozenset(pair.inside)
    return [n for n in every if n not in inside] if inside else every


def batch_rows(rows: int, episodes: int, seed: int, step: int, attempt: int = 0) -> list[int]:
    """Return the rows of update `step`: each pass over the data is a fresh shuffle.

    It depends on its arguments alone, so a resumed run continues in the same place of the same
    shuffle. Rows drawn again (`attempt` above 0) come from a shuffle of their own.
    """
    if rows < 1:
        raise DataError("There are no pairs to train on; expected at least one.")
    chosen: list[int] = []
    position = step * episodes
    while len(chosen) < episodes:
        lap, offset = divmod(position + len(chosen), rows)
        order = torch.randperm(rows, generator=generator_for(seed, lap, again("shuffle", attempt)))
        chosen += order[offset : offset + episodes - len(chosen)].tolist()
    return chosen


def keep_best(
    pairs: Sequence[TokenizedPair], values: Sequence[float], keep: float
) -> list[TokenizedPair]:
    """Return the share `keep` of offline answers with the highest values, in their order.

    The value is the reward margin, the score, or the per-token log-likelihood under the start
    policy, as the reset filter says. Among equals the earlier row stays. At least one is kept.
    """
    count = max(1, round(keep * len(pairs)))
    ranked = sorted(range(len(pairs)), key=lambda i: -values[i])
    kept = set(ranked[:count])
    return [t for i, t in enumerate(pairs) if i in kept]


def by_item(pairs: Sequence[TokenizedPair]) -> dict[int, list[TokenizedPair]]:
    """Group offline answers by the pair they belong to."""
    groups: dict[int, list[TokenizedPair]] = {}
    for pair in pairs:
        groups.setdefault(pair.item, []).append(pair)
    return groups
