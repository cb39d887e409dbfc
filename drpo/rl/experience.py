"""What an update learns from: where its episodes started, what was written, how it scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.modeling.models import Models
from drpo.modeling.scorers import Completion
from drpo.modeling.seeding import again, generator_for
from drpo.rl.advantages import zero_spread
from drpo.rl.batches import Episodes, sampling_of, written_ids
from drpo.rl.curriculum import Curriculum
from drpo.rl.resets import Start
from drpo.rl.rewards import penalise_unfinished
from drpo.rl.rollout import Rollout, finish, pack

if TYPE_CHECKING:
    from drpo.rl.metrics import Clock

ATTEMPTS = 3
"""How often groups of zero spread are drawn again before they are taken as they are."""


@dataclass(frozen=True)
class Experience:
    """The episodes of one update, in one order throughout; groups lie one after the other."""

    starts: list[Start]
    rollout: Rollout
    completions: list[Completion]
    """Whole answers, reset prefix included."""
    scores: Float[Tensor, " batch"]
    """As trained on: unfinished answers carry the penalty."""
    drawn_again: int = 0
    """Groups that were replaced because they had no spread."""
    num_tokens: int = 0
    """All that was written for it: groups that were replaced and rolled-in answers included."""

    def dead_rows(self, group_size: int) -> Bool[Tensor, " batch"]:
        """Return which episodes are in a group that scored all alike."""
        return zero_spread(self.scores, group_size).repeat_interleave(group_size)

    def living(self, config: RunConfig) -> list[int] | None:
        """Return the episodes to learn from, None for all: `drop` leaves dead groups out."""
        if config.ppo.advantage == "gae" or config.ppo.zero_spread_groups != "drop":
            return None
        alive = ~self.dead_rows(config.ppo.group_size)
        return [int(row) for row in alive.nonzero()[:, 0]]


def collect(
    models: Models,
    episodes: Episodes,
    config: RunConfig,
    step: int,
    reset_prob: float,
    clock: Clock,
    curriculum: Curriculum | None = None,
) -> Experience:
    """Start, act and score the episodes of an update; dead groups are drawn again where asked."""
    experience = _collect(models, episodes, config, step, reset_prob, clock, curriculum)
    if config.ppo.advantage == "gae" or config.ppo.zero_spread_groups != "resample":
        return experience
    for attempt in range(1, ATTEMPTS + 1):
        dead = int(experience.dead_rows(config.ppo.group_size).sum())
        if not dead:
            break
        fresh = _collect(
            models, episodes, config, step, reset_prob, clock, curriculum, attempt, dead
        )
        experience = _replace_dead(experience, fresh, episodes, config)
    return experience


def _collect(
    models: Models,
    episodes: Episodes,
    config: RunConfig,
    step: int,
    reset_prob: float,
    clock: Clock,
    curriculum: Curriculum | None,
    attempt: int = 0,
    count: int | None = None,
) -> Experience:
    # 1. Start at the prompt, or part-way through an offline answer.
    starts = episodes.starts(step, reset_prob, attempt, curriculum=curriculum)[:count]
    clock.lap(metrics.TIMING_S_STARTS)

    # 2. Act. `acted` is True only on tokens the policy chose.
    sampling = sampling_of(models, config, config.sampling.temperature)
    noise = torch.rand(
        len(starts),
        sampling.length,
        dtype=torch.float64,
        generator=generator_for(config.run.seed, step, again("sampling", attempt)),
    )
    rollout = finish(
        models.policy,
        [s.context for s in starts],
        [s.prefix for s in starts],
        sampling,
        noise,
        precision=models.precision,
        ranks=models.ranks,
    )
    clock.lap(metrics.TIMING_S_ROLLOUT)

    # 3. Score whole answers, prefix included.
    completions = episodes.completions(starts, rollout)
    scores = penalise_unfinished(
        models.reward.score(completions).to(models.precision.device),
        rollout.finished,
        config.sampling.missing_eos_penalty,
        replace=config.sampling.missing_eos == "replace",
    )
    clock.lap(metrics.TIMING_S_SCORING)
    num_tokens = int(rollout.acted.sum()) + _rolled_in(starts[:: episodes.group_size])
    return Experience(starts, rollout, completions, scores, num_tokens=num_tokens)


def _rolled_in(starts: Sequence[Start]) -> int:
    """Tokens that the start policy wrote for groups to be reset into."""
    return sum(len(start.pair.answer) for start in starts if start.pair.origin == "rollin")


def _replace_dead(
    old: Experience, fresh: Experience, episodes: Episodes, config: RunConfig
) -> Experience:
    """Put groups of `fresh` that have spread in the places of those of `old` that have none."""
    size = config.ppo.group_size
    wanted = zero_spread(old.scores, size).nonzero()[:, 0].tolist()
    offered = (~zero_spread(fresh.scores, size)).nonzero()[:, 0].tolist()
    sources = [(old, row) for row in range(len(old.starts))]
    replaced = list(zip(wanted, offered, strict=False))
    for place, source in replaced:
        for member in range(size):
            sources[place * size + member] = (fresh, source * size + member)
    written = {id(one): written_ids(one.rollout) for one in (old, fresh)}
    starts = [one.starts[row] for one, row in sources]
    device = old.scores.device
    sampling = sampling_of(episodes.models, config, config.sampling.temperature)
    rollout = pack(
        [start.context for start in starts],
        [written[id(one)][row] for one, row in sources],
        sampling,
    ).to(device)
    return Experience(
        starts,
        rollout,
        [one.completions[row] for one, row in sources],
        torch.stack([one.scores[row] for one, row in sources]),
        old.drawn_again + len(replaced),
        old.num_tokens + fresh.num_tokens,
    )
