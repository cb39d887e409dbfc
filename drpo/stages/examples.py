"""What a stage learns from: rows of tokens, one or two together, and which of them fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from drpo.config.run_config import RunConfig
from drpo.data.pairs import Pair
from drpo.errors import DataError
from drpo.modeling.tokenization import Vocabulary

Row = tuple[list[int], int]
"""Tokens of a prompt and its answer, and at which of them the answer begins."""


@dataclass(frozen=True)
class Example:
    """The rows whose scores one term of the loss compares: the chosen one, then a rejected one."""

    rows: tuple[Row, ...]
    margin: float = 0.0
    """By how much the chosen one was preferred, in units of the data's mean margin."""

    @property
    def longest(self) -> int:
        """Tokens of its longest row."""
        return max(len(ids) for ids, _ in self.rows)

    @property
    def prompt(self) -> int:
        """Tokens of its prompt."""
        return min(start for _, start in self.rows)

    @property
    def answer(self) -> int:
        """Tokens of its longest answer."""
        return max(len(ids) - start for ids, start in self.rows)

    @property
    def written(self) -> int:
        """Tokens of its chosen answer that something predicts."""
        ids, start = self.rows[0]
        return len(ids) - max(start, 1)

    def cut(self, answer: int) -> Example:
        """Cut its answers; one that is cut has no end token."""
        rows = tuple((ids[: start + answer], start) for ids, start in self.rows)
        return replace(self, rows=rows)


def one_row(vocabulary: Vocabulary, pairs: Sequence[Pair]) -> list[Example]:
    """Read the chosen answer of each pair after its prompt."""
    rows = vocabulary.rows([pair.asked for pair in pairs], [pair.chosen for pair in pairs])
    return [Example((row,)) for row in rows]


def two_rows(
    vocabulary: Vocabulary, pairs: Sequence[Pair], margins: Sequence[float] | None = None
) -> list[Example]:
    """Read both answers of each pair, each after its prompt."""
    prompts = [pair.asked for pair in pairs]
    chosen = vocabulary.rows(prompts, [pair.chosen for pair in pairs])
    rejected = vocabulary.rows(prompts, [pair.rejected for pair in pairs])
    asked = [0.0] * len(pairs) if margins is None else margins
    return [
        Example((better, worse), margin)
        for better, worse, margin in zip(chosen, rejected, asked, strict=True)
    ]


@dataclass(frozen=True)
class Room:
    """How long a stage's rows may be, in tokens."""

    context: int | None
    """The whole row: what the model has positions for."""
    prompt: int | None
    """The prompt alone, where long ones are to be left out; None where they are an error, which
    the policy's own training raises."""
    answer: int | None = None
    """The answer alone."""
    cuts: bool = True
    """Whether a longer answer is cut; else its pair is left out."""

    @classmethod
    def of(cls, config: RunConfig, context: int | None) -> Room:
        """What the settings and a model leave."""
        drop, stages = config.data.long_prompts == "drop", config.stages
        return cls(
            context,
            config.data.max_prompt_length if drop else None,
            stages.max_response_length,
            stages.long_responses == "truncate",
        )

    def holds(self, example: Example) -> bool:
        """Whether an example is short enough, its answers as they are."""
        return (
            (self.prompt is None or example.prompt <= self.prompt)
            and (self.context is None or example.longest <= self.context)
            and (self.answer is None or example.answer <= self.answer)
        )


@dataclass(frozen=True)
class Fitting:
    """The examples of a stage that fit, and what became of the others."""

    examples: list[Example]
    too_long: int
    """How many were left out."""
    cut: int
    """How many had an answer cut."""

    @property
    def figures(self) -> dict[str, float]:
        """As the stage's result names them."""
        counts = {"pairs": len(self.examples), "pairs_too_long": self.too_long}
        if self.cut:
            counts["answers_cut"] = self.cut
        return {name: float(count) for name, count in counts.items()}


def fitting(examples: Sequence[Example], room: Room) -> Fitting:
    """Leave out what is too long, rather than train on its beginning, unless answers may be cut.

    Raises:
        DataError: Nothing is left.
    """
    kept, cut = [], 0
    for example in examples:
        shorter = example
        if room.cuts and room.answer is not None and example.answer > room.answer:
            shorter = example.cut(room.answer)
        if room.holds(shorter):
            kept.append(shorter)
            cut += shorter is not example
    if not kept:
        asked = [f"{room.context} tokens, the model's context"] if room.context else []
        asked += [f"{room.prompt} tokens of prompt (max_prompt_length)"] if room.prompt else []
        if room.answer and not room.cuts:
            asked.append(f"{room.answer} tokens of answer (max_response_length)")
        short = min(examples, key=lambda one: one.longest, default=None)
        whole, prompt = (short.longest, short.prompt) if short else (0, 0)
        raise DataError(
            f"Expected pairs of at most {' and '.join(asked)}, got {len(examples)} pairs of which "
            f"the shortest has {whole}, its prompt {prompt}; use a model with a longer context or "
            "shorter texts."
        )
    return Fitting(kept, len(examples) - len(kept), cut)
