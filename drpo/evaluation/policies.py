"""From a run to what takes part in an evaluation: a policy at a step, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from drpo.config.methods import UPDATING
from drpo.config.run_config import RunConfig
from drpo.data.run_data import RunData, load_run_data
from drpo.errors import RunError
from drpo.evaluation.storage import standing_step
from drpo.home import outline
from drpo.modeling.scorers import Scorer
from drpo.rl.checkpoint_folders import policies
from drpo.store import Store, run_folder

TRAINED_STEP = 1
"""The step that methods without updates (SFT, DPO, best-of-n) file their result under."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One policy to evaluate."""

    run_id: str
    name: str
    config: RunConfig
    step: int
    policy: str
    """Folder or name of the model that answers; for best-of-n the start policy."""
    origin: str
    """The start policy: what KL is measured to."""
    reward_model: str | None
    reward: Scorer | None = None
    """What it was trained to raise, where that was neither a reward model nor the gold score."""
    data: RunData | None = None
    """Its pairs, where they are in no file or library."""

    @property
    def key(self) -> str:
        """What its evaluation is filed under."""
        return f"{self.run_id}@{self.step}"

    @property
    def draws(self) -> int:
        """Answers drawn for each one that is kept."""
        picks = self.config.run.method == "best_of_n" and self.step > 0
        return self.config.stages.best_of_n if picks else 1

    def run_data(self, store: Store | None) -> RunData:
        """Its pairs, from memory or from where its settings say."""
        return self.data or load_run_data(self.config, store)

    @property
    def division(self) -> tuple[object, ...]:
        """What decides which prompts it was trained on: equal for two, they share them."""
        return self.config.data, self.config.evaluation.eval_seed, id(self.data)


def contestant(store: Store, text: str) -> Contestant:
    """Find what to evaluate.

    Args:
        store: Where the run is.
        text: A run's id or the beginning of it, `@STEP` behind it for another policy than the one
            that stands for the run, see `standing_step`.

    Raises:
        RunError: There is no such run, it trains no policy, or keeps none of that step.
    """
    name, _, wanted = text.partition("@")
    run = store.runs.find(name)
    config = RunConfig.from_nested(run.config)
    folder = run_folder(run.id)
    if wanted and not wanted.isdigit():
        raise RunError(f"{text!r}: expected a step number behind @, got {wanted!r}.")
    kept = kept_policies(config, folder)
    if not kept:
        raise RunError(
            f"{run.id} has kept no policy to evaluate (method {config.run.method}, status "
            f"{run.status}); wait for its first evaluation, or choose another run."
        )
    step = int(wanted) if wanted else standing_step(run, [step for step in kept if step > 0])
    return contestant_of(run.id, run.name, config, folder, step)


def contestant_of(
    run_id: str, name: str, config: RunConfig, folder: Path, step: int | None
) -> Contestant:
    """A run's policy of one step.

    Raises:
        RunError: The run keeps none of that step.
    """
    kept = kept_policies(config, folder)
    if step is None or step not in kept:
        raise RunError(
            f"{run_id} kept its policy at steps {', '.join(map(str, sorted(kept)))}; got {step}."
        )
    return Contestant(
        run_id, name, config, step, kept[step], _origin(config, folder), _reward(config, folder)
    )


def _origin(config: RunConfig, folder: Path) -> str:
    tuned = folder / "models" / "sft"
    if config.run.method != "sft" and tuned.is_dir():
        return str(tuned)
    return config.models.policy


def _reward(config: RunConfig, folder: Path) -> str | None:
    trained = folder / "models" / "reward_model"
    if config.models.reward_model is None and trained.is_dir():
        return str(trained)
    return config.models.reward_model


def kept_policies(config: RunConfig, folder: Path) -> dict[int, str]:
    """Every policy of a run that can answer, by step; step 0 is the start policy."""
    outline(folder)
    origin = _origin(config, folder)
    if config.run.method in UPDATING:
        kept = {step: str(path) for step, path in policies(folder / "checkpoints").items()}
        return {0: origin, **kept} if kept else {}
    if config.run.method == "best_of_n":
        return {0: origin, TRAINED_STEP: origin}
    trained = folder / "models" / config.run.method
    if config.run.method in ("sft", "dpo") and trained.is_dir():
        return {0: origin, TRAINED_STEP: str(trained)}
    return {}
