"""The data of a run as training draws from it: prompts, offline answers, and their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from drpo.config.run_config import RunConfig, check_filter
from drpo.data.pairs import Pair
from drpo.errors import DataError
from drpo.modeling.models import Models
from drpo.modeling.scorers import Completion
from drpo.modeling.seeding import again, generator_for
from drpo.modeling.tokenization import (
    AnswerOrigin,
    PromptLimit,
    TokenizedPair,
    tokenize_answers,
    tokenize_prompts,
)
from drpo.rl.completions import completion_of, gold_of, offline_completion
from drpo.rl.curriculum import Curriculum
from drpo.rl.own_answers import OWN
from drpo.rl.reset_filter import filtered
from drpo.rl.resets import (
    Start,
    batch_rows,
    by_item,
    draw,
    place_starts,
    reset_depths,
    wants_reset,
)
from drpo.rl.rollout import Rollout, finish
from drpo.rl.sampling import Sampling
from drpo.rl.schedules import reset_share
from drpo.types import Observer


def sampling_of(models: Models, config: RunConfig, temperature: float) -> Sampling:
    """Return how answers are drawn in this run."""
    return Sampling(
        length=config.sampling.response_length,
        temperature=temperature,
        stops=models.vocabulary.stops,
        pad=models.vocabulary.pad,
        batch_size=config.ppo.answers_at_once,
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
    """Draws the starts of each update. Nothing in here changes with training."""

    models: Models
    config: RunConfig
    pairs: Sequence[Pair]
    demonstrations: Sequence[Pair]
    prompts: list[TokenizedPair]
    offline: dict[int, list[TokenizedPair]]
    """Answers each row may be reset into."""
    pool: list[TokenizedPair]
    """Answers for rows that have none of their own."""

    @property
    def group_size(self) -> int:
        """Episodes that share one start; 1 where a critic is the baseline."""
        return 1 if self.config.ppo.advantage == "gae" else self.config.ppo.group_size

    def starts(
        self,
        step: int,
        reset_prob: float,
        attempt: int = 0,
        *,
        curriculum: Curriculum | None = None,
    ) -> list[Start]:
        """Return where each episode of an update starts; the same for the same arguments.

        The episodes of a group lie one after the other and share their start.

        Args:
            step: The update.
            reset_prob: Chance that a group is reset.
            attempt: Above 0 the starts are others: for groups that are drawn again.
            curriculum: What the run has seen of its prompts; None knows nothing.
        """
        groups, seed = self.config.ppo.episodes_per_update // self.group_size, self.config.run.seed
        rows = batch_rows(len(self.prompts), groups, seed, step, attempt)
        prompts = [self.prompts[row] for row in rows]
        draws = draw(groups, seed, step, attempt)
        curriculum = curriculum or Curriculum(self.config)
        offline: Mapping[int, Sequence[TokenizedPair]] = self.offline
        placed = prompts
        if self.config.reset.reset_source == "rollin":
            resets = wants_reset(draws, reset_prob)
            offline = roll_in(self.models, self.config, prompts, resets, step, attempt)
            # Each group rolls in for itself, so its place in the batch stands in for the row.
            placed = [TokenizedPair(i, p.origin, p.prompt) for i, p in enumerate(prompts)]
        elif self.config.reset.reset_source in OWN:
            offline = curriculum.own.offline(prompts, self.models.vocabulary)
        starts = place_starts(
            placed,
            offline,
            draws,
            reset_prob=reset_prob,
            min_prefix=self.config.reset.reset_min_prefix,
            pool=self.pool,
            curriculum=curriculum,
            share=reset_share(self.config, step),
        )
        if placed is not prompts:
            starts = [
                replace(start, pair=replace(start.pair, item=prompt.item))
                for start, prompt in zip(starts, prompts, strict=True)
            ]
        return [start for start in starts for _ in range(self.group_size)]

    def row_of(self, pair: TokenizedPair) -> Pair:
        """Return the text row that a tokenized pair came from."""
        rows = self.demonstrations if pair.origin == "demonstration" else self.pairs
        return rows[pair.item]

    def completions(self, starts: Sequence[Start], rollout: Rollout) -> list[Completion]:
        """Return the whole completions, reset prefix included, as scorers read them."""
        return [
            completion_of(
                self.models.vocabulary,
                self.row_of(start.pair),
                start.pair.prompt,
                (*start.given, *written),
                finished=finished,
            )
            for start, written, finished in zip(
                starts, written_ids(rollout), rollout.finished.tolist(), strict=True
            )
        ]

    def offline_scores(self, pairs: Sequence[TokenizedPair]) -> list[tuple[float, float]]:
        """Return (score, gold) of offline answers, NaN where unknown; repeated ones scored once.

        Nothing is kept from call to call: a resumed run would not know it, and would score an
        answer in other company, which rounds differently.
        """
        unique: dict[tuple[AnswerOrigin, int], TokenizedPair] = {
            (t.origin, t.item): t for t in pairs if t.origin not in ("rollin", "own")
        }
        completions = [self._offline_completion(t) for t in unique.values()]
        scores = self.models.reward.score(completions).tolist() if completions else []
        golds = gold_of(self.models.gold, completions).tolist()
        known = dict(zip(unique, zip(scores, golds, strict=True), strict=True))
        unknown = (float("nan"), float("nan"))
        return [known.get((t.origin, t.item), unknown) for t in pairs]

    def _offline_completion(self, pair: TokenizedPair) -> Completion:
        return offline_completion(self.models.vocabulary, self.row_of(pair), pair)


def written_ids(rollout: Rollout) -> list[tuple[int, ...]]:
    """Return the tokens the policy chose in each episode, without padding."""
    lengths, actions = rollout.acted.sum(dim=1).tolist(), rollout.actions.tolist()
    return [tuple(row[:length]) for row, length in zip(actions, lengths, strict=True)]


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
    if not config.resets_possible or source in ("rollin", *OWN):
        return episodes
    if source == "demonstrations":
        rows = tokenize_prompts(models.vocabulary, demonstrations, limit)
        found = tokenize_answers(models.vocabulary, demonstrations, rows, "chosen", length)
        answers = [replace(t, origin="demonstration") for t in found]
    else:
        both: tuple[AnswerOrigin, ...] = ("chosen", "rejected")
        answers = offline_answers(episodes, both[:1] if source == "chosen" else both)
    # Too short to reset into: such an answer's own row starts at its prompt.
    short = [answer for answer in answers if reset_depths(answer) < 2]
    answers = [answer for answer in answers if reset_depths(answer) >= 2]
    check_filter(config)
    if config.reset.reset_filter != "none" and answers:
        answers = filtered(episodes, answers, sampling_of(models, config, 1.0), observer)
    if not answers and config.reset.reset_prob > 0:
        raise DataError(
            f"No {source} answer has two tokens, so there is nothing to reset into; expected at "
            "least one. Set reset_prob to 0 or give longer answers."
        )
    episodes.pool = answers
    if source != "demonstrations":
        episodes.offline = by_item([*answers, *short])
    return episodes


def offline_answers(episodes: Episodes, origins: Sequence[AnswerOrigin]) -> list[TokenizedPair]:
    """Return the chosen answers, the rejected ones, or both, of all prompts that were kept."""
    vocabulary, length = episodes.models.vocabulary, episodes.config.sampling.response_length
    return [
        answer
        for origin in origins
        for answer in tokenize_answers(vocabulary, episodes.pairs, episodes.prompts, origin, length)
    ]


def roll_in(
    models: Models,
    config: RunConfig,
    prompts: Sequence[TokenizedPair],
    resets: Sequence[bool],
    step: int,
    attempt: int = 0,
) -> dict[int, list[TokenizedPair]]:
    """Let the start policy write the answers that episodes are reset into, by place in the batch.

    Source: arXiv:2404.08495, Remark 5.1: without offline answers, roll in with the start policy.
    """
    places = [place for place, reset in enumerate(resets) if reset]
    if not places:
        return {}
    sampling = sampling_of(models, config, config.sampling.temperature)
    generator = generator_for(config.run.seed, step, again("roll-in", attempt))
    noise = torch.rand(len(prompts), sampling.length, generator=generator, dtype=torch.float64)
    contexts = [prompts[place].prompt for place in places]
    with models.start_policy() as start:
        rollout = finish(
            start,
            contexts,
            [0] * len(places),
            sampling,
            noise[places],
            precision=models.precision,
            ranks=models.ranks,
        )
    return {
        place: [
            TokenizedPair(
                place,
                "rollin",
                prompts[place].prompt,
                written,
                inside=models.vocabulary.breaks.inside(written),
            )
        ]
        for place, written in zip(places, written_ids(rollout), strict=True)
    }
