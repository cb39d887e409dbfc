"""Direct preference optimisation, the baseline without a reward model (arXiv:2305.18290)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from drpo import metrics
from drpo.config.run_config import RunConfig
from drpo.data.pairs import Pair
from drpo.modeling.interrupt import StopAskedError
from drpo.parallel.group import here
from drpo.rl.micro_batches import micro_batch_of
from drpo.rl.scoring import action_log_probs
from drpo.stages.common import Learner, StageResult, save, whole_start
from drpo.stages.examples import Example, fitting, two_rows
from drpo.stages.fit import Hooks, Plan, Progress, fit, measure, parts

_CHOSEN, _REJECTED, _ACCURACY, _MARGIN = map(
    metrics.short,
    (
        metrics.DPO_REWARDS_CHOSEN,
        metrics.DPO_REWARDS_REJECTED,
        metrics.DPO_REWARDS_ACCURACIES,
        metrics.DPO_REWARDS_MARGINS,
    ),
)


def train_dpo(
    config: RunConfig,
    pairs: Sequence[Pair],
    out: Path,
    *,
    model: str | Path | None = None,
    heldout: Sequence[Pair] = (),
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> StageResult:
    """Fit a language model to the pairs directly; the reference is where it starts.

    What the reference says of the answers is taken before the first step, from the model that is
    then trained: no second one is loaded.

    Args:
        config: Settings; `stages.dpo_*`, device, number format, LoRA and seed are used.
        pairs: What to learn from.
        out: Folder to write; replaced if it exists.
        model: Where to start; `models.policy` when None.
        heldout: Pairs to measure implicit rewards on.
        progress: Told after every step.
        should_stop: Asked before every part of a step.

    Returns:
        The folder, with `rewards/chosen`, `rewards/rejected`, `rewards/accuracies` and
        `rewards/margins` on the held-out pairs (without them, of the last step).

    Raises:
        DataError: No pair fits the model's context.
        ModelError: The start model or its tokenizer cannot be used.
    """
    start = model or config.models.policy
    learner = Learner.load(config, start, stage="dpo")
    trained = fitting(two_rows(learner.vocabulary, pairs), learner.room)
    held = fitting(two_rows(learner.vocabulary, heldout), learner.room) if heldout else None
    stages, hooks = config.stages, Hooks("dpo", progress, should_stop)
    objective = _Preferring(learner, stages.dpo_beta)
    seen = [*trained.examples, *(held.examples if held else ())]
    stopped = not objective.note_reference(seen, config, hooks)
    figures: dict[str, float] = {}
    if not stopped:
        plan = Plan(stages.dpo_epochs, stages.dpo_learning_rate, stages.dpo_batch_size)
        fitted = fit(learner.network, trained.examples, objective, plan, config, hooks)
        stopped, figures = fitted.stopped, fitted.last
        if held and not stopped:
            figures = measure(held.examples, objective, config, hooks)
    save(learner.network, learner.tokenizer, out, whole_start(config, start))
    measured = trained.figures | {
        name: figures[name] for name in (_CHOSEN, _REJECTED, _ACCURACY, _MARGIN) if name in figures
    }
    return StageResult(out, measured, stopped)


@dataclass
class _Preferring:
    """The loss of DPO, equation 7 of arXiv:2305.18290."""

    learner: Learner
    beta: float
    reference: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Log-likelihoods of an example's answers before the first step, nats, by its identity."""

    def note_reference(self, examples: Sequence[Example], config: RunConfig, hooks: Hooks) -> bool:
        """Take what the start model says of all answers; False where a person asked to stop."""
        place = {id(one): at for at, one in enumerate(examples)}
        found = torch.zeros(len(examples), 2)
        try:
            with here().together(), torch.no_grad():
                for part in parts(examples, config):
                    hooks.obey()
                    both = torch.stack(self._likelihoods(part), dim=1)
                    found[[place[id(one)] for one in part]] = both.cpu()
        except StopAskedError:
            return False
        here().add(found)
        self.reference = {
            id(one): (better, worse)
            for one, (better, worse) in zip(examples, found.tolist(), strict=True)
        }
        return True

    def __call__(
        self, part: Sequence[Example], batch: Sequence[Example]
    ) -> tuple[Float[Tensor, ""], dict[str, float]]:
        chosen, rejected = self._likelihoods(part)
        before = torch.tensor([self.reference[id(one)] for one in part], device=chosen.device)
        of_chosen = self.beta * (chosen - before[:, 0])
        of_rejected = self.beta * (rejected - before[:, 1])
        margin = of_chosen - of_rejected
        figures = {
            metrics.short(metrics.DPO_LOGPS_CHOSEN): chosen,
            metrics.short(metrics.DPO_LOGPS_REJECTED): rejected,
            _CHOSEN: of_chosen,
            _REJECTED: of_rejected,
            _ACCURACY: (margin > 0).float(),
            _MARGIN: margin,
        }
        shares = {name: float(value.detach().sum()) / len(batch) for name, value in figures.items()}
        return -logsigmoid(margin).sum() / len(batch), shares

    def _likelihoods(
        self, part: Sequence[Example]
    ) -> tuple[Float[Tensor, " pairs"], Float[Tensor, " pairs"]]:
        rows = [row for place in (0, 1) for row in (example.rows[place] for example in part)]
        laid = micro_batch_of(rows, self.learner.precision.device)
        logs = action_log_probs(self.learner.network, laid, self.learner.precision, 1.0)
        chosen, rejected = laid.by_row(logs).sum(dim=1).chunk(2)
        return chosen, rejected
