"""The errors a person may cause, each with a remedy.

Everything that can go wrong because of a file, a setting or a folder raises a `DrpoError`. Its
message is a sentence, or a few, that says what was expected, what came, where, and what to do; the
command line prints it and exits, a screen shows it as text. Any other exception is a bug of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self


class DrpoError(Exception):
    """Base of every error whose message is meant for the person who caused it."""


class ConfigError(DrpoError):
    """A setting is out of range, of the wrong type, or contradicts another."""


class DataError(DrpoError):
    """A file or a row cannot be used; the message names the file and the row or field."""


class ModelError(DrpoError):
    """A model folder or tokenizer lacks something that training needs."""


class RewardError(DrpoError):
    """A reward function returned something else than one finite number an answer."""


class ShapeError(DrpoError):
    """Tensors do not fit together, or a row holds nothing to learn from."""


class CheckpointError(DrpoError):
    """A checkpoint is missing, incomplete or belongs to another run."""


class RunError(DrpoError):
    """A run cannot do what was asked: it is unknown, finished, or already has a worker."""


class TrainingDivergedError(DrpoError):
    """A loss or gradient became NaN or infinite; the last good checkpoint is kept.

    Args:
        sentence: What a person reads.
        facts: What it says, for other languages.
    """

    def __init__(self, sentence: str, facts: Mapping[str, str]) -> None:
        super().__init__(sentence)
        self.facts = dict(facts)

    def __reduce__(self) -> tuple[type[Self], tuple[str, dict[str, str]]]:
        """Keep the facts where one process of a run tells it to another."""
        return type(self), (str(self), self.facts)


class RanksError(DrpoError):
    """A process of a run on several devices failed or died, so the others cannot go on."""


class RankDiedError(RanksError):
    """One of those processes ended before the run did.

    Args:
        sentence: What a person reads.
        facts: What it says, for other languages.
    """

    def __init__(self, sentence: str, facts: Mapping[str, Any]) -> None:
        super().__init__(sentence)
        self.facts = dict(facts)


class FilesAwayError(DrpoError):
    """The object store that holds the workspace's files does not answer, or lets nobody in."""


class LimitError(DrpoError):
    """Something asks for more of this machine than one person's task may have."""


class AccessError(DrpoError):
    """Somebody asks for what their role may not do."""


class JudgeError(DrpoError):
    """A judging service cannot be reached, refuses, or answers nothing usable."""


def first_line(error: BaseException) -> str:
    """An error's first line, at most 200 characters; its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
