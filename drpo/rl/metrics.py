"""What one update has to tell: metrics under the names practitioners know, and its episodes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drpo import metrics
from drpo.modeling.scorers import Completion
from drpo.rl.advantages import explained_variance
from drpo.rl.batches import Episodes
from drpo.rl.checkpoint import TrainState
from drpo.rl.credit import Credit, OldPolicyStats
from drpo.rl.experience import Experience
from drpo.rl.kl import k3_per_token
from drpo.rl.resets import Start
from drpo.rl.rollout import Rollout
from drpo.types import Sample, known


@dataclass
class Clock:
    """Seconds by part of an update, under the names of their metrics."""

    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        """Add the time since the last lap to what stands under a metric's name."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now


@dataclass(frozen=True)
class Update:
    """Everything that one update drew, measured and learned."""

    drawn: Experience
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
    def starts(self) -> list[Start]:
        """Where the episodes began."""
        return self.drawn.starts

    @property
    def completions(self) -> list[Completion]:
        """The whole answers."""
        return self.drawn.completions

    @property
    def rollout(self) -> Rollout:
        """What was written, in tokens."""
        return self.drawn.rollout

    @property
    def scores(self) -> Float[Tensor, " batch"]:
        """As trained on: unfinished answers carry the penalty."""
        return self.drawn.scores.cpu()

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
        metrics.OBJECTIVE_SCORES: float(update.scores.mean()),
        metrics.OBJECTIVE_KL: float(kl.mean()),
        metrics.OBJECTIVE_KL_K3: float(_k3(update).mean()),
        metrics.OBJECTIVE_ENTROPY: float(-update.old.log_probs.sum(dim=1).mean()),
        metrics.OBJECTIVE_NON_SCORE_REWARD: float(cost.mean()),
        metrics.OBJECTIVE_RLHF_REWARD: float((update.scores + cost).mean()),
        metrics.OBJECTIVE_KL_COEF: update.kl_coef,
        metrics.POLICY_ENTROPY_AVG: float(update.old.entropy.sum() / tokens),
        metrics.VAL_NUM_EOS_TOKENS: float(finished.sum()),
        metrics.COMPLETIONS_MEAN_LENGTH: float(lengths.mean()),
        metrics.COMPLETIONS_CLIPPED_RATIO: float(1 - finished.mean()),
        metrics.RESET_PROB: update.reset_prob,
        metrics.RESET_FRACTION: float(resets.float().mean()),
        metrics.RESET_CANDIDATES: float(len(episodes.pool) or len(state.curriculum.own)),
        metrics.LR: update.learning_rate,
        metrics.EPISODE: float(state.episodes),
        metrics.NUM_TOKENS: float(state.num_tokens),
        metrics.EPS: len(update.starts) / seconds,
        metrics.TIMING_S_UPDATE: seconds,
    }
    curriculum = {
        metrics.RESET_NEEDED_SHARE: state.curriculum.needed_share(),
        metrics.RESET_FAILED_PROMPTS: state.curriculum.failed_share(),
    }
    values |= {name: value for name, value in curriculum.items() if value is not None}
    if prefixes:
        values[metrics.RESET_PREFIX_LEN_MEAN] = sum(prefixes) / len(prefixes)
    stated = ~update.gold.isnan()
    if bool(stated.any()):
        values[metrics.OBJECTIVE_GOLD] = float(update.gold[stated].mean())
    values |= _by_start(metrics.OBJECTIVE_SCORES, update.scores, resets)
    values |= _by_start(metrics.OBJECTIVE_KL, kl, resets)
    values |= _by_start(metrics.OBJECTIVE_GOLD, update.gold[stated], resets[stated])
    return values | _baseline_metrics(update, episodes) | update.seconds | update.learned


def _k3(update: Update) -> Float[Tensor, " batch"]:
    """KL of each episode by the estimator that is never negative; logged, never trained on."""
    old, acted = update.old, update.rollout.acted
    return k3_per_token(old.log_probs, old.reference_log_probs, acted).sum(dim=1)


def _baseline_metrics(update: Update, episodes: Episodes) -> dict[str, float]:
    """What the episodes were held against: a critic's foresight, or the spread of groups."""
    acted, old = update.rollout.acted, update.old
    if old.values is not None:
        return {
            metrics.VAL_EXPLAINED_VARIANCE: explained_variance(
                old.values, update.credit.returns, acted
            ),
            metrics.VAL_MEAN: float(old.values[acted].mean()),
        }
    dead = update.drawn.dead_rows(episodes.group_size)
    return {
        metrics.GROUP_ZERO_SPREAD: float(dead.float().mean()),
        metrics.GROUP_DRAWN_AGAIN: float(update.drawn.drawn_again),
    }


def _by_start(
    name: str, column: Float[Tensor, " batch"], resets: Bool[Tensor, " batch"]
) -> dict[str, float]:
    """The means over resets and over prompt starts, each where there are any."""
    parts = ((metrics.part_of(name, "reset"), resets), (metrics.part_of(name, "prompt"), ~resets))
    return {part: float(column[mask].mean()) for part, mask in parts if bool(mask.any())}


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
                prefix_pieces=[text for _, text in vocabulary.breaks.pieces(start.given)],
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
