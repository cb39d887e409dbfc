"""How a run came out: a status, and a sentence for people where something went wrong."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from drpo.config.run_config import RunConfig
from drpo.errors import (
    DrpoError,
    FilesAwayError,
    RankDiedError,
    TrainingDivergedError,
    first_line,
)
from drpo.files import disk_is_full
from drpo.runs import event_words, memory_fit
from drpo.system.limits import is_out_of_memory

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    status: str
    sentence: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    """What the sentence says, for other languages."""


def of_error(
    error: Exception,
    config: RunConfig | None,
    folder: Path,
    *,
    stage: str,
    peak: int,
    room: int,
) -> Outcome:
    """Say what an error comes to; its traceback goes to the log.

    Args:
        error: What ended the run.
        config: The run's settings, where they could be read.
        folder: The run's.
        stage: What it was at.
        peak: Bytes that its process held at most.
        room: Bytes that it might take.
    """
    if isinstance(error, memory_fit.DoesNotFitError):
        return _of_memory(error.facts)
    log.info("the run ended early", exc_info=error)
    if config is not None and is_out_of_memory(error):
        return _of_memory(memory_fit.facts_of("out_of_memory", config, stage, peak, room))
    if isinstance(error, RankDiedError):
        return interrupted(error)
    if isinstance(error, FilesAwayError):
        return Outcome("interrupted", str(error))
    if isinstance(error, TrainingDivergedError):
        return Outcome("failed", str(error), error.facts)
    if isinstance(error, DrpoError):
        return Outcome("failed", str(error))
    log.error("the run failed", exc_info=error)
    return Outcome("failed", plain_sentence(error, folder))


def interrupted(error: RankDiedError) -> Outcome:
    """The end of a run that lost a rank: as where the worker itself dies."""
    return Outcome("interrupted", f"{error} It can be resumed from its checkpoint.", error.facts)


def _of_memory(facts: dict[str, Any]) -> Outcome:
    """The end of a run that memory stopped."""
    return Outcome("failed", event_words.of_memory(facts, lang="en"), facts)


def plain_sentence(error: Exception, folder: Path) -> str:
    """Say what happened without a traceback."""
    if is_out_of_memory(error):
        return (
            "Out of memory: the models and one micro-batch did not fit. Lower micro_batch_size or "
            "response_length, switch gradient_checkpointing on, or use LoRA (lora_rank)."
        )
    if disk_is_full(error):
        return f"The disk is full; free space for {folder} and resume the run."
    if isinstance(error, DBAPIError):
        return (
            f"The store could not be used for too long ({first_line(error)}). The checkpoints are "
            "whole: resume the run when the store is back."
        )
    return (
        f"Something unexpected went wrong ({type(error).__name__}: {first_line(error)}); "
        f"the details are in {folder / 'worker.log'}."
    )
