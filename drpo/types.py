"""What training tells the outside: plain records without tensors."""

# ruff: noqa: ARG002 - what a listener does by default uses nothing it is told

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer, with where it started and how it was scored.

    The whole answer is `prefix + response`: `prefix` was taken from the offline answer (empty at a
    prompt start), `response` is what the policy wrote.
    """

    step: int
    """Held-out: policy updates done when it was written. Episode: the update it was drawn for, so
    that it stands beside that update's metrics."""
    kind: Literal["heldout", "episode"]
    """heldout: a fixed evaluation prompt; episode: drawn in training."""
    item: int
    """Index of the pair it belongs to, in its split."""
    start: Literal["prompt", "reset"]
    prompt: str
    response: str
    prefix: str = ""
    offline: str = ""
    """The offline answer of the same row: reset into, or (held-out) the chosen one."""
    prefix_pieces: Sequence[str] | None = None
    """The same token by token, a character of several tokens in one; None where not kept."""
    prefix_tokens: int = 0
    offline_tokens: int = 0
    response_tokens: int = 0
    finished: bool = True
    """Whether it ended by itself within the length limit."""
    score: float | None = None
    """Reward as the run is trained on it, score units: the reward model's, or the gold score where
    `reward_source` is gold."""
    gold: float | None = None
    """True reward where the data know it."""
    kl: float | None = None
    """KL to the start policy summed over what the policy wrote, nats: as trained on (episode), or
    exact over the vocabulary (held-out)."""
    offline_score: float | None = None
    offline_gold: float | None = None
    weights: str = ""
    """Hash of the weights that wrote it."""


@dataclass(frozen=True, slots=True)
class Control:
    """What people asked of a run since the last update."""

    stop: bool = False
    pause: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    """New values of `kl_coef` and `reset_prob`, after a resume of `learning_rate` too."""


@runtime_checkable
class Observer(Protocol):
    """Who listens to training. The worker's writes to the store; a notebook's keeps lists.

    A subclass overrides what it cares for; the rest does nothing.
    """

    def progress(self, stage: str, done: int, total: int) -> None:
        """Say how far a stage is, 0 of 0 where that is unknown; called often, must be cheap."""
        return

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Take the metrics of one update (or, under `eval/`, of one evaluation)."""
        return

    def samples(self, samples: Sequence[Sample]) -> None:
        """Take answers worth keeping."""
        return

    def event(self, step: int, kind: str, message: str, payload: Mapping[str, Any]) -> None:
        """Take something that happened: a setting changed, an alarm, a checkpoint, a stage done."""
        return

    def control(self, step: int) -> Control:
        """Return what people asked for; called between two updates. Never blocks."""
        return Control()

    def remembered(self) -> Mapping[str, Any]:
        """Return what the next checkpoint should carry for the listener, as JSON."""
        return {}

    def should_stop(self) -> bool:
        """Say whether somebody asked to stop; called often inside a stage, must be cheap."""
        return False


def known(score: float) -> float | None:
    """A score as records keep it: None where it is NaN, as scorers say that they do not know.

    Infinite ones are None too: JSON has no number for them, so that no browser could read a record.
    """
    return score if math.isfinite(score) else None


def finite(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Plain values for JSON: what is no finite number becomes None, in maps and lists within too.

    Python writes NaN into JSON all the same, and then neither databases nor browsers can read it.
    """
    if isinstance(value, Mapping):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return known(value) if isinstance(value, float) else value
