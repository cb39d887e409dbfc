"""The data of a run as training draws from it: prompts, offline answers, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from drpo.config.run_config import RunConfig, check_filter
from drpo.data.pairs import Pair
from drpo.errors import DataError
from drpo.modeling.models import Models
from drpo.modeling.scorers import Answer, Scorer
from drpo.modeling.seeding import generator_for
from drpo.modeling.tokenization import (
    PromptLimit,
    Source,
    Trajectory,
    tokenize_answers,
    tokenize_prompts,
)
from drpo.rl.resets import Start, batch_rows, by_item, draw, keep_best, place_starts, wants_reset
from drpo.rl.rollout import Rollout, Sampling, action_logits, by_length, finish, log_probs_of, pack
from drpo.types import Observer


def sampling_of(models: Models, config: RunConfig, temperature: float) -> Sampling:
    """Return how answers are drawn in this run."""
    return Sampling(
        length=config.sampling.response_length,
        temperature=temperature,
        stops=models.vocabulary.stops,
        pad=models.vocabulary.pad,
        batch_size=config.ppo.micro_batch_size,
    )


def prompt_limit(models: Models, config: RunConfig) -> PromptLimit:
    """Return how many tokens a prompt may have so that a whole answer still fits behind it."""
    asked, answer = config.data.max_prompt_length, config.sampling.response_length
    drop = config.data.long_prompts == "drop"
    if models.context is None or models.context - answer >= asked:
        return PromptLimit(asked, "max_prompt_length", drop)
    reason = f"the model's {models.context} positions less a response_length of {answer}"
    return PromptLimit(models.context - answer, reason, drop)


@dataclass
class Episodes:
    """Draws the starts of each update. Nothing in here changes with training but the memo."""

    models: Models
    config: RunConfig
    pairs: Sequence[Pair]
    demonstrations: Sequence[Pair]
    prompts: list[Trajectory]
    offline: dict[int, list[Trajectory]]
    """Answers each row may be reset into."""
    pool: list[Trajectory]
    """Answers for rows that have none of their own."""
    _known: dict[tuple[Source, int], tuple[float, float]] = field(default_factory=dict)

    def starts(self, step: int, reset_prob: float) -> list[Start]:
        """Return where each episode of an update starts; the same for the same step."""
        episodes, seed = self.config.ppo.episodes_per_update, self.config.run.seed
        rows = batch_rows(len(self.prompts), episodes, seed, step)
        prompts = [self.prompts[row] for row in rows]
        draws = draw(episodes, seed, step)
        # Plain PPO never resets, whatever is asked of it: it is the control of every comparison.
        if self.config.run.method == "ppo" or self.config.reset.reset_source != "rollin":
            return place_starts(
                prompts,
                self.offline,
                draws,
                reset_prob=reset_prob,
                min_prefix=self.config.reset.reset_min_prefix,
                pool=self.pool,
            )
        resets = wants_reset(draws, reset_prob)
        rolled = roll_in(self.models, self.config, prompts, resets, step)
        # Each episode rolls in for itself, so the place in the batch stands in for the row.
        placed = [Trajectory(i, p.source, p.prompt) for i, p in enumerate(prompts)]
        starts = place_starts(
            placed,
            rolled,
            draws,
            reset_prob=reset_prob,
            min_prefix=self.config.reset.reset_min_prefix,
        )
        return [
            Start(Trajectory(p.item, t.source, t.prompt, t.answer), start.reset, start.prefix)
            for p, start in zip(prompts, starts, strict=True)
            for t in (start.trajectory,)
        ]

    def pair(self, trajectory: Trajectory) -> Pair:
        """Return the row that a trajectory came from."""
        rows = self.demonstrations if trajectory.source == "demonstration" else self.pairs
        return rows[trajectory.item]

    def answers(self, starts: Sequence[Start], rollout: Rollout) -> list[Answer]:
        """Return the whole answers, prefix included, as scorers read them."""
        vocabulary = self.models.vocabulary
        acted, actions = rollout.acted.sum(dim=1).tolist(), rollout.actions.tolist()
        answers = []
        for row, (start, finished) in enumerate(
            zip(starts, rollout.finished.tolist(), strict=True)
        ):
            ids = (*start.given, *actions[row][: acted[row]])
            pair, prompt = self.pair(start.trajectory), start.trajectory.prompt
            text = vocabulary.continuation(prompt, ids)
            answers.append(Answer(prompt, ids, pair.prompt, text, finished, pair.facts))
        return answers

    def offline_scores(self, trajectories: Sequence[Trajectory]) -> list[tuple[float, float]]:
        """Return (score, gold) of offline answers, NaN where unknown; each is scored once."""
        unique = {(t.source, t.item): t for t in trajectories if t.source != "rollin"}
        new = [t for key, t in unique.items() if key not in self._known]
        if new:
            scores = self.models.reward.score([self._whole(t) for t in new])
            golds = gold_of(self.models.gold, [self._whole(t) for t in new])
            for t, score, gold in zip(new, scores.tolist(), golds.tolist(), strict=True):
                self._known[t.source, t.item] = (score, gold)
        unknown = (float("nan"), float("nan"))
        return [self._known.get((t.source, t.item), unknown) for t in trajectories]

    def _whole(self, trajectory: Trajectory) -> Answer:
        return offline_answer(self.models, self.pair(trajectory), trajectory)


def offline_answer(models: Models, pair: Pair, trajectory: Trajectory) -> Answer:
    """Return an offline answer as scorers read answers."""
    finished = bool(trajectory.answer) and trajectory.answer[-1] in models.vocabulary.stops
    text = models.vocabulary.continuation(trajectory.prompt, trajectory.answer)
    return Answer(trajectory.prompt, trajectory.answer, pair.prompt, text, finished, pair.facts)


def gold_of(gold: Scorer | None, answers: Sequence[Answer]) -> Float[Tensor, " batch"]:
    """Return gold scores, NaN where there are none."""
    return torch.full((len(answers),), float("nan")) if gold is None else gold.score(answers)


def prepare_episodes(
    models: Models,
    pairs: Sequence[Pair],
    config: RunConfig,
    *,
    demonstrations: Sequence[Pair] = (),
    observer: Observer,
) -> Episodes:
    """Tokenize the data and settle which offline answers may be reset into.

    Args:
        models: Their tokenizer decides; their scores may filter.
        pairs: Preference pairs.
        config: The run.
        demonstrations: Further answers (`chosen` of each record) for that reset source.
        observer: Hears how far a filter is.

    Raises:
        DataError: A prompt does not fit, or nothing is left to reset into.
    """
    limit, length = prompt_limit(models, config), config.sampling.response_length
    prompts = tokenize_prompts(models.vocabulary, pairs, limit)
    episodes = Episodes(models, config, pairs, demonstrations, prompts, {}, [])
    source = config.reset.reset_source
    if config.run.method == "ppo" or source == "rollin":
        return episodes
    if source == "demonstrations":
        rows = tokenize_prompts(models.vocabulary, demonstrations, limit)
        found = tokenize_answers(models.vocabulary, demonstrations, rows, "chosen", length)
        answers = [Trajectory(t.item, "demonstration", t.prompt, t.answer) for t in found]
    else:
        kinds: list[Source] = ["chosen"] if source == "chosen" else ["chosen", "rejected"]
        answers = [
            answer
            for kind in kinds
            for answer in tokenize_answers(models.vocabulary, pairs, prompts, kind, length)
        ]
    # Too short to reset into: such an answer's own row starts at its prompt.
    short = [answer for answer in answers if len(answer.answer) < 2]
    answers = [answer for answer in answers if len(answer.answer) >= 2]
    check_filter(config)
    if config.reset.reset_filter != "none" and answers:
        answers = keep_best(
            answers, _filter_values(episodes, answers, observer), config.reset.reset_filter_keep
        )
    if not answers and config.reset.reset_prob > 0:
        raise DataError(
            f"No {source} answer has two tokens, so there is nothing to reset into; expected at "
            "least one. Set reset_prob to 0 or give longer answers."
        )
    episodes.pool = answers
    if source != "demonstrations":
        episodes.offline = by_item([*answers, *short])
    return episodes


def _filter_values(
    episodes: Episodes, answers: Sequence[Trajectory], observer: Observer
) -> list[float]:
    """Return what the reset filter ranks offline answers by."""
    kind, block = episodes.config.reset.reset_filter, 256
    values: list[float] = []
    for begin in range(0, len(answers), block):
        observer.progress("reset filter", begin, len(answers))
        part = answers[begin : begin + block]
        if kind == "coverage":
            values += coverage(episodes.models, episodes.config, part)
        elif kind == "score":
            values += [score for score, _ in episodes.offline_scores(part)]
        else:
            values += _margins(episodes, part)
    return values


def _margins(episodes: Episodes, answers: Sequence[Trajectory]) -> list[float]:
    """Return by how much each answer beats the other one of its pair: as judged, else as scored."""
    chosen, rejected = (
        [score for score, _ in episodes.offline_scores(_of_kind(episodes, answers, kind))]
        for kind in ("chosen", "rejected")
    )
    margins = []
    for answer, better, worse in zip(answers, chosen, rejected, strict=True):
        judged = episodes.pair(answer).margin
        margin = better - worse if judged is None else judged
        margins.append(-margin if answer.source == "rejected" else margin)
    return margins


def _of_kind(episodes: Episodes, answers: Sequence[Trajectory], kind: Source) -> list[Trajectory]:
    """Return the chosen, or the rejected, answer of each answer's pair."""
    prompts = [Trajectory(a.item, "prompt", a.prompt) for a in answers]
    length = episodes.config.sampling.response_length
    vocabulary = episodes.models.vocabulary
    return tokenize_answers(vocabulary, episodes.pairs, prompts, kind, length)


@torch.no_grad()
def coverage(models: Models, config: RunConfig, answers: Sequence[Trajectory]) -> list[float]:
    """Return each answer's mean log-likelihood per token under the start policy, nats.

    An answer that the start policy would hardly write leads into states that it hardly visits.
    """
    sampling = sampling_of(models, config, 1.0)
    packed = pack([t.prompt for t in answers], [t.answer for t in answers], sampling)
    packed = packed.to(models.precision.device)
    means = [0.0] * len(answers)
    with models.start_policy() as start:
        for rows in by_length(packed, range(len(answers)), sampling.batch_size):
            part = packed.select(rows)
            logits = action_logits(start, part, models.precision)
            logs = torch.where(part.acted, log_probs_of(logits, part.actions, 1.0), 0.0)
            for row, mean in zip(rows, logs.sum(1) / part.acted.sum(1), strict=True):
                means[row] = float(mean)
    return means


def roll_in(
    models: Models,
    config: RunConfig,
    prompts: Sequence[Trajectory],
    resets: Sequence[bool],
    step: int,
) -> dict[int, list[Trajectory]]:
    """Let the start policy write the answers that episodes are reset into, by place in the batch.

    Source: arXiv:2404.08495, Remark 5.1: without offline answers, roll in with the start policy.
    """
    places = [place for place, reset in enumerate(resets) if reset]
    if not places:
        return {}
    sampling = sampling_of(models, config, config.sampling.temperature)
    generator = generator_for(config.run.seed, step, "roll-in")
    noise = torch.rand(len(prompts), sampling.length, generator=generator, dtype=torch.float64)
    contexts = [prompts[place].prompt for place in places]
    with models.start_policy() as start:
        rollout = finish(
            start, contexts, [0] * len(places), sampling, noise[places], precision=models.precision
        )
    lengths, actions = rollout.acted.sum(dim=1).tolist(), rollout.actions.tolist()
    return {
        place: [Trajectory(place, "rollin", prompts[place].prompt, tuple(actions[row][:length]))]
        for row, (place, length) in enumerate(zip(places, lengths, strict=True))
    }
