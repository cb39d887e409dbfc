"""Who decides which of two answers is better: a reward model, the gold score, or a chat model.

All judges keep one protocol, so that a win rate means the same whoever named the winners. A judge
sees two answers as `a` and `b` and never learns which system wrote them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from drpo.data.gold_reward import Gold
from drpo.errors import DataError

Winner = Literal["a", "b", "tie"]


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """One answer, with what is already known of it."""

    text: str
    finished: bool = True
    """Whether it ended by itself; an unfinished one is scored without its end token."""
    score: float | None = None
    """Learned reward."""
    gold: float | None = None
    """True reward."""


@dataclass(frozen=True, slots=True)
class Match:
    """Two answers to one prompt."""

    prompt: str
    a: ScoredAnswer
    b: ScoredAnswer
    facts: Mapping[str, str] | None = None
    """What a faithful answer states, where the data know it."""


class Judge(Protocol):
    """Decides matches."""

    name: str

    def judge(self, matches: Sequence[Match]) -> list[Winner | None]:
        """Return the winner of each match; None where the judge could not decide at all."""


AnswerScorer = Callable[[Sequence[tuple[str, ScoredAnswer, Mapping[str, str] | None]]], list[float]]
"""Scores of answers given as (prompt, answer, facts)."""


class ScoreJudge:
    """Prefers the answer with the higher score.

    Args:
        name: What the results are filed under.
        scorer: Scores answers, all at once.
        margin: Scores closer than this are a tie; exactly equal ones always are.
    """

    def __init__(self, name: str, scorer: AnswerScorer, *, margin: float = 0.0) -> None:
        self.name = name
        self._scorer = scorer
        self._margin = margin

    def judge(self, matches: Sequence[Match]) -> list[Winner | None]:
        """Return the winner of each match."""
        sides = [(match.prompt, match.a, match.facts) for match in matches]
        sides += [(match.prompt, match.b, match.facts) for match in matches]
        scores = self._scorer(sides)
        half = len(matches)
        return [self._winner(a, b) for a, b in zip(scores[:half], scores[half:], strict=True)]

    def _winner(self, a: float, b: float) -> Winner:
        if a == b or abs(a - b) < self._margin:
            return "tie"
        return "a" if a > b else "b"


class TextScorer(Protocol):
    """The part of a reward model that this module needs."""

    def score_texts(
        self,
        prompts: Sequence[str],
        responses: Sequence[str],
        batch_size: int = 32,
        finished: Sequence[bool] | None = None,
    ) -> list[float]:
        """Score answers given as text."""


def reward_model_judge(model: TextScorer) -> ScoreJudge:
    """Judge by a reward model; answers that were scored before are not scored again."""

    def scorer(sides: Sequence[tuple[str, ScoredAnswer, Mapping[str, str] | None]]) -> list[float]:
        scores = [answer.score for _, answer, _ in sides]
        missing = [index for index, score in enumerate(scores) if score is None]
        fresh = model.score_texts(
            [sides[index][0] for index in missing],
            [sides[index][1].text for index in missing],
            finished=[sides[index][1].finished for index in missing],
        )
        known = dict(zip(missing, fresh, strict=True))
        return [known[i] if score is None else score for i, score in enumerate(scores)]

    return ScoreJudge("reward_model", scorer)


def gold_judge(gold: Gold) -> ScoreJudge:
    """Judge by the data's true score.

    Args:
        gold: Scores an answer's text, against the facts of its row where it asks for some.
    """

    def scorer(sides: Sequence[tuple[str, ScoredAnswer, Mapping[str, str] | None]]) -> list[float]:
        return [_gold(answer, facts, gold) for _, answer, facts in sides]

    return ScoreJudge("gold", scorer)


def recorded_judge(figure: Literal["score", "gold"]) -> ScoreJudge:
    """Judge by scores that were written down when the answers were made; loads no model."""

    def scorer(sides: Sequence[tuple[str, ScoredAnswer, Mapping[str, str] | None]]) -> list[float]:
        return [_recorded(answer, figure) for _, answer, _ in sides]

    return ScoreJudge("reward_model" if figure == "score" else "gold", scorer)


def _gold(
    answer: ScoredAnswer,
    facts: Mapping[str, str] | None,
    gold: Gold,
) -> float:
    if answer.gold is not None:
        return answer.gold
    if facts is None and gold.fields:
        raise DataError(
            "The gold judge needs the facts of every row, and a row has none; judge with the "
            "reward model instead."
        )
    return gold(answer.text, facts or {})


def _recorded(answer: ScoredAnswer, figure: Literal["score", "gold"]) -> float:
    value = answer.score if figure == "score" else answer.gold
    if value is None:
        raise DataError(
            f"An answer was kept without its {figure}; evaluate the run again with a judge that "
            "can score it."
        )
    return value
