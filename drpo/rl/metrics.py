"""What one update has to tell: metrics under the names practitioners know, and its episodes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drpo.modeling.scorers import Completion
from drpo.rl.advantages import explained_variance
from drpo.rl.batches import Episodes
from drpo.rl.checkpoint import TrainState
from drpo.rl.ppo import Credit, OldPolicyStats
from drpo.rl.resets import Start
from drpo.rl.rollout import Rollout
from drpo.types import Sample, known


@dataclass
class Clock:
    """Seconds by part of an update."""

    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        """Book the time since the last lap under a name."""
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


@dataclass(frozen=True)
class Update:
    """Everything that one update drew, measured and learned."""

    starts: list[Start]
    completions: list[Completion]
    rollout: Rollout
    scores: Float[Tensor, " batch"]
    """As trained on: unfinished answers carry the penalty."""
    gold: Float[Tensor, " batch"]
    old: OldPolicyStats
    credit: Credit
    learned: dict[str, float]
    kl_coef: float
    reset_prob: float
    learning_rate: float
    weights: str
    """Hash of the weights that acted."""
    seconds: dict[str, float]

    @property
    def resets(self) -> Bool[Tensor, " batch"]:
        """Which episodes were resets."""
        return torch.tensor([start.reset for start in self.starts])

    @property
    def kl(self) -> Float[Tensor, " batch"]:
        """KL of each episode over what the policy wrote: the very tensor that was trained on."""
        return self.old.kl.sum(dim=1).cpu()


def metrics_of(update: Update, state: TrainState, episodes: Episodes) -> dict[str, float]:
    """Return an update's metrics; those that it cannot know are left out."""
    acted, kl, resets = update.rollout.acted, update.kl, update.resets
    lengths = torch.tensor([float(len(a.ids)) for a in update.completions])
    finished = update.rollout.finished.float().cpu()
    tokens = acted.sum()
    cost = -update.kl_coef * kl
    seconds = sum(update.seconds.values())
    prefixes = [float(s.prefix) for s in update.starts if s.reset]
    values = {
        "objective/scores": float(update.scores.mean()),
        "objective/kl": float(kl.mean()),
        "objective/entropy": float(-update.old.log_probs.sum(dim=1).mean()),
        "objective/non_score_reward": float(cost.mean()),
        "objective/rlhf_reward": float((update.scores + cost).mean()),
        "objective/kl_coef": update.kl_coef,
        "policy/entropy_avg": float(update.old.entropy.sum() / tokens),
        "val/num_eos_tokens": float(finished.sum()),
        "val/explained_variance": explained_variance(
            update.old.values, update.credit.returns, acted
        ),
        "completions/mean_length": float(lengths.mean()),
        "completions/clipped_ratio": float(1 - finished.mean()),
        "reset/prob": update.reset_prob,
        "reset/fraction": float(resets.float().mean()),
        "reset/candidates": float(len(episodes.pool)),
        "lr": update.learning_rate,
        "episode": float(state.episodes),
        "eps": len(update.starts) / seconds,
        "timing_s/update": seconds,
    }
    if prefixes:
        values["reset/prefix_len_mean"] = sum(prefixes) / len(prefixes)
    for name, mask in (("reset", resets), ("prompt", ~resets)):
        if bool(mask.any()):
            values[f"objective/scores_{name}"] = float(update.scores[mask].mean())
            values[f"objective/kl_{name}"] = float(kl[mask].mean())
    values |= _gold_metrics(update, resets)
    values |= {f"timing_s/{name}": spent for name, spent in update.seconds.items()}
    return values | update.learned


def _gold_metrics(update: Update, resets: Bool[Tensor, " batch"]) -> dict[str, float]:
    stated = ~update.gold.isnan()
    parts = (
        ("objective/gold", stated),
        ("objective/gold_reset", stated & resets),
        ("objective/gold_prompt", stated & ~resets),
    )
    return {name: float(update.gold[mask].mean()) for name, mask in parts if bool(mask.any())}


def samples_of(update: Update, step: int, episodes: Episodes) -> list[Sample]:
    """Return every episode of an update as text: where it began, and what the policy wrote."""
    vocabulary = episodes.models.vocabulary
    chosen = update.rollout.acted.sum(dim=1).tolist()
    offline = episodes.offline_scores([s.pair for s in update.starts if s.reset])
    offline_scores = iter(offline)
    samples = []
    for i, (start, completion) in enumerate(zip(update.starts, update.completions, strict=True)):
        score, gold = next(offline_scores) if start.reset else (float("nan"), float("nan"))
        pair = start.pair
        given = vocabulary.continuation(pair.prompt, start.given)
        prefix, response = split_answer(completion.text, given)
        samples.append(
            Sample(
                step=step,
                kind="episode",
                item=pair.item,
                start="reset" if start.reset else "prompt",
                prompt=completion.prompt,
                prefix=prefix,
                response=response,
                offline=vocabulary.continuation(pair.prompt, pair.answer),
                prefix_tokens=start.prefix,
                offline_tokens=len(pair.answer),
                response_tokens=chosen[i],
                finished=completion.finished,
                score=known(float(update.scores[i])),
                gold=known(float(update.gold[i])),
                kl=known(float(update.kl[i])),
                offline_score=known(score),
                offline_gold=known(gold),
                weights=update.weights,
            )
        )
    return samples


def split_answer(text: str, given: str) -> tuple[str, str]:
    """Split a whole answer's text into what was given and what the policy wrote.

    A reset may fall inside a character of several tokens; its first half alone decodes to
    replacement characters, and the whole character then counts as written.
    """
    prefix = given if text.startswith(given) else given.rstrip("\ufffd")
    return (prefix, text[len(prefix) :]) if text.startswith(prefix) else (given, text)
