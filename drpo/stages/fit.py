"""The loop of every stage: batches in a drawn order, cut by tokens, one graph in memory at a time.

A batch is one optimiser step whatever it is cut into: each part adds its share of the batch's mean
loss, so cuts change memory and speed, never the gradient beyond rounding. Several ranks take each a
share of every part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drpo.config.run_config import RunConfig
from drpo.modeling.cuts import cut_by_length
from drpo.modeling.forward_pass import precision_of
from drpo.modeling.interrupt import StopAskedError
from drpo.modeling.seeding import generator_for
from drpo.parallel.group import here
from drpo.rl.finite import check_finite, check_gradient
from drpo.rl.minibatches import add_gradients, add_up
from drpo.stages.examples import Example

WARMUP = 0.05
"""Share of the steps over which the step size rises; from there it falls to zero on a cosine."""

Progress = Callable[[str, int, int, dict[str, float]], None]
"""Called as `progress(stage, steps done, steps in all, figures of the last step)`."""


class Objective(Protocol):
    """What a stage minimises, and what it measures on the way."""

    def __call__(
        self, part: Sequence[Example], batch: Sequence[Example]
    ) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Return a part's share of its batch's mean loss, and of the means of the figures."""
        ...


@dataclass(frozen=True)
class Hooks:
    """How the outside listens and interrupts."""

    stage: str
    progress: Progress | None = None
    should_stop: Callable[[], bool] | None = None

    def stop_asked(self) -> bool:
        """Whether somebody asked to stop."""
        return self.should_stop is not None and self.should_stop()

    def obey(self) -> None:
        """Stop where somebody asked to: one rank is asked, `Ranks.together` lets all stop.

        Raises:
            StopAskedError: Somebody did.
        """
        if self.stop_asked():
            raise StopAskedError

    def tell(self, done: int, total: int, figures: Mapping[str, float] | None = None) -> None:
        """Say how far the stage is."""
        if self.progress is not None:
            self.progress(self.stage, done, total, dict(figures or {}))


@dataclass(frozen=True)
class Plan:
    """How long and how fast a stage learns."""

    epochs: float
    learning_rate: float
    batch_size: int


@dataclass(frozen=True)
class Fitted:
    """How a stage's learning ended."""

    stopped: bool
    last: dict[str, float]
    """Figures of the last step; empty where there was none."""


def fit(
    network: nn.Module,
    examples: Sequence[Example],
    objective: Objective,
    plan: Plan,
    config: RunConfig,
    hooks: Hooks,
) -> Fitted:
    """Minimise an objective over examples with Adam.

    Args:
        network: Its weights that require gradients are trained.
        examples: What to learn from.
        objective: Calls the network.
        plan: Passes, step size, batch.
        config: Seed, clipping, and how much is in memory at once.
        hooks: Told after every step, asked before every part of one.

    Returns:
        Whether a person stopped it, in which case the batch begun is given up; the last figures.

    Raises:
        TrainingDivergedError: A loss or gradient is not finite; the step is not taken.
    """
    weights = {name: one for name, one in network.named_parameters() if one.requires_grad}
    trained = list(weights.values())
    precision = precision_of(config.models.device, config.models.dtype)
    optimizer = torch.optim.AdamW(trained, lr=plan.learning_rate, weight_decay=0.0)
    ranks = here()
    per_epoch = math.ceil(len(examples) / plan.batch_size)
    steps = max(1, math.ceil(plan.epochs * per_epoch))
    figures: dict[str, float] = {}
    for step in range(steps):
        batch = [examples[at] for at in _batch(len(examples), plan.batch_size, step, config, hooks)]
        gradients = partial(_gradients, batch, objective, config, hooks)
        try:
            with ranks.together():
                sums = add_gradients(weights, precision, len(batch), gradients, ranks)
        except StopAskedError:
            return Fitted(stopped=True, last=figures)
        norm = torch.nn.utils.clip_grad_norm_(trained, config.ppo.max_grad_norm)
        check_gradient(hooks.stage, norm, weights)
        pace = plan.learning_rate * _pace(step, steps)
        for group in optimizer.param_groups:
            group["lr"] = pace
        optimizer.step()
        figures = sums | {"grad_norm": float(norm), "learning_rate": pace}
        hooks.tell(step + 1, steps, figures)
    optimizer.zero_grad(set_to_none=True)
    return Fitted(stopped=False, last=figures)


def _gradients(
    batch: Sequence[Example], objective: Objective, config: RunConfig, hooks: Hooks, scale: float
) -> dict[str, float]:
    """Add up the gradient of a batch's loss times a factor, one part at a time."""
    sums: dict[str, float] = {}
    for part in parts(batch, config):
        hooks.obey()
        loss, shares = objective(part, batch)
        check_finite(f"{hooks.stage}'s loss", loss)
        (loss * scale).backward()  # type: ignore[no-untyped-call]
        add_up(sums, {"loss": float(loss.detach()), **shares})
    return sums


def parts(batch: Sequence[Example], config: RunConfig) -> Iterator[list[Example]]:
    """Cut a batch into what is in memory at once: so many rows, so many tokens, as configured.

    Of each part this rank's share; every rank has as many parts, one may be shorter or missing.
    """
    together, ranks = len(batch[0].rows), here()
    cuts = cut_by_length(
        [example.longest for example in batch],
        max(1, config.ppo.rows_at_once // together),
        tokens=max(1, config.tokens_at_once // together),
        device=precision_of(config.models.device, config.models.dtype).device.type,
        ranks=ranks.size,
    )
    # The longest first: a batch that does not fit is known at once.
    for rows in ranks.shares(reversed(cuts)):
        yield [batch[row] for row in rows]


@torch.no_grad()
def measure(
    examples: Sequence[Example], objective: Objective, config: RunConfig, hooks: Hooks
) -> dict[str, float]:
    """Return the mean figures of held-out examples; none where a person asked to stop meanwhile."""
    sums: dict[str, float] = {}
    try:
        with here().together():
            for part in parts(examples, config):
                hooks.obey()
                loss, shares = objective(part, examples)
                add_up(sums, {"loss": float(loss), **shares})
    except StopAskedError:
        return {}
    return here().add_figures(sums)


def _batch(count: int, size: int, step: int, config: RunConfig, hooks: Hooks) -> list[int]:
    """Return the examples of a step; each pass has an order of its own, drawn from the seed."""
    epoch, at = divmod(step, math.ceil(count / size))
    generator = generator_for(config.run.seed, epoch, f"{hooks.stage} order")
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order[at * size : (at + 1) * size]


def _pace(step: int, steps: int) -> float:
    """Return the step size of a step as a share of the largest one."""
    warmup = math.ceil(WARMUP * steps)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
