"""Prompts with their answers, as screens and reports show them: texts, titles, small numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from drpo.i18n import t
from drpo.i18n.format import number
from drpo.store.schema import SampleRow


@dataclass(frozen=True, slots=True)
class Statistic:
    """A small number beside an answer."""

    label: str
    value: str
    meaning: str = "muted"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: what came from the data, what the policy wrote, and its figures."""

    id: str
    response: str
    prefix: str = ""
    title: str = ""
    finished: bool = True
    from_data: bool = False
    """The whole answer is the data's own, shown for comparison."""
    figures: Sequence[Statistic] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class PromptCard:
    """One prompt with the answers to it."""

    id: str
    title: str
    prompt: str
    answers: Sequence[Answer]


def statistics_of(sample: SampleRow) -> list[Statistic]:
    """Score, gold score and KL of a sample, as far as they are known."""
    return [
        *_scores(sample.score, sample.gold),
        *([] if sample.kl is None else [Statistic(t("answers.kl"), number(sample.kl), "kl-ink")]),
    ]


def _scores(score: float | None, gold: float | None) -> list[Statistic]:
    # A policy that is trained on the true score is given that for a score, and no other.
    learned = None if score == gold else score
    known = [
        (t("answers.learned"), learned, "learned-ink"),
        (t("answers.gold"), gold, "gold-ink"),
    ]
    return [
        Statistic(label, number(value), ink) for label, value, ink in known if value is not None
    ]


def policy_answer(sample: SampleRow, title: str = "") -> Answer:
    """What the policy made of a prompt."""
    return Answer(
        # Two runs may be called the same, and one run may stand here with two of its steps.
        id=f"{sample.run_id}-{title}-{sample.item}",
        title=title,
        prefix=sample.prefix,
        response=sample.response,
        finished=sample.finished,
        figures=statistics_of(sample),
    )


def data_answer(sample: SampleRow) -> Answer | None:
    """The data's own answer to the same prompt."""
    if not sample.offline:
        return None
    return Answer(
        id=f"data{sample.item}",
        title=t("answers.data_answer"),
        response=sample.offline,
        from_data=True,
        figures=_scores(sample.offline_score, sample.offline_gold),
    )
